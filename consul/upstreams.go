package consul

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// UpstreamPrefix is where the consumers of upstream keys look: an instance's key is upstreams/NAME/ADDRESS:PORT.
const UpstreamPrefix = "upstreams/"

// UpstreamSpec says which upstream carries a seat, and who reads its keys.
type UpstreamSpec struct {
	Name     string
	Consumer UpstreamConsumer
}

// Network is a range of addresses that are in a room. The narrowest that holds an address counts.
type Network struct {
	Room   cutover.Room
	Prefix netip.Prefix
}

// Upstreams is the medium of upstream keys. An object is an instance's key; of its value only the weight is ours, and the member that
// takes it out (UpstreamConsumer): see the top of instance.go.
//
// Live: every instance that has a key, but not one that serves as a backup only, and not one that somebody took out: its room serves by
// others while it doesn't. Such a one isn't brought in by a shift. Which ones these are is read from the listing, or, in a run,
// from the listing that its plan was made of (OutAtFirst): while a room is brought in by several requests, what isn't in yet isn't out.
type Upstreams struct {
	client   *Client
	plane    string
	seats    map[cutover.Seat]*upstream
	prefixes map[string]*upstream
	networks []Network // narrowest first
	rooms    []cutover.Room
	out      map[string]bool // by key: out when the plan was made; nil: there is no plan
	bad      error           // what is wrong with the specs; said by every method
}

// upstream is a seat's spec that was looked at.
type upstream struct {
	seat    cutover.Seat
	prefix  string
	dialect *dialect
}

var (
	_ cutover.Medium = (*Upstreams)(nil)
	_ cutover.Filler = (*Upstreams)(nil)
)

// Upstreams is the upstream keys of these seats as the plane of this name. rooms are all rooms, networks where their instances are.
// Specs that can't be right are said by the first Read.
func (c *Client) Upstreams(plane string, seats map[cutover.Seat]UpstreamSpec, rooms []cutover.Room, networks []Network) *Upstreams {
	u := &Upstreams{client: c, plane: plane, seats: map[cutover.Seat]*upstream{}, prefixes: map[string]*upstream{},
		rooms: slices.Clone(rooms), networks: slices.Clone(networks)}
	slices.SortStableFunc(u.networks, func(a, b Network) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	for seat, spec := range seats {
		u.seats[seat] = &upstream{seat: seat, prefix: UpstreamPrefix + spec.Name + "/", dialect: dialects[spec.Consumer]}
	}
	for _, seat := range u.Seats() {
		s, spec := u.seats[seat], seats[seat]
		err := error(nil)
		switch {
		case spec.Name == "" || strings.ContainsAny(spec.Name, "/ "):
			err = fmt.Errorf("%q is no upstream's name", spec.Name)
		case s.dialect == nil:
			err = fmt.Errorf("upstream %s is read by %q: want %s or %s", spec.Name, spec.Consumer, Upsync, APISIX)
		case u.prefixes[s.prefix] != nil:
			err = fmt.Errorf("upstream %s is %v's too: its instances have one weight each", spec.Name, u.prefixes[s.prefix].seat)
		}
		if err != nil && u.bad == nil {
			u.bad = fmt.Errorf("seat %v: %w", seat, err)
		}
		u.prefixes[s.prefix] = s
	}
	return u
}

// UpstreamPolicy is what a token must be allowed, besides Policy, to write these upstreams: every key of theirs, since one that can't
// be read isn't listed, without a word.
func UpstreamPolicy(names ...string) []string {
	var lines []string
	names = slices.Clone(names)
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		lines = append(lines, fmt.Sprintf("key_prefix %q { policy = \"write\" }", UpstreamPrefix+n+"/"))
	}
	return lines
}

// Seats are the medium's seats in order.
func (u *Upstreams) Seats() []cutover.Seat {
	seats := make([]cutover.Seat, 0, len(u.seats))
	for s := range u.seats {
		seats = append(seats, s)
	}
	slices.SortFunc(seats, cutover.CompareSeats)
	return seats
}

