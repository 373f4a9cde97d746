package lab

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"roomshift/consul"
)

// SplitterName is the service whose splitter stands in home's Consul, and SplitterRoute the route that it carries.
const (
	SplitterName  = "pay-api"
	SplitterRoute = "pay"
)

var splitterNetworks = map[string]string{Home: "127.0.5.0/24", Cloud: "127.0.6.0/24"}

// SplitterOptions says how many instances stand in each room, what the splitter holds at first, and how much is asked of them.
type SplitterOptions struct {
	Instances map[string]int // by room; nil: two in each
	Percent   float64        // the cloud's part at first; 0: 3; negative: 0
	PerSecond float64        // 0: 60
}

// Splitter is a mesh gateway in home that obeys a service's discovery chain, the service's instances in both rooms, and a load of its own
// that counts every answer.
type Splitter struct {
	l     *Lab
	o     SplitterOptions
	fleet *fleet
	mesh  *mesh
	load  *load
}

// StartSplitter starts all of it in a lab that runs, until Close.
func (l *Lab) StartSplitter(ctx context.Context, o SplitterOptions) (*Splitter, error) {
	s := newSplitter(l, o)
	return s, l.add(ctx, s)
}

func newSplitter(l *Lab, o SplitterOptions) *Splitter {
	if o.Instances == nil {
		o.Instances = map[string]int{Home: 2, Cloud: 2}
	}
	if o.Percent == 0 {
		o.Percent = 3
	}
	if o.PerSecond == 0 {
		o.PerSecond = 60
	}
	s := &Splitter{l: l, o: o}
	s.fleet = &fleet{l: l, service: SplitterName, networks: splitterNetworks, fresh: 1, unused: s.unused,
		all: map[string]*fleetInstance{}, made: map[string]int{}}
	s.mesh = newMesh(l, s.fleet)
	return s
}

func (s *Splitter) start(ctx context.Context) error {
	if err := s.startAll(ctx); err != nil {
		return fmt.Errorf("start the splitter of %s: %w", SplitterName, err)
	}
	return nil
}

func (s *Splitter) startAll(ctx context.Context) error {
	for _, room := range rooms {
		for range s.o.Instances[room] {
			if _, err := s.fleet.join(ctx, room, 1); err != nil {
				return err
			}
		}
	}
	for _, entry := range []map[string]any{
		{"Kind": "service-defaults", "Name": SplitterName, "Protocol": "http"},
		{"Kind": "service-resolver", "Name": SplitterName, "Subsets": map[string]any{
			Home:  map[string]string{"Filter": "Service.Meta.room == " + Home},
			Cloud: map[string]string{"Filter": "Service.Meta.room == " + Cloud},
		}},
	} {
		if err := s.l.put(ctx, "/v1/config", entry); err != nil {
			return err
		}
	}
	if err := s.SetPercent(ctx, max(0, s.o.Percent)); err != nil {
		return err
	}
	if err := s.mesh.start(ctx); err != nil {
		return err
	}
	s.load = newLoad(rooms, map[string]string{Home: s.mesh.server.url(), Cloud: s.mesh.server.url()}, s.o.PerSecond, 0, false)
	s.load.reads.Store(true) // what is written is the gateways' load's
	return nil
}

// SetPercent writes the splitter with this part for the cloud, as somebody else than roomshift would.
func (s *Splitter) SetPercent(ctx context.Context, cloud float64) error {
	return s.l.put(ctx, "/v1/config", map[string]any{"Kind": "service-splitter", "Name": SplitterName, "Splits": []map[string]any{
		{"Weight": 100 - cloud, "ServiceSubset": Home}, {"Weight": cloud, "ServiceSubset": Cloud},
	}})
}

