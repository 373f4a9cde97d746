package dns

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"roomshift/aliyun"
	"roomshift/cutover"
)

// Name is a route's name at this provider, and the lines on which it is split: a seat each.
type Name struct {
	Route, Name string
	Lines       []string
}

// RoomNets says which addresses are a room's.
type RoomNets struct {
	Room cutover.Room
	Nets []netip.Prefix
}

// names is what both media of an account know: which name a seat belongs to.
type names struct {
	client *Client
	plane  string
	byName []Name // sorted by route
	bad    error  // what is wrong with them; said by every method
}

func newNames(c *Client, plane string, all []Name) names {
	n := names{client: c, plane: plane}
	taken := map[string]string{}
	for _, x := range all {
		x.Name = strings.ToLower(strings.TrimSuffix(x.Name, "."))
		x.Lines = slices.Sorted(slices.Values(x.Lines))
		n.byName = append(n.byName, x)
		if other, ok := taken[x.Name]; ok && n.bad == nil {
			n.bad = fmt.Errorf("%s and %s are both %s: a name is one route", other, x.Route, x.Name)
		}
		taken[x.Name] = x.Route
	}
	slices.SortFunc(n.byName, func(a, b Name) int { return strings.Compare(a.Route, b.Route) })
	return n
}

// Seats are the seats in order: each name's lines.
func (n *names) Seats() []cutover.Seat {
	var seats []cutover.Seat
	for _, x := range n.byName {
		for _, line := range x.Lines {
			seats = append(seats, cutover.Seat{Route: x.Route, At: line})
		}
	}
	slices.SortFunc(seats, cutover.CompareSeats)
	return seats
}

// of is the name that a seat belongs to.
func (n *names) of(seat cutover.Seat) (Name, error) {
	for _, x := range n.byName {
		if x.Route == seat.Route && slices.Contains(x.Lines, seat.At) {
			return x, nil
		}
	}
	return Name{}, fmt.Errorf("seat %v isn't one of plane %s", seat, n.plane)
}

// listing is what the provider holds of one name.
type listing struct {
	name    string
	records []record // A, AAAA and CNAME
	on      map[kindOnLine]bool
}

// isOn tells whether the weights of a type are on, on a line.
func (l *listing) isOn(kind, line string) bool {
	if on, ok := l.on[kindOnLine{kind, line}]; ok {
		return on
	}
	return l.on[kindOnLine{kind, ""}]
}

// byID is the record with this id, nil if there is none.
func (l *listing) byID(id string) *record {
	for i := range l.records {
		if l.records[i].id == id {
			return &l.records[i]
		}
	}
	return nil
}

// list reads a name's records, and its weight switches.
func list(ctx context.Context, a api, name string) (*listing, error) {
	all, err := a.records(ctx, name)
	if err != nil {
		return nil, err
	}
	l := &listing{name: name, on: map[kindOnLine]bool{}}
	for _, r := range all {
		if r.kind == "A" || r.kind == "AAAA" || r.kind == "CNAME" {
			l.records = append(l.records, r)
		}
	}
	if len(l.records) == 0 {
		return nil, fmt.Errorf("%w %s with an address: make a record for each room first", ErrNoName, name)
	}
	slices.SortFunc(l.records, func(a, b record) int {
		return strings.Compare(a.line+"\x00"+a.kind+"\x00"+a.value+"\x00"+a.id, b.line+"\x00"+b.kind+"\x00"+b.value+"\x00"+b.id)
	})
	l.on, err = a.switches(ctx, l.records[0].zone, l.records[0].rr)
	return l, err
}

// atOnce is how many names are listed side by side.
const atOnce = 4

// lists reads the names of these seats side by side, by name. One that can't be read is an error for all.
func (n *names) lists(ctx context.Context, seats []cutover.Seat) (map[string]*listing, error) {
	if n.bad != nil {
		return nil, n.bad
	}
	var wanted []string
	for _, seat := range seats {
		x, err := n.of(seat)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(wanted, x.Name) {
			wanted = append(wanted, x.Name)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var failed error
	found := map[string]*listing{}
	var wait sync.WaitGroup
	turn := make(chan string)
	for range min(atOnce, len(wanted)) {
		wait.Go(func() {
			for name := range turn {
				l, err := n.client.listOne(ctx, name)
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
					cancel()
				}
				found[name] = l
				mu.Unlock()
			}
		})
	}
	for _, name := range wanted {
		turn <- name
	}
	close(turn)
	wait.Wait()
	return found, throttled(failed)
}

// throttled says by its type that a listing is to be asked for later.
func throttled(err error) error {
	var e *aliyun.CallError
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return &cutover.Throttled{After: e.RetryAfter, Err: err}
	}
	return err
}

func (c *Client) listOne(ctx context.Context, name string) (*listing, error) {
	w, err := c.take(ctx, c.reads)
	if err != nil {
		return nil, fmt.Errorf("list the records of %s at %s: %w", name, c.name, err)
	}
	defer c.give(w)
	return list(ctx, w, name)
}

// Found is what the provider holds of a name: the lines that have an address, in order, and the longest TTL of its records, in seconds.
type Found struct {
	Lines []string
	TTL   int64
}

// Look reads names, side by side, and says what is there. A name without an address is an error.
func (c *Client) Look(ctx context.Context, all []string) (map[string]Found, error) {
	n := newNames(c, c.name, nil)
	var seats []cutover.Seat
	for _, name := range all {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		n.byName = append(n.byName, Name{Route: name, Name: name, Lines: []string{""}})
		seats = append(seats, cutover.Seat{Route: name})
	}
	lists, err := n.lists(ctx, seats)
	if err != nil {
		return nil, err
	}
	out := map[string]Found{}
	for name, l := range lists {
		f := Found{}
		for _, r := range l.records {
			if !slices.Contains(f.Lines, r.line) {
				f.Lines = append(f.Lines, r.line)
			}
			f.TTL = max(f.TTL, r.ttl)
		}
		slices.Sort(f.Lines)
		out[name] = f
	}
	return out, nil
}

// at is the records of a seat, in order. None, and the same address twice, are errors.
func (n *names) at(l *listing, seat cutover.Seat) ([]*record, error) {
	var out []*record
	for i := range l.records {
		r := &l.records[i]
		if r.line != seat.At {
			continue
		}
		if k := len(out); k > 0 && out[k-1].kind == r.kind && out[k-1].value == r.value {
			return nil, fmt.Errorf("%v: %s is there twice on line %s: delete one of the two", seat, r.value, r.line)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%v: %s has no address on line %s: make a record for each room there first", seat, l.name, seat.At)
	}
	return out, nil
}

// born is a record's number: it has another one when it is made anew.
func (r *record) born() uint64 {
	if n, err := strconv.ParseUint(r.id, 10, 64); err == nil {
		return n
	}
	h := fnv.New64a()
	h.Write([]byte(r.id))
	return h.Sum64()
}

// isHost tells whether a listing's name is this host's.
func isHost(listed, rr, zone string) bool {
	listed = strings.TrimPrefix(strings.TrimSpace(listed), "@.")
	if rr == "@" {
		return listed == zone
	}
	return listed == rr+"."+zone
}
