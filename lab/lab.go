// Package lab is two real rooms on one machine, for demos and tests: a MariaDB or MySQL ring, a Consul datacenter in each room, a
// gateway in each room that obeys the number at a key, a small web service in each room that reads and writes its pair,
// Prometheus in each room, and a load generator that counts every answer by room. Everything listens on 127.0.0.1 on free
// ports, and ends with the program that started it.
//
//	load ─► gateway home ──┬─► service home ──► master home
//	        (number in     │        ╲writes to the writer   ↑↓ replication, each way by a proxy
//	         Consul home)  └line─► service cloud ─► master cloud
//
// What crosses between the rooms goes over proxies of its own: the line, which can be cut. Beside that stand parts (see part): other media,
// each with who obeys it and a load of its own.
package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roomshift/consul"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

// The names of the lab's rooms.yaml.
const (
	Home  = "home"
	Cloud = "cloud"
	Route = "gw"
	Pair  = "app-db"
	// Readers is a service that nobody has registered: replicas that serve reads, for whoever starts some. roomshift may list it.
	Readers = "app-db-reader"
	// WriterService is the service that leads to the writer of the pair.
	WriterService = Pair + "-writer"
	Key           = "gateway/cloud" // in each room's Consul: the part of its gateway's requests that goes to the cloud, in percent
)

var rooms = [2]string{Home, Cloud}

// heartbeat is how often a quiet source of replication says that it is alive. A quiet direction that was cut is known to be two of
// them later: well before the other one is past the abort limit of roomsYAML for its time, so that a cut line is never taken for a
// direction that lags alone.
const heartbeat = 500 * time.Millisecond

// Options says how large a lab is. The zero value is a good one but for Dir.
type Options struct {
	Dir       string        // everything is kept in it; it is made if need be
	Engine    server.Engine // of both masters; "": MariaDB
	PerSecond float64       // requests; 0: 200
	Enter     int           // of a hundred requests, so many enter by the cloud's gateway; the rest by home's. 0: none
	Percent   int           // the number at home's key at first; 0: 3; negative: 0
	Scrape    time.Duration // 0: 1 s

	Upstream *UpstreamOptions // nil: there is none
	Services *ServicesOptions // nil: there are none
	Splitter *SplitterOptions // nil: there is none
	Names    *NamesOptions    // nil: there are none, and requests enter as Enter says
}

// Lab is a running lab.
type Lab struct {
	Dir     string
	Ring    *server.Ring
	Consuls map[string]*server.Consul     // by room
	Proms   map[string]*server.Prometheus // by room

	Upstream *Upstream // nil without Options.Upstream
	Services *Services // nil without Options.Services
	Splitter *Splitter // nil without Options.Splitter
	Names    *Names    // nil without Options.Names

	o        Options
	gateways map[string]*gateway
	services map[string]*service
	lines    []*server.Proxy // what crosses between the rooms, besides replication
	load     *load
	stopped  map[string]bool // rooms whose applier a fault stopped
	parts    []part
	readable bool            // home's Consul lets its DNS read services
	leader   map[string]bool // false for rooms whose Consul a fault took the leader from
	ending   atomic.Bool
}

