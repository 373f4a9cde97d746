// Package aliyun asks Alibaba Cloud's APIs by its SDK: who asks, over which connections, and what became of a call. dns asks about names
// through it; aliyun/dts and aliyun/rds about databases. It and those below it and dns are the only importers of the SDK beside lab.
//
// Laws of this package:
//   - One call is one request: nothing waits or retries. Throttled is failed, with the time that the provider said.
//   - A call that was sent and not answered is unknown: it may still land.
//   - Requests go by HTTPS, except to a loopback address. They are signed in their URL: no error holds a URL, a key, a signature.
//   - The account may be temporary: its file is read again when it changes.
package aliyun

import (
	"context"
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

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"

	"roomshift/cutover"
)

// Config is how one account at one product is reached. Name is what errors call it. http:// is taken for loopback addresses only.
// AccountFile is the file that Account was read from, which is read again when it changes; "": it can't be renewed. CallLimit bounds each
// call. Conns is how many connections are kept. Kind says what a code of this product's API means, nil where its own words say all.
type Config struct {
	Name, Endpoint, CAFile string
	Account                Account
	AccountFile            string
	CallLimit              time.Duration
	Conns                  int
	Kind                   func(code string) error
}

// Client is one account at one product. It has no state but its connections and may be used by many goroutines.
type Client struct {
	name      string
	endpoint  *url.URL
	limit     time.Duration
	keys      *keyring
	kind      func(string) error
	transport *http.Transport
}

// New makes a client; no request is sent. Errors name what is wrong, never a secret.
func New(c Config) (*Client, error) {
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
	return &Client{name: c.Name, endpoint: endpoint, limit: c.CallLimit, keys: newKeyring(c.Name, c.AccountFile, c.Account), kind: c.Kind,
		transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: c.Conns,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: c.CallLimit}}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Host is the server's, with its port, Keys the account as the SDK takes it.
func (c *Client) Host() string { return c.endpoint.Host }

// Keys is the account as the SDK takes it: as its file has it when a request is signed.
func (c *Client) Keys() credentials.CredentialsProvider { return c.keys }

// Lane is the way of one client of the SDK's to the server. Only one goroutine uses it at a time: the SDK's clients may not be shared.
type Lane struct {
	client *Client
	pin    *pin
}

// Lane makes one. Two mustn't be made at once, nor clients of the SDK with them: that is a race in the SDK.
func (c *Client) Lane() *Lane { return &Lane{c, &pin{base: c.transport}} }

// Config is what a client of the SDK is made with that goes this way.
func (l *Lane) Config() *sdk.Config {
	config := sdk.NewConfig().WithAutoRetry(false).WithTimeout(2 * l.client.limit) // the call's context ends before
	config.Scheme = "HTTPS"
	if l.client.endpoint.Scheme == "http" {
		config.Scheme = "HTTP"
	}
	config.Transport = l.pin
	return config
}

// Call makes one call of the API, within ctx and the call's own limit. An answer that the SDK chokes on is unknown.
func (l *Lane) Call(ctx context.Context, act string, do func() error) (err error) {
	c := l.client
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	x := &exchange{ctx: ctx, account: c.keys.account()}
	l.pin.x = x
	defer func() {
		if p := recover(); p != nil { // the SDK panics on an error whose members aren't texts
			err = c.judge(x, act, fmt.Errorf("the answer can't be read: %T", p))
		}
	}()
	if err := ctx.Err(); err != nil {
		return c.judge(x, act, err)
	}
	if err := do(); err != nil {
		return c.judge(x, act, err)
	}
	return nil
}

// Read is Call for what only reads: what isn't answered has no outcome.
func (l *Lane) Read(ctx context.Context, act string, do func() error) error {
	err := l.Call(ctx, act, do)
	var e *CallError
	if errors.As(err, &e) && errors.Is(e.kind, cutover.ErrOutcomeUnknown) {
		e.kind = nil
	}
	return err
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
