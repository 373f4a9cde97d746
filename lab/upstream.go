package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"roomshift/consul"
	"roomshift/lab/server"
)

// UpstreamName is the upstream whose keys stand in home's Consul, and UpstreamRoute the route that it carries, where UpstreamOptions says
// no other.
const (
	UpstreamName  = "im-gw"
	UpstreamRoute = "im"
)

// UpstreamNetworks are where the upstream's instances listen, by room.
var UpstreamNetworks = map[string]string{Home: "127.0.1.0/24", Cloud: "127.0.2.0/24"}

// UpstreamOptions says how many instances stand in each room at first, what stands at their keys, and how much is asked of them.
type UpstreamOptions struct {
	Name, Route string // "": UpstreamName, UpstreamRoute

	Instances map[string]int           // by room; nil: three in each
	Value     func(room string) string // of a key; nil: a weight by which three in a hundred go to the cloud, where as many stand
	PerSecond float64                  // 0: 60
}

// Upstream is a real nginx in home whose servers are rendered from the upstream's keys, its instances in both rooms, and a load of its
// own that counts every answer. What nginx sends where is counted by nginx's own log, beside what the gateways count.
type Upstream struct {
	l    *Lab
	o    UpstreamOptions
	log  net.PacketConn // nginx's log
	load *load
	end  context.CancelFunc
	done sync.WaitGroup

	mu        sync.Mutex // guards what follows
	nginx     *server.Nginx
	instances map[string]*webServer // by key
	made      map[string]int        // by room, so that no address is used twice
	newest    error                 // why the newest keys aren't served
	index     uint64                // of the keys that are served
}

// StartUpstream starts all of it in a lab that runs, until Close, and returns when nginx serves what the keys say.
func (l *Lab) StartUpstream(ctx context.Context, o UpstreamOptions) (*Upstream, error) {
	u := newUpstream(l, o)
	return u, l.add(ctx, u)
}

func newUpstream(l *Lab, o UpstreamOptions) *Upstream {
	if o.Value == nil {
		o.Value = func(room string) string {
			return fmt.Sprintf(`{"weight":%d,"max_fails":2,"fail_timeout":10}`, map[string]int{Home: 97, Cloud: 3}[room])
		}
	}
	if o.Instances == nil {
		o.Instances = map[string]int{Home: 3, Cloud: 3}
	}
	if o.PerSecond == 0 {
		o.PerSecond = 60
	}
	o.Name, o.Route = cmp.Or(o.Name, UpstreamName), cmp.Or(o.Route, UpstreamRoute)
	return &Upstream{l: l, o: o, instances: map[string]*webServer{}, made: map[string]int{}}
}

func (u *Upstream) start(ctx context.Context) error {
	if err := u.startAll(ctx); err != nil {
		return fmt.Errorf("start the upstream: %w", err)
	}
	return nil
}

func (u *Upstream) startAll(ctx context.Context) error {
	watching, end := context.WithCancel(context.Background())
	u.end = end
	var err error
	if u.log, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return err
	}
	for _, room := range rooms {
		for range u.o.Instances[room] {
			if _, err := u.Join(ctx, room, u.o.Value(room)); err != nil {
				return err
			}
		}
	}
	dir, err := u.l.folder(path.Join("nginx", u.o.Route))
	if err != nil {
		return err
	}
	servers, index, err := u.servers(ctx, 0)
	if err != nil {
		return err
	}
	if u.nginx, err = server.StartNginx(ctx, dir, u.log.LocalAddr().String(), servers); err != nil {
		return err
	}
	u.index = index
	u.done.Go(func() { u.watch(watching) })
	u.done.Go(func() { countLog(u.log, "nginx: ", UpstreamNetworks, u.l.gateways[Home].requests, u.o.Route) })
	u.load = newLoad(rooms, map[string]string{Home: u.nginx.Addr, Cloud: u.nginx.Addr}, u.o.PerSecond, 0, true)
	u.load.reads.Store(true) // what is written is the gateways' load's
	return nil
}

