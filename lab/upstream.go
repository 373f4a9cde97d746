package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// UpstreamName is the upstream whose keys stand in home's Consul, and UpstreamRoute the route that it carries, as UpstreamYAML names it.
const (
	UpstreamName  = "im-gw"
	UpstreamRoute = "im"
)

// UpstreamYAML is what a rooms.yaml says of the upstream, for its routes. Its addresses are in the networks of UpstreamNetworks.
const UpstreamYAML = "  im: {consul: {upstream: im-gw}, seats: [home]}\n"

// UpstreamNetworks are where the upstream's instances listen, by room.
var UpstreamNetworks = map[string]string{Home: "127.0.1.0/24", Cloud: "127.0.2.0/24"}

// UpstreamOptions says how many instances stand in each room at first, what stands at their keys, and how much is asked of them.
type UpstreamOptions struct {
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

// StartUpstream starts all of it and returns when nginx serves what the keys say.
func (l *Lab) StartUpstream(ctx context.Context, o UpstreamOptions) (*Upstream, error) {
	u := newUpstream(l, o)
	if err := u.start(ctx); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
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
	dir, err := u.l.folder("nginx")
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
	u.done.Go(u.count)
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
	key := "upstreams/" + UpstreamName + "/" + s.addr
	u.instances[key] = s
	return key, u.SetKey(ctx, key, value)
}

// Leave takes an instance's key away, and the instance once nginx goes there no more.
func (u *Upstream) Leave(ctx context.Context, key string) error {
	if _, err := u.kv(ctx, http.MethodDelete, key, ""); err != nil {
		return err
	}
	if err := u.Obeyed(ctx); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.instances[key]; s != nil {
		s.close()
		delete(u.instances, key)
	}
	return nil
}

// SetKey writes a key, as somebody else than roomshift would.
func (u *Upstream) SetKey(ctx context.Context, key, value string) error {
	_, err := u.kv(ctx, http.MethodPut, key, value)
	return err
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
	c := u.l.Consuls[Home]
	url := fmt.Sprintf("%s/v1/kv/upstreams/%s/?recurse&wait=10s&index=%d", c.Addr, UpstreamName, index)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("X-Consul-Token", c.Management)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	next, err := strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", resp.Status, err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, next, nil
	}
	var pairs []upstreamPair
	return pairs, next, json.NewDecoder(resp.Body).Decode(&pairs)
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

// count reads nginx's log: which room's instance answered, and how.
func (u *Upstream) count() {
	buf := make([]byte, 4096)
	for {
		n, _, err := u.log.ReadFrom(buf)
		if err != nil {
			return
		}
		_, said, _ := bytes.Cut(buf[:n], []byte("nginx: "))
		f := strings.Fields(string(said))
		if len(f) < 2 {
			continue
		}
		room := Home
		if strings.HasPrefix(f[0], strings.TrimSuffix(UpstreamNetworks[Cloud], "0/24")) {
			room = Cloud
		}
		u.l.gateways[Home].requests.WithLabelValues(UpstreamRoute, room, f[len(f)-1]).Inc()
	}
}

func (u *Upstream) kv(ctx context.Context, method, key, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := u.l.Consuls[Home]
	req, err := http.NewRequestWithContext(ctx, method, c.Addr+"/v1/kv/"+key, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Consul-Token", c.Management)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("consul of %s: %s at key %s", Home, resp.Status, key)
	}
	return string(got), err
}

func (u *Upstream) close() { u.Close() }

// heal has nothing to end: no fault is the upstream's own.
func (u *Upstream) heal(context.Context) error { return nil }

func (u *Upstream) status(context.Context) string {
	c := u.Counts()
	return fmt.Sprintf("%s: %d requests by nginx, %.2f %% served in the cloud, %d failed\n", UpstreamRoute, c.Sent, max(0, c.Share(Cloud)), c.Failed)
}

func (u *Upstream) adds() additions {
	a := additions{routes: UpstreamYAML, networks: map[string][]string{}, rights: consul.UpstreamPolicy(UpstreamName)}
	for room, network := range UpstreamNetworks {
		a.networks[room] = []string{strconv.Quote(network)}
	}
	return a
}

// Close ends all of it and takes its keys away.
func (u *Upstream) Close() {
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
	_, _ = u.kv(ctx, http.MethodDelete, "upstreams/"+UpstreamName+"/?recurse", "") // its Consul may be away by now
}
