// Package dns holds shares and TTLs of names at Alibaba Cloud DNS, and asks name servers what they really answer. It is the only
// importer of Alibaba's SDK beside lab.
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
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"roomshift/cutover"
)

// Config is how one account at Alibaba Cloud DNS is reached. Name is what errors call it. Endpoint "" is DefaultEndpoint; http:// is
// taken for loopback addresses only. AccountFile is the file that Account was read from, which is read again when it changes; "": it
// can't be renewed. TimeOut bounds each request of a plane, 0: 5 s; each call of the API in it has less. Note is told
// what else changed at the provider during a write; nil: nobody is.
type Config struct {
	Name, Endpoint, CAFile string
	Account                Account
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
	name      string
	timeOut   time.Duration
	keys      *keyring
	note      func(string)
	transport *http.Transport
	reads     chan *worker // the SDK's clients may not be shared: one for each request at a time
	writes    chan *worker
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
	endpoint, err := endpointOf(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := c.Account.refuse(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if strings.Contains(","+os.Getenv("DEBUG")+",", ",sdk,") {
		return nil, fmt.Errorf("%s: DEBUG=sdk makes Alibaba's SDK print signed requests on standard output: unset it", c.Name)
	}
	roots, err := rootsOf(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	// As net/http's default, without its proxy from the environment.
	own := &Client{name: c.Name, timeOut: c.TimeOut, keys: newKeyring(c.Name, c.AccountFile, c.Account), note: c.Note, reads: make(chan *worker, workers), writes: make(chan *worker, workers),
		transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 2 * workers,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: c.TimeOut}}
	if own.note == nil {
		own.note = func(string) {}
	}
	for _, pool := range []chan *worker{own.reads, own.writes} {
		for range workers { // one after the other: making two at once is a race in the SDK
			w, err := newWorker(own, endpoint)
			if err != nil {
				return nil, own.clean(fmt.Errorf("%s: %w", c.Name, err))
			}
			w.home = pool
			pool <- w
		}
	}
	return own, nil
}

// endpointOf takes an address that may be asked: HTTPS, or HTTP on this machine.
func endpointOf(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the endpoint is no https://HOST")
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && ip != nil && ip.IsLoopback():
	default:
		return nil, fmt.Errorf("the endpoint %s://%s isn't asked: want https, for requests carry the account's signature; http is for loopback addresses", u.Scheme, u.Host)
	}
	return u, nil
}

func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Plane is one of this client's media as the plane of its name. place is the lock's place. shows is the TTL in force when names are
// moved: as long may an answer be kept that was given before a write.
func (c *Client) Plane(m cutover.Medium, aspect cutover.Aspect, name, place string, seats []cutover.Seat, shows cutover.T) cutover.Plane {
	return cutover.Plane{Name: name, Aspect: aspect, Place: place, Medium: m, Seats: seats, MaxChanges: MaxChanges, Workers: 4,
		PerSecond: PerSecond, TimeOut: cutover.T(c.timeOut), Lateness: Lateness, Shows: shows}
}
