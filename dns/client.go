// Package dns holds shares and TTLs of names at Alibaba Cloud DNS, and asks name servers what they really answer. It asks
// through aliyun.
//
// Laws of this package:
//   - There is no compare-and-set at this provider. One bounded request is read → write → read back: what doesn't hold Before is foreign
//     and isn't written, what else changed meanwhile is said, and nothing is repeated. Between reading and writing somebody else's
//     change can be lost; it is a tenth of a second.
//   - A write that was sent and not answered is unknown. It isn't read back at once: it may still land.
//   - Every state on the way is one that roomshift can name: a record goes from a weight to none, and back, in two writes (see state.go).
//   - Nothing waits or retries: throttled is failed, with the time that the provider said.
//   - Requests go by HTTPS, except to a loopback address. They are signed in their URL: no error holds a URL, a key, a signature.
package dns

import (
	"errors"
	"fmt"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
)

// Config is how one account at Alibaba Cloud DNS is reached. Name is what errors call it. Endpoint "" is DefaultEndpoint; http:// is
// taken for loopback addresses only. AccountFile is the file that Account was read from, which is read again when it changes; "": it
// can't be renewed. TimeOut bounds each request of a plane, 0: 5 s; each call of the API in it has less. Note is told
// what else changed at the provider during a write; nil: nobody is.
type Config struct {
	Name, Endpoint, CAFile string
	Account                aliyun.Account
	AccountFile            string
	TimeOut                time.Duration
	Note                   func(text string)
}

// DefaultEndpoint is where Alibaba answers.
const DefaultEndpoint = "https://alidns.aliyuncs.com"

// Limits of one request of a plane: each change is a call of the API. Alibaba's page doesn't list how often weights may be set, so ten a
// second at most are. A gateway there keeps a request for seconds; Lateness is that and some more.
const (
	MaxChanges = 2
	PerSecond  = 5
	Lateness   = 10 * cutover.Second
)

// workers is how many writes go at once, those of a plane of weights and one of TTLs, and how many names are listed at once. Writes have
// their own: listings that hang keep nobody from going back.
const workers = 8

// Client is one account. It has no state but its connections and may be used by many goroutines.
type Client struct {
	name    string
	timeOut time.Duration
	ali     *aliyun.Client
	note    func(string)
	reads   chan *worker // the SDK's clients may not be shared: one for each request at a time
	writes  chan *worker
}

// New makes a client; no request is sent. Errors name what is wrong, never a secret.
func New(c Config) (*Client, error) {
	if c.Name == "" {
		c.Name = "alidns"
	}
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	if c.TimeOut <= 0 {
		c.TimeOut = 5 * time.Second
	}
	// A call is shorter than the request's time-out, so that a request of several calls tells what it knows.
	ali, err := aliyun.New(aliyun.Config{Name: c.Name, Endpoint: c.Endpoint, CAFile: c.CAFile, Account: c.Account, AccountFile: c.AccountFile,
		CallLimit: c.TimeOut * 3 / 5, Conns: 2 * workers, Kind: kindOfCode})
	if err != nil {
		return nil, err
	}
	own := &Client{name: c.Name, timeOut: c.TimeOut, ali: ali, note: c.Note, reads: make(chan *worker, workers), writes: make(chan *worker, workers)}
	if own.note == nil {
		own.note = func(string) {}
	}
	for _, pool := range []chan *worker{own.reads, own.writes} {
		for range workers { // one after the other: making two at once is a race in the SDK
			w, err := newWorker(own)
			if err != nil {
				return nil, ali.Clean(fmt.Errorf("%s: %w", c.Name, err))
			}
			w.home = pool
			pool <- w
		}
	}
	return own, nil
}

// ErrNoName says that the account has no such name.
var ErrNoName = errors.New("the account has no such name")

// kindOfCode is what a code of this API's means.
func kindOfCode(code string) error {
	switch code {
	case "InvalidDomainName.NoExist", "InvalidRR.NoExist", "IncorrectDomainUser":
		return ErrNoName
	}
	return nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.ali.Close() }

// Plane is one of this client's media as the plane of its name. place is the lock's place. shows is the TTL in force when names are
// moved: as long may an answer be kept that was given before a write.
func (c *Client) Plane(m cutover.Medium, aspect cutover.Aspect, name, place string, seats []cutover.Seat, shows cutover.T) cutover.Plane {
	return cutover.Plane{Name: name, Aspect: aspect, Place: place, Medium: m, Seats: seats, MaxChanges: MaxChanges, Workers: 4,
		PerSecond: PerSecond, TimeOut: cutover.T(c.timeOut), Lateness: Lateness, Shows: shows}
}
