package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"roomshift/cutover"
)

// Two addresses may lead to one Consul, and two datacenters of one federation have their config entries in common: what is then listed for two
// seats is one object, which two steps would write over each other. Whose servers keep what is asked for by name and by their addresses
// among each other, which every agent tells alike.

// serversOf names the servers of a datacenter; "" the client's own. One request, which needs no right.
func (c *Client) serversOf(ctx context.Context, datacenter string) (string, error) {
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	x.datacenter = datacenter
	const act = "ask for the servers"
	b, err := c.send(ctx, http.MethodGet, "/v1/status/peers", nil, nil)
	if err != nil {
		return "", c.readError(x, act, err)
	}
	var peers []string
	if err := json.Unmarshal(b, &peers); err != nil || len(peers) == 0 {
		return "", fmt.Errorf("%s in consul of %s: it names none: %w", act, c.name, err)
	}
	slices.Sort(peers)
	return strings.Join(peers, " "), nil
}

// keptBy is a medium of this package: it tells who keeps its objects.
type keptBy interface {
	keeper(ctx context.Context) (string, error)
}

func (n *NumberKeys) keeper(ctx context.Context) (string, error) { return n.client.keys(ctx) }
func (u *Upstreams) keeper(ctx context.Context) (string, error)  { return u.client.keys(ctx) }

func (s *Services) keeper(ctx context.Context) (string, error) {
	servers, err := s.client.serversOf(ctx, "")
	return "instance of " + servers, err
}

func (s *Splitters) keeper(ctx context.Context) (string, error) {
	primary, err := s.client.primaryDatacenter(ctx)
	if err != nil {
		return "", err
	}
	servers, err := s.client.serversOf(ctx, primary)
	return "splitter of " + servers, err
}

func (c *Client) keys(ctx context.Context) (string, error) {
	servers, err := c.serversOf(ctx, "")
	return "key of " + servers, err
}

// Once says which objects of a snapshot are one and the same, listed for two seats of several planes: nil if there is none. Planes whose
// medium isn't of this package are left out. At most two requests for each plane, none where there is but one.
func Once(ctx context.Context, planes []cutover.Plane, held []cutover.Held) error {
	of := map[string]keptBy{} // by plane
	for i := range planes {
		if m, ok := planes[i].Medium.(keptBy); ok {
			of[planes[i].Name] = m
		}
	}
	if len(of) < 2 {
		return nil
	}
	keepers := map[string]string{}
	for _, plane := range sortedKeys(of) {
		keeper, err := of[plane].keeper(ctx)
		if err != nil {
			return err
		}
		keepers[plane] = keeper
	}
	first := map[[2]string]*cutover.Held{}
	for i := range held {
		h := &held[i]
		keeper := keepers[h.Plane]
		if keeper == "" {
			continue
		}
		what, _, _ := strings.Cut(keeper, " of ")
		id := [2]string{keeper, h.Object}
		if other := first[id]; other != nil && other.Plane != h.Plane {
			return fmt.Errorf("%v and %v are one and the same: both are %s, since %s: leave one of the two out of the route's seats, or mend the address",
				other.Seat, h.Seat, h.Object, whyOnce(what))
		}
		first[id] = h
	}
	return nil
}

func whyOnce(what string) string {
	if what == "splitter" {
		return "the rooms' Consuls are federated, and keep their config entries in one place"
	}
	return "the addresses of two rooms lead to one Consul"
}