// OutAtFirst tells which instances were out when the run's plan was made, from its listing: of those, the ones whose room served by
// others are left as they are. To be called before the medium is used by a run, once for each plan of it.
func (u *Upstreams) OutAtFirst(held []cutover.Held) {
	u.out = map[string]bool{}
	for i := range held {
		if held[i].Plane == u.plane && !held[i].Live {
			u.out[held[i].Object] = true
		}
	}
}

// of is the upstream of a key and its address.
func (u *Upstreams) of(key string) (*upstream, netip.AddrPort, error) {
	at := strings.LastIndexByte(key, '/') + 1
	s := u.prefixes[key[:at]]
	if s == nil {
		return nil, netip.AddrPort{}, fmt.Errorf("isn't one of plane %s", u.plane)
	}
	addr, err := netip.ParseAddrPort(key[at:])
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("is no instance: want %sADDRESS:PORT", s.prefix)
	}
	return s, addr, nil
}

// room is where an address is.
func (u *Upstreams) room(addr netip.Addr) cutover.Room {
	for _, n := range u.networks {
		if n.Prefix.Contains(addr.Unmap()) {
			return n.Room
		}
	}
	return ""
}

// Read lists the keys of these seats' upstreams, 63 upstreams in a transaction, consistently; with a token it also asks, in one more
// request, whether the token sees all of them: Consul leaves out what it may not see, and says nothing. A key that isn't an instance,
// or holds no value that its consumer reads in one way, is an error that names it and what was seen; for one in no room's network see
// Roomless.
func (u *Upstreams) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	if u.bad != nil {
		return nil, u.bad
	}
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	seats = slices.Compact(seats)
	prefixes := make([]string, len(seats))
	for i, seat := range seats {
		s := u.seats[seat]
		if s == nil {
			return nil, fmt.Errorf("seat %v isn't one of plane %s", seat, u.plane)
		}
		prefixes[i] = s.prefix
	}
	trees, err := u.client.trees(ctx, prefixes)
	if err != nil {
		return nil, err
	}
	count := 0
	for _, pairs := range trees {
		count += len(pairs)
	}
	held := make([]cutover.Held, 0, count)
	for i, seat := range seats {
		begin := len(held)
		for _, pair := range trees[prefixes[i]] {
			if pair.Key == prefixes[i] { // a folder, as the web page of Consul makes it
				continue
			}
			h, err := u.instance(seat, pair)
			if err != nil {
				return nil, err
			}
			held = append(held, h)
		}
		u.leaveOut(held[begin:])
		u.client.noteRoomless(seat, held[begin:])
	}
	return held, nil
}

// instance is one key as it was read.
func (u *Upstreams) instance(seat cutover.Seat, pair *api.KVPair) (cutover.Held, error) {
	s, addr, err := u.of(pair.Key)
	if err != nil {
		return cutover.Held{}, u.client.clean(fmt.Errorf("%v: key %s in consul of %s %w", seat, pair.Key, u.client.name, err))
	}
	room := u.room(addr.Addr())
	in, err := s.dialect.read(pair.Value)
	if err != nil {
		return cutover.Held{}, u.wrong(pair.Key, err)
	}
	h := cutover.Held{Seat: seat, Plane: u.plane, Object: pair.Key, Value: s.dialect.text(in.state), Version: instanceVersion(pair).String(),
		Born: pair.CreateIndex, Room: room, Live: !in.backup, Weights: cutover.Share{room: s.dialect.units(in.state)}}
	if room == "" {
		h.Live, h.Weights = false, nil
	}
	return h, nil
}

// leaveOut finds the instances of one seat that somebody took out.
func (u *Upstreams) leaveOut(held []cutover.Held) {
	serves := map[cutover.Room]bool{}
	for i := range held {
		if h := &held[i]; h.Live && h.Weights[h.Room] > 0 {
			serves[h.Room] = true
		}
	}
	for i := range held {
		h := &held[i]
		if h.Weights[h.Room] > 0 {
			continue
		}
		if u.out == nil && serves[h.Room] || u.out[h.Object] {
			h.Live = false
		}
	}
}

