package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// prober asks rooms themselves, whatever DNS says.
type prober struct {
	rooms   map[cutover.Room]*roomAddresses
	names   []string // of the entries, whose DNS values say where a room without a URL is
	timeOut time.Duration
	resolve func(ctx context.Context, name string) ([]netip.Addr, error)
}

// roomAddresses is what rooms.yaml says of where a room is.
type roomAddresses struct {
	urls   []string
	ranges []netip.Prefix
}

func newProber(rooms *runbooks.Rooms, timeOut time.Duration) *prober {
	p := &prober{rooms: map[cutover.Room]*roomAddresses{}, timeOut: timeOut, resolve: resolve}
	for _, r := range rooms.Rooms {
		a := &roomAddresses{}
		for _, addr := range r.Addresses {
			if addr.URL != "" {
				a.urls = append(a.urls, addr.URL)
			} else if prefix, err := netip.ParsePrefix(addr.CIDR); err == nil {
				a.ranges = append(a.ranges, prefix)
			}
		}
		p.rooms[r.Name] = a
	}
	for _, r := range rooms.Routes {
		if r.DNS != nil {
			p.names = append(p.names, r.DNS.Name)
		}
	}
	return p
}

func resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// Probe asks each of the room's own addresses for each path, as host. Every one must answer with 2xx or 3xx; redirects
// aren't followed. The error names the first that didn't, what was seen and what was wanted.
func (m *Metrics) Probe(ctx context.Context, room cutover.Room, host string, paths []string) error {
	return m.prober.probe(ctx, room, host, paths)
}

func (p *prober) probe(ctx context.Context, room cutover.Room, host string, paths []string) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeOut)
	defer cancel()
	bases, err := p.bases(ctx, room, host)
	if err != nil {
		return fmt.Errorf("probe of %s: %w", room, err)
	}
	for _, base := range bases {
		for _, path := range paths {
			if err := probeOne(ctx, base, host, path); err != nil {
				return fmt.Errorf("probe of %s: %w", room, err)
			}
		}
	}
	return nil
}

// bases is where a room is asked: its URLs, else the entries' DNS values inside its ranges, by https.
func (p *prober) bases(ctx context.Context, room cutover.Room, host string) ([]string, error) {
	a := p.rooms[room]
	switch {
	case a == nil:
		return nil, fmt.Errorf("there is no room %s in rooms.yaml", room)
	case len(a.urls) > 0:
		return a.urls, nil
	case len(a.ranges) == 0:
		return nil, errors.New("it has no address; add one under addresses, as http://127.0.0.1:8081 or 203.0.113.0/26")
	}
	names := p.names
	if len(names) == 0 {
		names = []string{host}
	}
	var bases []string
	for _, name := range names {
		addrs, err := p.resolve(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		for _, addr := range addrs {
			base := "https://" + net.JoinHostPort(addr.Unmap().String(), "443")
			inside := slices.ContainsFunc(a.ranges, func(r netip.Prefix) bool { return r.Contains(addr.Unmap()) })
			if inside && !slices.Contains(bases, base) {
				bases = append(bases, base)
			}
		}
	}
	if len(bases) == 0 {
		return nil, fmt.Errorf("no DNS value of %s is inside its addresses; give it a URL under addresses to be asked at",
			strings.Join(names, ", "))
	}
	slices.Sort(bases)
	return bases, nil
}

// probeOne makes one request on a connection of its own, so that it tells whether the room takes new ones.
func probeOne(ctx context.Context, base, host, path string) error {
	u, err := url.Parse(base)
	if err != nil {
		return errors.New("an address is no URL: want one like http://127.0.0.1:8081")
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	tr := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12},
	}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at := u.Redacted() + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(u.String(), "/")+path, nil)
	if err != nil {
		return fmt.Errorf("%s is no address to ask", at)
	}
	req.Host = host
	req.Header.Set("User-Agent", "roomshift-probe")
	resp, err := c.Do(req)
	if err != nil {
		var ue *url.Error // its text would repeat the address, with the parts that Redacted hides
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return fmt.Errorf("%s as %s: %w; wanted an answer with 2xx or 3xx", at, host, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<16) // the status counts; a room that serves hands over the beginning too
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("%s as %s answers %s, wanted 2xx or 3xx", at, host, resp.Status)
	}
	return nil
}
