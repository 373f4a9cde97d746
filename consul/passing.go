package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// Passing are the addresses (host:port) of a service's instances that pass all their checks, in order, read consistently. What the
// token may not read some Consuls leave out without a word: see ReadPolicy.
func (c *Client) Passing(ctx context.Context, service string) ([]string, error) {
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	b, err := c.send(ctx, http.MethodGet, "/v1/health/service/"+url.PathEscape(service), url.Values{"passing": {"1"}, "consistent": {""}}, nil)
	act := "list the passing instances of " + service
	if err != nil {
		return nil, c.serviceRight(c.readError(x, act, err), service, "read")
	}
	if x.header.Get("X-Consul-Results-Filtered-By-Acls") == "true" {
		return nil, fmt.Errorf("%s in consul of %s: %w: some are left out: the token's policy needs %s and service %q { policy = \"read\" }",
			act, c.name, ErrForbidden, nodeRead, service)
	}
	var all []struct {
		Node    struct{ Address string }
		Service struct {
			Address string
			Port    int
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, c.clean(fmt.Errorf("%s in consul of %s: an answer that isn't a list: %w", act, c.name, err))
	}
	var addrs []string
	for _, e := range all {
		host := e.Service.Address
		if host == "" {
			host = e.Node.Address // as the catalog means it
		}
		addrs = append(addrs, net.JoinHostPort(host, strconv.Itoa(e.Service.Port)))
	}
	slices.Sort(addrs)
	return slices.Compact(addrs), nil
}

// ReadPolicy are the lines of a token's policy for Passing.
func ReadPolicy(services ...string) []string {
	if len(services) == 0 {
		return nil
	}
	services = slices.Clone(services)
	slices.Sort(services)
	var lines []string
	for _, s := range slices.Compact(services) {
		lines = append(lines, fmt.Sprintf("service %q { policy = \"read\" }", s))
	}
	return append(lines, nodeRead)
}