// Legs are the parts, in percent, by which the gateway splits, by room, once it obeys the newest chain.
func (s *Splitter) Legs(ctx context.Context) (map[string]float64, error) {
	_, index, err := s.mesh.chain(ctx, 0)
	if err != nil {
		return nil, err
	}
	var parts map[string]float64
	err = until(ctx, func(context.Context) error {
		var obeyed uint64
		if parts, obeyed = s.mesh.obeyed(); obeyed < index {
			return fmt.Errorf("the mesh gateway obeys index %d of the chain, and it is at %d", obeyed, index)
		}
		return nil
	})
	return parts, err
}

func (s *Splitter) unused(ctx context.Context, addr string) error {
	return until(ctx, func(context.Context) error {
		if s.mesh.uses(addr) {
			return fmt.Errorf("the mesh gateway still sends to %s", addr)
		}
		return nil
	})
}

// Counts is what the splitter's load has seen.
func (s *Splitter) Counts() Counts { return s.load.now() }

// Answered waits until every request that was sent before now has its answer.
func (s *Splitter) Answered(ctx context.Context) error { return s.load.answered(ctx) }

// indexes are the numbers that every write changes.
var indexes = regexp.MustCompile(`"((?:Modify)?Index)":\s*\d+`)

// Entry is the splitter as Consul holds it, as text without the numbers that every write changes.
func (s *Splitter) Entry(ctx context.Context) (string, error) {
	b, _, err := s.l.ask(ctx, http.MethodGet, Home, "/v1/config/service-splitter/"+SplitterName, nil)
	return indexes.ReplaceAllString(string(b), `"$1":#`), err
}

func (s *Splitter) name() string                   { return SplitterRoute }
func (s *Splitter) heal(ctx context.Context) error { return s.fleet.heal(ctx) }

func (s *Splitter) replace(ctx context.Context) (string, error) { return s.fleet.replace(ctx) }

func (s *Splitter) checks(ctx context.Context, room string, pass bool) error {
	return s.fleet.checks(ctx, room, pass)
}

func (s *Splitter) foreign(ctx context.Context, room string, weight int) (string, error) {
	if weight < 0 || weight > 100 {
		return "", fmt.Errorf("a leg's weight is 0 to 100")
	}
	cloud := map[string]int{Home: 100 - weight, Cloud: weight}[room]
	return fmt.Sprintf("the splitter gives %s %d %%\n", room, weight), s.SetPercent(ctx, float64(cloud))
}

func (s *Splitter) away(room string, away bool) error {
	err := s.fleet.away(room, away)
	switch {
	case room != Home || s.mesh.server == nil || err != nil:
		return err
	case away:
		s.mesh.server.close()
		return nil
	}
	return s.mesh.server.start()
}

func (s *Splitter) status(context.Context) string {
	parts, _ := s.mesh.obeyed()
	return fmt.Sprintf("%s; its chain gives the cloud %.2f %%\n", s.load.line(SplitterRoute, "the mesh gateway"), parts[Cloud])
}

func (s *Splitter) adds() additions {
	return additions{
		about:    fmt.Sprintf("  %-8s a service-splitter in home's Consul, obeyed by a mesh gateway at %s\n", SplitterRoute, s.mesh.server.url()),
		routes:   fmt.Sprintf("  %s: {consul: {splitter: %s}, seats: [home]}   # a splitter, which a mesh gateway obeys\n", SplitterRoute, SplitterName),
		networks: quoted(splitterNetworks),
		rights:   consul.ServicePolicy(nil, []string{SplitterName}),
	}
}

// Close ends all of it and takes its entries and instances away.
func (s *Splitter) Close() { s.l.drop(s) }

func (s *Splitter) close() {
	if s.load != nil {
		s.load.close()
	}
	s.mesh.close()
	ctx, cancel := context.WithTimeout(context.Background(), forwardLimit)
	defer cancel()
	for _, kind := range strings.Fields("splitter resolver defaults") {
		_, _, _ = s.l.ask(ctx, http.MethodDelete, Home, "/v1/config/service-"+kind+"/"+SplitterName, nil) // its Consul may be away by now
	}
	s.fleet.end()
}