// instanceVersion keeps the whole value: what isn't ours is in it.
func instanceVersion(pair *api.KVPair) version {
	return version{index: pair.ModifyIndex, flags: pair.Flags, spot: spot{before: string(pair.Value)}}
}

// Weigh is what the instance would give its room with this value, in units of its consumer.
func (u *Upstreams) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	if u.bad != nil {
		return nil, u.bad
	}
	s, addr, err := u.of(h.Object)
	if err != nil {
		return nil, fmt.Errorf("key %s %w", h.Object, err)
	}
	st, err := s.dialect.parse(value)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", h.Object, err)
	}
	room := u.room(addr.Addr())
	if room == "" {
		return nil, fmt.Errorf("key %s is in no room", h.Object)
	}
	return cutover.Share{room: s.dialect.units(st)}, nil
}

// Shape gives every instance of a room one weight (cutover.Members) and takes a room out by "down", or what its consumer reads as that.
// Instances that aren't live are left as they are.
func (u *Upstreams) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	if u.bad != nil {
		return nil, u.bad
	}
	for i := range held {
		if u.seats[held[i].Seat] == nil {
			return nil, fmt.Errorf("key %s isn't one of plane %s", held[i].Object, u.plane)
		}
	}
	return u.members().Shape(held, want)
}

// Fill is cutover.Filler's: the weights of the newer instances of a seat, for going back.
func (u *Upstreams) Fill(held []cutover.Held, newer func(*cutover.Held) bool, want cutover.Share) map[string]string {
	return u.members().Fill(held, newer, want)
}

func (u *Upstreams) members() *cutover.Members {
	return &cutover.Members{Rooms: u.rooms, Scale: cutover.ScaleOf("upstream", ""), Unit: 1, Value: func(h *cutover.Held, units int) string {
		d := u.seats[h.Seat].dialect
		s, err := d.parse(h.Value)
		if err != nil || !h.Live {
			return h.Value
		}
		return d.text(d.set(s, units))
	}}
}

// Write sends one transaction: check-session on the lock, then a compare-and-set for each key: see NumberKeys.Write, whose words are
// this one's too.
func (u *Upstreams) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	return writeKeys(ctx, u.client, u, f, changes)
}

func (u *Upstreams) problem() error { return u.bad }

func (u *Upstreams) takes(key, value string) error {
	s, _, err := u.of(key)
	if err != nil {
		return err
	}
	if _, err := s.dialect.parse(value); err != nil {
		return fmt.Errorf("would hold %w", err)
	}
	return nil
}

func (u *Upstreams) value(key string, pair *api.KVPair) (string, version, error) {
	s, _, err := u.of(key)
	if err != nil {
		return "", version{}, err
	}
	in, err := s.dialect.read(pair.Value)
	if err != nil {
		return "", version{}, err
	}
	return s.dialect.text(in.state), instanceVersion(pair), nil
}

func (u *Upstreams) holding(key string, v version, value string) ([]byte, version, error) {
	s, _, err := u.of(key)
	if err != nil {
		return nil, version{}, err
	}
	to, err := s.dialect.parse(value)
	if err != nil {
		return nil, version{}, err
	}
	bytes, err := s.dialect.write([]byte(v.spot.before), to)
	if err == nil && len(bytes) > MaxInstance {
		err = fmt.Errorf("would hold %d bytes, want at most %d", len(bytes), MaxInstance)
	}
	v.spot.before = string(bytes)
	return bytes, v, err
}

// wrong says what was seen at a key. It names the seat too, which is what people wrote.
func (u *Upstreams) wrong(key string, seen error) error {
	at := key
	if s, _, err := u.of(key); err == nil {
		at = s.seat.String() + ": key " + key
	}
	return u.client.clean(fmt.Errorf("%s in consul of %s holds %w", at, u.client.name, seen))
}