// Join makes an instance that serves, and its key. It returns the key.
func (u *Upstream) Join(ctx context.Context, room, value string) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.made[room]++
	network := strings.TrimSuffix(UpstreamNetworks[room], "0/24")
	s := &webServer{addr: fmt.Sprintf("%s%d:0", network, u.made[room]), handler: u.l.services[room].server.handler}
	if err := s.start(); err != nil {
		return "", err
	}
	key := "upstreams/" + u.o.Name + "/" + s.addr
	u.instances[key] = s
	return key, u.SetKey(ctx, key, value)
}

// Leave takes an instance's key away, and the instance once nginx goes there no more.
func (u *Upstream) Leave(ctx context.Context, key string) error {
	if _, _, err := u.l.ask(ctx, http.MethodDelete, Home, "/v1/kv/"+key, nil); err != nil {
		return err
	}
	if err := u.Obeyed(ctx); err != nil {
		return err
	}
	u.mu.Lock()
	s := u.instances[key]
	delete(u.instances, key)
	u.mu.Unlock()
	if s != nil {
		s.leave(ctx)
	}
	return nil
}

// SetKey writes a key, as somebody else than roomshift would.
func (u *Upstream) SetKey(ctx context.Context, key, value string) error {
	return u.l.put(ctx, "/v1/kv/"+key, value)
}

// Keys is every byte of each key of the upstream.
func (u *Upstream) Keys(ctx context.Context) (map[string]string, error) {
	pairs, _, err := u.list(ctx, 0)
	keys := map[string]string{}
	for _, p := range pairs {
		keys[p.Key] = string(p.Value)
	}
	return keys, err
}

// Counts is what the upstream's load has seen.
func (u *Upstream) Counts() Counts { return u.load.now() }

// Answered waits until every request that was sent before now has its answer.
func (u *Upstream) Answered(ctx context.Context) error { return u.load.answered(ctx) }

// Obeyed waits until nginx serves what the keys say now.
func (u *Upstream) Obeyed(ctx context.Context) error {
	_, index, err := u.list(ctx, 0)
	if err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		u.mu.Lock()
		served, newest := u.index, u.newest
		u.mu.Unlock()
		if served >= index {
			return newest
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nginx serves index %d of the keys, and they are at %d: %w", served, index, ctx.Err())
		case <-tick.C:
		}
	}
}

type upstreamPair struct {
	Key   string
	Value []byte
}

// list is the upstream's keys once they are newer than index.
func (u *Upstream) list(ctx context.Context, index uint64) ([]upstreamPair, uint64, error) {
	path := fmt.Sprintf("/v1/kv/upstreams/%s/?recurse&wait=10s&index=%d", u.o.Name, index)
	b, next, err := u.l.ask(ctx, http.MethodGet, Home, path, nil)
	var none *notOK
	switch {
	case errors.As(err, &none) && none.code == http.StatusNotFound && next > 0:
		return nil, next, nil
	case err != nil:
		return nil, 0, err
	}
	var pairs []upstreamPair
	return pairs, next, json.Unmarshal(b, &pairs)
}

// servers are nginx's lines for the keys once they are newer than index.
func (u *Upstream) servers(ctx context.Context, index uint64) (lines []string, next uint64, err error) {
	pairs, next, err := u.list(ctx, index)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range pairs {
		lines = append(lines, serverLine(path.Base(p.Key), p.Value))
	}
	if len(lines) == 0 {
		err = errors.New("the upstream has no keys")
	}
	return lines, next, err
}

// serverLine is a key as nginx-upsync reads it: a number may be text, a weight under 1 is 1, and so is one that isn't there.
func serverLine(addr string, value []byte) string {
	var v struct {
		Weight      json.RawMessage
		MaxFails    json.RawMessage `json:"max_fails"`
		FailTimeout json.RawMessage `json:"fail_timeout"`
		Down        json.RawMessage
		Backup      json.RawMessage
	}
	_ = json.Unmarshal(value, &v) // what isn't valid is a server of weight 1, as upsync has it
	number := func(raw json.RawMessage, otherwise int) int {
		n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
		if err != nil {
			return otherwise
		}
		return n
	}
	line := fmt.Sprintf("server %s weight=%d max_fails=%d fail_timeout=%ds", addr, max(1, number(v.Weight, 1)), number(v.MaxFails, 2), number(v.FailTimeout, 10))
	if number(v.Down, 0) == 1 {
		line += " down"
	}
	if number(v.Backup, 0) == 1 {
		line += " backup"
	}
	return line + ";"
}

