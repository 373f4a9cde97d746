// Package consul holds shares, locks and claims in Consul: numbers at keys that gateways read, and the lock that every run
// takes. It is the only importer of consul/api beside lab.
//
// Laws of this package:
//   - One Client talks to one Consul (one room's), with its own token. What it is told in its Config is all it uses: nothing
//     of the environment (CONSUL_HTTP_TOKEN, proxies) reaches a request.
//   - One call is one bounded request; where a second is needed, the method's comment says so. Nothing waits or retries but the
//     lease's renewal.
//   - Every write that Consul can fence is a transaction that begins with the lock's check-session, so that Consul itself refuses an
//     old holder. Config entries and agents can't be fenced: their planes say so.
//   - A request that was handed to a connection and not answered is unknown, never failed.
//   - No error holds a token.
package consul

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// Config is how one Consul is reached. Name is what errors call it: the room's. Addr is http://HOST:PORT or https://HOST:PORT.
// The token is read from TokenFile by New; an empty path means none. TimeOut bounds each request, 0: 5 s. Note hears what a listing
// doesn't count (see Roomless); nil: nobody does.
type Config struct {
	Name, Addr, Datacenter, TokenFile     string
	CAFile, CertFile, KeyFile, ServerName string
	TimeOut                               time.Duration
	Note                                  func(text string)
}

// Client is one Consul. It has no state but its connections, and what can't change, and may be used by many goroutines.
type Client struct {
	name       string
	datacenter string
	token      string
	timeOut    time.Duration
	transport  *http.Transport
	api        *api.Client
	base       url.URL // of requests that consul/api has no words for
	http       *http.Client

	note func(text string)

	mu       sync.Mutex
	primary  string                  // see primaryDatacenter
	roomless map[cutover.Seat]string // which were said last
}

// DefaultTimeOut bounds a request where Config doesn't.
const DefaultTimeOut = 5 * time.Second

// New makes a client; no request is sent. Errors name the file or address at fault, never the token.
func New(c Config) (*Client, error) {
	if c.Name == "" {
		c.Name = c.Addr
	}
	addr, err := url.Parse(c.Addr)
	if err != nil || addr.Host == "" || addr.Scheme != "http" && addr.Scheme != "https" {
		return nil, fmt.Errorf("consul of %s: the address is no http://HOST:PORT or https://HOST:PORT", c.Name)
	}
	if addr.User != nil {
		return nil, fmt.Errorf("consul of %s: the address holds a user or password: put a token into a file, tokenFile", c.Name)
	}
	token, err := readToken(c.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("consul of %s: %w", c.Name, err)
	}
	if c.TimeOut <= 0 {
		c.TimeOut = DefaultTimeOut
	}
	tlsConfig, err := api.SetupTLSConfig(&api.TLSConfig{Address: c.ServerName, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile})
	if err != nil {
		return nil, fmt.Errorf("consul of %s: set up TLS: %w", c.Name, err)
	}
	// As net/http's default, without its proxy from the environment, and with room for a plane's workers.
	transport := &http.Transport{TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: c.TimeOut}
	own := &Client{name: c.Name, datacenter: c.Datacenter, token: token, timeOut: c.TimeOut, transport: transport,
		note: c.Note, roomless: map[cutover.Seat]string{}}
	own.base = url.URL{Scheme: addr.Scheme, Host: addr.Host, Path: strings.TrimSuffix(addr.Path, "/")}
	own.http = &http.Client{Transport: &pin{client: own, addr: addr},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	own.api, err = api.NewClient(&api.Config{
		Address: addr.Host, Scheme: addr.Scheme, PathPrefix: own.base.Path,
		// api would fill an empty token in from the environment; pin puts the real one, or none, into each request.
		Token: "set-for-each-request", HttpClient: own.http,
	})
	if err != nil {
		return nil, own.clean(fmt.Errorf("consul of %s: %w", c.Name, err))
	}
	return own, nil
}

func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("read the token: %s holds no token on one line", file)
	}
	return token, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// clean takes the token out of an error's text. What errors.Is and As find stays.
func (c *Client) clean(err error) error {
	if err == nil || c.token == "" || !strings.Contains(err.Error(), c.token) {
		return err
	}
	return &cleaned{strings.ReplaceAll(err.Error(), c.token, "[token]"), err}
}

type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }

// Is finds sentinels only: nothing is unwrapped whose text holds the token.
func (e *cleaned) Is(target error) bool { return errors.Is(e.err, target) }

// SeatMedium is a medium of this package: it knows its seats.
type SeatMedium interface {
	cutover.Medium
	Seats() []cutover.Seat
}

// Plane is a plane of this client's Consul with the limits that Consul has. place is the lock's place, room the room whose Consul it is,
// "" when one serves all. What is written is served at once: consumers watch.
func (c *Client) Plane(name string, room cutover.Room, place string, m SeatMedium) cutover.Plane {
	return cutover.Plane{
		Name: name, Aspect: cutover.Split, Room: room, Place: place, Medium: m, Seats: m.Seats(),
		MaxChanges: MaxChanges, Workers: 4, TimeOut: cutover.T(c.timeOut), Lateness: Lateness,
		HasCAS: true, FencedByServer: true,
	}
}

// Limits of one request. Consul takes 64 operations in a transaction (later versions 128), one of which is check-session.
// An agent keeps a write for up to 7 s while it looks for a leader (rpc_hold_timeout); Lateness is that and some more.
const (
	MaxChanges = 63
	Lateness   = 10 * cutover.Second
)
