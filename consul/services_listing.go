package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"roomshift/cutover"
)

// wholeListing is all of a service's instances at an index of Consul's. It is never changed, and handed out as long as that index is the
// service's: Consul moves it with everything that a listing tells.
type wholeListing struct {
	held  []cutover.Held
	index uint64
	one   *serviceInstance // any of them
}

// many is how many instances make it worth while to ask first whether anything has changed. Ten thousand are some megabytes.
const many = 500

// listing is a seat's instances in order. Of a large service that was listed before, one of them is asked for first: what comes with it tells
// whether any has changed since, and that the token may still read it.
func (s *Services) listing(ctx context.Context, seat cutover.Seat, spec ServiceSpec) ([]cutover.Held, error) {
	s.mu.Lock()
	last := s.whole[spec.Service]
	s.mu.Unlock()
	if last != nil {
		same, err := s.unchanged(ctx, spec.Service, last)
		if err != nil {
			return nil, err
		}
		if same {
			return last.held, nil
		}
	}
	found, index, err := s.list(ctx, spec.Service, 0)
	if err != nil {
		return nil, err
	}
	l := &wholeListing{held: make([]cutover.Held, 0, len(found)), index: index}
	for _, object := range sortedKeys(found) {
		i := found[object]
		l.held = append(l.held, s.held(seat, spec, i))
		if quotable.MatchString(i.node) && quotable.MatchString(i.service.ID) {
			l.one = i
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.whole, spec.Service)
	if len(found) >= many && index > 0 && l.one != nil {
		s.whole[spec.Service] = l
	}
	return l.held, nil
}

// quotable is what stands in a filter as it is.
var quotable = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

// unchanged asks for one instance, and takes the index of all from the answer. Not the same: the whole is to be listed.
func (s *Services) unchanged(ctx context.Context, service string, last *wholeListing) (bool, error) {
	c := s.client
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	query := url.Values{"consistent": {""}, "filter": {fmt.Sprintf("Service.ID == %q and Node.Node == %q", last.one.service.ID, last.one.node)}}
	act := "ask whether the instances of " + service + " have changed"
	b, err := c.send(ctx, http.MethodGet, "/v1/health/service/"+service, query, nil)
	if err != nil {
		return false, c.serviceRight(c.readError(x, act, err), service, "read")
	}
	var one []json.RawMessage
	if err := json.Unmarshal(b, &one); err != nil {
		return false, fmt.Errorf("%s in consul of %s: %w", act, c.name, err)
	}
	index, err := strconv.ParseUint(x.header.Get("X-Consul-Index"), 10, 64)
	return err == nil && index == last.index && len(one) == 1 && x.header.Get("X-Consul-Results-Filtered-By-Acls") != "true", nil
}