// Start starts everything and returns when there is a full window of data in both rooms; some 10 s. A server that isn't
// installed is an error that wraps server.ErrMissing and says how to get it.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if o.Dir == "" {
		return nil, errors.New("a lab needs a folder")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if o.PerSecond == 0 {
		o.PerSecond = 200
	}
	if o.Percent == 0 {
		o.Percent = 3
	}
	if o.Scrape == 0 {
		o.Scrape = time.Second
	}
	l := &Lab{
		Dir: dir, o: o, Consuls: map[string]*server.Consul{}, Proms: map[string]*server.Prometheus{},
		gateways: map[string]*gateway{}, services: map[string]*service{}, stopped: map[string]bool{}, leader: map[string]bool{Home: true, Cloud: true},
	}
	if err := l.start(ctx); err != nil {
		l.Stop()
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		l.startRing, l.startConsuls, l.startServices, l.startGateways, l.startParts, l.startPrometheus, l.writeFiles, l.startLoad, l.awaitData,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// folder makes a folder of the lab's.
func (l *Lab) folder(name string) (string, error) {
	dir := filepath.Join(l.Dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// grantsOf are the rights of roomshift's account: those to move the write role, too, without the one that switches events, which are off.
func grantsOf(e server.Engine) []string {
	if e == server.MySQL {
		return slices.Concat(dbsync.GrantsMySQL, dbsync.GrantsWriterMySQL)
	}
	return slices.Concat(dbsync.Grants, slices.DeleteFunc(slices.Clone(dbsync.GrantsWriter), func(g string) bool { return strings.Contains(g, "SUPER") }))
}

func (l *Lab) startRing(ctx context.Context) error {
	dir, err := l.folder("db")
	if err != nil {
		return err
	}
	if l.Ring, err = server.StartRing(ctx, dir, server.RingOptions{Engine: l.o.Engine, Rooms: rooms, Heartbeat: heartbeat, Grants: grantsOf(l.o.Engine)}); err != nil {
		return err
	}
	if _, err := l.Ring.Master(Home).DB().ExecContext(ctx, makePosts); err != nil {
		return fmt.Errorf("make the service's table: %w", err)
	}
	if l.o.Engine == server.MySQL { // MariaDB is told so in its file only, and its rooms.yaml says so
		for _, room := range rooms {
			if _, err := l.Ring.Master(room).DB().ExecContext(ctx, "SET PERSIST_ONLY super_read_only = 1"); err != nil {
				return fmt.Errorf("make %s come up fenced: %w", room, err)
			}
		}
	}
	return l.Ring.Await(ctx)
}

// baseRules is what roomshift's token may do in each room's Consul in every lab.
func baseRules() string {
	return consul.Policy("roomshift", Key) + strings.Join(slices.Concat(consul.UpstreamPolicy(UpstreamName), consul.PublishPolicy(WriterService), consul.ReadPolicy(Readers)), "\n") + "\n"
}

// startConsuls starts both at once: each mostly waits, for its leader.
func (l *Lab) startConsuls(ctx context.Context) error {
	dir, err := l.folder("consul")
	if err != nil {
		return err
	}
	first := map[string]int{Home: max(0, l.o.Percent), Cloud: 100}
	var started [len(rooms)]*server.Consul
	var errs [len(rooms)]error
	var done sync.WaitGroup
	for i, room := range rooms {
		own := filepath.Join(dir, room)
		if err := os.MkdirAll(own, 0o700); err != nil {
			return err
		}
		done.Go(func() {
			started[i], errs[i] = server.StartConsul(ctx, own, server.ConsulOptions{Datacenter: room, ACL: true, Connect: true, Rules: baseRules()})
		})
	}
	done.Wait()
	for i, room := range rooms {
		if started[i] != nil {
			l.Consuls[room] = started[i]
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, room := range rooms {
		if err := l.SetNumber(ctx, room, strconv.Itoa(first[room])); err != nil {
			return err
		}
	}
	return nil
}

// line is a way over the line to an address in the other room.
func (l *Lab) line(addr string) (string, error) {
	p, err := server.NewProxy(addr)
	if err != nil {
		return "", err
	}
	l.lines = append(l.lines, p)
	return p.Addr(), nil
}

func (l *Lab) startServices(context.Context) error {
	for i, room := range rooms {
		other := l.Ring.Master(rooms[1-i])
		addr, err := l.line(other.Addr())
		if err != nil {
			return err
		}
		dsns := map[string]string{room: l.Ring.Master(room).DSN(server.App), rooms[1-i]: other.DSNAt(server.App, addr)}
		c := l.Consuls[Home] // where the record is kept
		consul := c.Addr
		if room != Home {
			if addr, err = l.line(strings.TrimPrefix(consul, "http://")); err != nil {
				return err
			}
			consul = "http://" + addr
		}
		s, err := newService([2]string{room, rooms[1-i]}, dsns, follow(consul, c.Management))
		if err != nil {
			return err
		}
		l.services[room] = s
	}
	return nil
}

func (l *Lab) startGateways(context.Context) error {
	for i, room := range rooms {
		other := rooms[1-i]
		addr, err := l.line(l.services[other].server.addr)
		if err != nil {
			return err
		}
		c := l.Consuls[room]
		g, err := newGateway(room, rooms, map[string]string{room: l.services[room].server.url(), other: "http://" + addr}, c.Addr, c.Management)
		if err != nil {
			return err
		}
		l.gateways[room] = g
	}
	return nil
}

func (l *Lab) startPrometheus(ctx context.Context) error {
	for _, room := range rooms {
		dir, err := l.folder("prometheus/" + room)
		if err != nil {
			return err
		}
		l.Proms[room], err = server.StartPrometheus(ctx, dir, server.PrometheusOptions{Scrape: l.o.Scrape, Targets: l.targets(room)})
		if err != nil {
			delete(l.Proms, room)
			return err
		}
	}
	return nil
}

// targets is what a room's Prometheus scrapes.
func (l *Lab) targets(room string) []server.Target {
	labels := map[string]string{"room": room}
	all := []server.Target{
		{Job: "gateway", Addr: l.gateways[room].server.addr, Labels: labels},
		{Job: "app", Addr: l.services[room].server.addr, Labels: labels},
	}
	for _, a := range l.added() {
		all = append(all, a.targets[room]...)
	}
	return all
}

func (l *Lab) startLoad(context.Context) error {
	l.load = newLoad(rooms, map[string]string{Home: l.Gateway(Home), Cloud: l.Gateway(Cloud)}, l.o.PerSecond, l.o.Enter, false)
	if l.Names != nil {
		l.Names.takeLoad()
	}
	return nil
}

// awaitData waits until both Prometheus have scraped everything for a whole window.
func (l *Lab) awaitData(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, room := range rooms {
		for !l.hasData(ctx, room) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("the prometheus of %s has no full window of data yet: %w", room, ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

func (l *Lab) hasData(ctx context.Context, room string) bool {
	window := max(5*time.Second, 5*l.o.Scrape)
	query := fmt.Sprintf("count(count_over_time(up[%ds]) >= %d) == %d", int(window.Seconds()), int(window/l.o.Scrape)-1, len(l.targets(room)))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.Proms[room].Addr+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return err == nil && bytes.Contains(body, []byte(`"value"`))
}

// Gateway is the base URL of a room's gateway, where requests enter.
func (l *Lab) Gateway(room string) string { return l.gateways[room].server.url() }

// Obeyed is the number that a room's gateway goes by, -1 when it never read one.
func (l *Lab) Obeyed(room string) int { return int(l.gateways[room].percent.Load()) }

// Counts is what the load generator has seen.
func (l *Lab) Counts() Counts { return l.load.now() }

// Answered waits until every request that was sent before now has its answer or has failed: what Counts gains from then on
// was sent after now, whatever the machine is busy with.
func (l *Lab) Answered(ctx context.Context) error { return l.load.answered(ctx) }

// Secrets is everything that must be in no output.
func (l *Lab) Secrets() []string {
	secrets := l.Ring.Secrets()
	for _, room := range rooms {
		secrets = append(secrets, l.Consuls[room].Management, l.Consuls[room].Token)
	}
	for _, a := range l.added() {
		secrets = append(secrets, a.secrets...)
	}
	return secrets
}

// Number is every byte at a room's key.
func (l *Lab) Number(ctx context.Context, room string) (string, error) {
	return l.kv(ctx, http.MethodGet, room, "?raw", "")
}

// SetNumber writes a room's key, as somebody else than roomshift would.
func (l *Lab) SetNumber(ctx context.Context, room, value string) error {
	_, err := l.kv(ctx, http.MethodPut, room, "", value)
	return err
}

func (l *Lab) kv(ctx context.Context, method, room, query, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	got, _, err := l.ask(ctx, method, room, "/v1/kv/"+Key+query, body)
	return string(got), err
}

// Stop ends everything that Start began, frozen or not.
func (l *Lab) Stop() {
	l.ending.Store(true)
	if l.load != nil {
		l.load.close()
	}
	l.closeParts()
	for _, p := range l.lines {
		p.Close()
	}
	for _, room := range rooms {
		if g := l.gateways[room]; g != nil {
			g.close()
		}
		if s := l.services[room]; s != nil {
			s.close()
		}
		if p := l.Proms[room]; p != nil {
			p.Kill()
		}
		if c := l.Consuls[room]; c != nil {
			c.Kill()
		}
	}
	if l.Ring != nil {
		l.Ring.Stop()
	}
}