// watch renders the keys whenever they change. Without keys nginx goes on with those it had.
func (u *Upstream) watch(ctx context.Context) {
	index := u.index
	for ctx.Err() == nil {
		lines, next, err := u.servers(ctx, index)
		if next == 0 {
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		}
		if err == nil && next != index {
			err = u.nginx.Serve(ctx, lines)
		}
		index = next
		u.mu.Lock()
		u.index, u.newest = next, err
		u.mu.Unlock()
	}
}

func (u *Upstream) name() string { return u.o.Route }

// heal has nothing to end: no fault is the upstream's own.
func (u *Upstream) heal(context.Context) error { return nil }

func (u *Upstream) status(context.Context) string { return u.load.line(u.o.Route, "nginx") + "\n" }

func (u *Upstream) adds() additions {
	return additions{
		about:    fmt.Sprintf("  %-8s upstream keys in home's Consul, obeyed by nginx at %s\n", u.o.Route, u.nginx.Addr),
		routes:   fmt.Sprintf("  %s: {consul: {upstream: %s}, seats: [home]}   # upstream keys, which nginx obeys\n", u.o.Route, u.o.Name),
		networks: quoted(UpstreamNetworks),
		rights:   consul.UpstreamPolicy(u.o.Name),
	}
}

// in are the keys of a room's instances, oldest first.
func (u *Upstream) in(room string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	network := "upstreams/" + u.o.Name + "/" + strings.TrimSuffix(UpstreamNetworks[room], "0/24")
	var keys []string
	for n := 1; n <= u.made[room]; n++ {
		for key := range u.instances {
			if strings.HasPrefix(key, network+strconv.Itoa(n)+":") {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// replace replaces the younger half of each room's instances by new ones, all of one weight.
func (u *Upstream) replace(ctx context.Context) (string, error) {
	var came, gone []string
	for _, room := range rooms {
		old := u.in(room)
		for _, key := range old[(len(old)+1)/2:] {
			gone = append(gone, key)
			key, err := u.Join(ctx, room, fmt.Sprintf(`{"weight":%d}`, freshWeight))
			if err != nil {
				return "", err
			}
			came = append(came, key)
		}
	}
	for _, key := range gone {
		if err := u.Leave(ctx, key); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("gone: %s; new: %s\n", strings.Join(gone, " "), strings.Join(came, " ")), nil
}

func (u *Upstream) foreign(ctx context.Context, room string, weight int) (string, error) {
	keys := u.in(room)
	if len(keys) == 0 {
		return "", fmt.Errorf("%s has no instance in %s", u.o.Route, room)
	}
	value := fmt.Sprintf(`{"weight":%d}`, weight)
	return keys[0] + " holds " + value + "\n", u.SetKey(ctx, keys[0], value)
}

func (u *Upstream) away(room string, away bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	for key, s := range u.instances {
		switch {
		case !strings.HasPrefix(key, "upstreams/"+u.o.Name+"/"+strings.TrimSuffix(UpstreamNetworks[room], "0/24")):
		case away:
			s.close()
		default:
			errs = append(errs, s.start())
		}
	}
	switch {
	case room != Home:
	case away:
		errs = append(errs, u.nginx.Freeze())
	default:
		errs = append(errs, u.nginx.Thaw())
	}
	return errors.Join(errs...)
}

// Close ends all of it and takes its keys away.
func (u *Upstream) Close() { u.l.drop(u) }

func (u *Upstream) close() {
	if u.load != nil {
		u.load.close()
	}
	if u.end != nil {
		u.end()
	}
	if u.log != nil {
		_ = u.log.Close()
	}
	u.done.Wait()
	if u.nginx != nil {
		u.nginx.Kill()
	}
	for _, key := range slices.Sorted(maps.Keys(u.instances)) {
		u.instances[key].close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _, _ = u.l.ask(ctx, http.MethodDelete, Home, "/v1/kv/upstreams/"+u.o.Name+"/?recurse", nil) // its Consul may be away by now
}
