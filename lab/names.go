package lab

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomshift/dns/alidnstest"
)

// What a rooms.yaml says of the lab's names: where an address is a room's, and whose queries are answered by the telecom line.
var (
	NameNetworks   = map[string]string{Home: "203.0.113.0/26", Cloud: "198.51.100.0/26"}
	TelecomNetwork = netip.MustParsePrefix("10.9.0.0/16")
)

// The zone of the lab's names, its lines, and the address of each room's gateway there.
const zone = "lab.test"

var (
	lines     = []string{"default", "telecom"}
	addresses = map[string]string{Home: "203.0.113.10", Cloud: "198.51.100.10"}
)

// NamesOptions are the names that requests enter by, and who resolves them. The zero value is one name with short TTLs.
type NamesOptions struct {
	Routes    []string      // of rooms.yaml; each has the name HOST.lab.test, HOST being the route, www for the route entry. nil: entry
	TTL       int64         // of its records at first, in seconds; 0: 4
	Resolvers int           // that keep to the TTL; 0: four for each request in a second
	Stretch   int           // of a hundred clients, so many are behind a resolver that stretches TTLs; 0: 9, as measured of real ones; negative: none
	AtLeast   time.Duration // that such a one keeps an answer; 0: 8 s
	PerSecond float64       // requests; 0: as many as before
	Late      time.Duration // how long after its client gave up a request of the API lands that is held; 0: 4 s
}

// Names is an emulated Alibaba Cloud DNS, its authorities, resolvers that ask them, and the lab's load, which enters by what they answer
// for as long as Names runs: each request takes a client, its resolver's answer, and enters by the gateway whose network the address
// is in. At first every name leads home, on every line.
//
// How many requests tell a share: each answer is drawn by the authority with the records' weights, one draw for each resolver and TTL,
// and the requests go round the resolvers evenly. There are as many resolvers as requests in four seconds, so with a TTL of up to that
// each request is a draw of its own (a longer one gives each draw to several), and n of them tell a share p with a standard deviation of
// sqrt(p(1-p)/n): 30 % to within two points, but for one time of a thousand, takes 5,685 requests (Enough), which are 29 s at the
// usual rate. What gateways split is dealt out evenly and adds nothing.
type Names struct {
	API   *alidnstest.Server
	Hosts []string // by route, as in Routes
	o     NamesOptions
	l     *Lab
	asked *resolvers
	was   entry   // where the load entered before
	rate  float64 // and how fast
	rooms map[string]netip.Prefix
}

// keyFile is the file of the provider's AccessKey, as Alibaba's tools write it.
const keyFile = "[default]\ntype = access_key\naccess_key_id = " + alidnstest.TestKeyID + "\naccess_key_secret = " + alidnstest.TestSecret + "\n"

func (n *Names) keys() string { return filepath.Join(n.l.Dir, "alidns.ini") }

// Enough is how many requests that enter by name tell the part (0..1) that enters by a room to within so much, but for one time of a
// thousand.
func Enough(share, within float64) int64 {
	const z = 3.2905 // the standard normal's 99.95th percentile
	return int64(math.Ceil(z * z * share * (1 - share) / (within * within)))
}

// StartNames starts all of it on a running lab, as one more of its parts until it is closed, and returns when the load enters by name.
func (l *Lab) StartNames(ctx context.Context, o NamesOptions) (*Names, error) {
	n := newNames(l, o)
	if err := l.add(ctx, n); err != nil {
		return nil, err
	}
	n.takeLoad()
	return n, nil
}

func newNames(l *Lab, o NamesOptions) *Names {
	return &Names{l: l, o: o, rooms: map[string]netip.Prefix{}}
}

func (n *Names) start(ctx context.Context) error {
	if err := n.startAll(ctx); err != nil {
		return fmt.Errorf("start the names: %w", err)
	}
	return nil
}

func (n *Names) defaults() {
	o := &n.o
	if o.Routes == nil {
		o.Routes = []string{"entry"}
	}
	if o.TTL == 0 {
		o.TTL = 4
	}
	if o.PerSecond == 0 {
		o.PerSecond = n.l.o.PerSecond
	}
	if o.Resolvers == 0 {
		o.Resolvers = int(4 * o.PerSecond)
	}
	if o.Stretch == 0 {
		o.Stretch = 9
	}
	if o.AtLeast == 0 {
		o.AtLeast = 8 * time.Second
	}
	if o.Late == 0 {
		o.Late = 4 * time.Second
	}
}

func (n *Names) startAll(ctx context.Context) error {
	n.defaults()
	var err error
	if n.API, err = alidnstest.New(alidnstest.Options{Late: n.o.Late, Lines: map[string][]netip.Prefix{"telecom": {TelecomNetwork}}}); err != nil {
		return err
	}
	n.API.AddZone(zone)
	named := map[string]string{}
	for _, route := range n.o.Routes {
		rr := strings.ReplaceAll(route, "entry", "www")
		for _, line := range lines {
			n.API.Add(alidnstest.Record{Zone: zone, RR: rr, Type: "A", Line: line, Value: addresses[Home], Weight: 100, TTL: n.o.TTL})
			n.API.Add(alidnstest.Record{Zone: zone, RR: rr, Type: "A", Line: line, Value: addresses[Cloud], TTL: n.o.TTL, Disabled: true})
		}
		n.Hosts = append(n.Hosts, rr+"."+zone)
		named[rr+"."+zone] = route
	}
	if err := os.WriteFile(n.keys(), []byte(keyFile), 0o600); err != nil { // for a lab that has written its files already
		return err
	}
	for room, network := range NameNetworks {
		if n.rooms[room], err = netip.ParsePrefix(network); err != nil {
			return err
		}
	}
	stretching := 0
	if n.o.Stretch > 0 { // as many as requests in the time that they keep an answer
		stretching = max(2, int(n.o.PerSecond*n.o.AtLeast.Seconds())*n.o.Stretch/100)
	}
	n.asked = newResolvers(n.Hosts, n.API.NameServers(), n.o.Resolvers, stretching, n.o.AtLeast, TelecomNetwork)
	for _, g := range n.l.gateways {
		g.serves(named)
	}
	return n.asked.newer(ctx, time.Unix(1, 0))
}

// takeLoad makes the lab's load enter by name.
func (n *Names) takeLoad() {
	n.was, n.rate = n.l.load.enters(n.enter, n.o.PerSecond)
}

// enter is where a request enters: by what its client's resolver answers for the name that it wants.
func (n *Names) enter(number int) (room, host string, err error) {
	name, client := number%len(n.Hosts), number/len(n.Hosts)
	stretch := max(0, n.o.Stretch)
	of, k := n.asked.ordinary, client-client*stretch/100
	if (client*stretch)%100 < stretch { // of any hundred in a row exactly so many
		of, k = n.asked.stretch, client*stretch/100
	}
	addr, ok := of[k%len(of)].give(name)
	if !ok {
		return "", "", fmt.Errorf("a resolver has no answer for %s", n.Hosts[name])
	}
	for _, room := range rooms {
		if n.rooms[room].Contains(addr) {
			return room, n.Hosts[name], nil
		}
	}
	return "", "", fmt.Errorf("%s leads to %v, which is in no room", n.Hosts[name], addr)
}

// Renewed waits until every resolver has asked again since now: none gives an older answer any more.
func (n *Names) Renewed(ctx context.Context) error { return n.asked.newer(ctx, time.Now()) }

// Asked is how many queries of resolvers were answered, and how many weren't.
func (n *Names) Asked() (answered, lost int64) { return n.asked.asked.Load(), n.asked.lost.Load() }

// The kinds of faults that may be typed, by the word after dns.
var nameFaults = map[string]alidnstest.Fault{
	"hang":     {Kind: alidnstest.Hang},
	"throttle": {Kind: alidnstest.Throttle, RetryAfter: time.Second},
	"lose":     {Action: "write", Kind: alidnstest.LoseReply},
	"late":     {Action: "write", Kind: alidnstest.Late},
	"refuse":   {Action: "write", Kind: alidnstest.Refuse, Code: "InternalError", Status: 500},
}

const namesHelp = `dns hang|throttle|lose|late|refuse|up   the DNS provider's API: no answer, throttled, answers to writes lost after landing,
                        writes that land late, errors; up ends it
dns stale|silent|answer the first authority goes on with what it answers now, or answers nothing; answer ends it
dns NUMBER              every name leads to the cloud in so many of a hundred answers, written by hand
`

// fault carries out what a line of namesHelp says after dns.
func (n *Names) fault(_ context.Context, args []string) (string, error) {
	if len(args) != 1 {
		return "", errNotUnderstood
	}
	said := "dns " + args[0] + ": done\n"
	if f, ok := nameFaults[args[0]]; ok {
		n.API.Heal()
		n.API.Fault(f)
		return said, nil
	}
	switch args[0] {
	case "up":
		n.API.Heal()
	case "stale":
		n.API.Stale(0, true)
	case "silent":
		n.API.Silence(0, true)
	case "answer":
		n.API.Stale(0, false)
		n.API.Silence(0, false)
	default:
		percent, err := strconv.Atoi(args[0])
		if err != nil || percent < 0 || percent > 100 {
			return "", errNotUnderstood
		}
		return said, n.Set(percent)
	}
	return said, nil
}

// heal ends its faults; what is held lands.
func (n *Names) heal(ctx context.Context) error {
	n.API.Heal()
	n.API.Release()
	_, err := n.fault(ctx, []string{"answer"})
	return err
}

// Set gives the cloud so many of a hundred answers of every name on every line, as somebody in the provider's console would.
func (n *Names) Set(percent int) error {
	for _, r := range n.API.Records() {
		weight := percent
		if n.rooms[Home].Contains(netip.MustParseAddr(r.Value)) {
			weight = 100 - percent
		}
		if err := n.API.Change(r.ID, func(r *alidnstest.Record) { r.Weight, r.Disabled = max(1, weight), weight == 0 }); err != nil {
			return err
		}
	}
	return nil
}

func (n *Names) status(context.Context) string {
	b := &strings.Builder{}
	for _, r := range n.API.Records() {
		if r.Line == lines[0] && r.Value == addresses[Cloud] {
			weight := r.Weight
			if r.Disabled {
				weight = 0
			}
			fmt.Fprintf(b, "%s: weight %d in the cloud on the default line, TTL %d s\n", r.Name(), weight, r.TTL)
		}
	}
	answered, lost := n.Asked()
	fmt.Fprintf(b, "%d resolvers and %d that stretch TTLs were answered %d times, %d queries were lost; %d writes at the DNS provider\n",
		len(n.asked.ordinary), len(n.asked.stretch), answered, lost, n.API.Writes())
	return b.String()
}

// namesBook is the runbook of one name.
const namesBook = `version: 1
name: names
about: A few by the gateway, then the name to 30 % with the gateway stepping back, so that at rest nothing crosses.
move: {from: home, to: cloud}
bake: 5s
steps:
  - name: short TTL
    ttl: {entry: 2s}
    bake: 1s
  - checkpoint: ready
  - name: canary
    shift: {cloud: {gw@home: [5%, 10%]}}
    settle: {within: 30s, tolerance: 2pt, else: ask}
  - checkpoint: gateways
  - name: names follow
    shift: {cloud: {entry: [10%, 30%], gw@home: [22%, 0%]}}
    settle: {within: 1m, reach: 80%, else: ask}
  - checkpoint: names
`

func (n *Names) adds() additions {
	servers := n.API.NameServers()
	a := additions{
		about: fmt.Sprintf("  %-8s requests enter by name, by what %d resolvers answer; %d of a hundred clients are behind one that keeps answers for %v\n",
			strings.Join(n.o.Routes, " "), len(n.asked.ordinary)+len(n.asked.stretch), max(0, n.o.Stretch), n.o.AtLeast),
		providers: fmt.Sprintf("  alidns: {addr: %q, credentialsFile: %q, nameServers: [%q, %q], networks: {telecom: %s}}\n",
			n.API.URL(), n.keys(), servers[0], servers[1], TelecomNetwork),
		networks: map[string][]string{},
		files:    map[string]string{"alidns.ini": keyFile},
		secrets:  []string{alidnstest.TestKeyID, alidnstest.TestSecret, "Signature="},
		words:    []word{{"dns", namesHelp, n.fault}},
	}
	for i, route := range n.o.Routes {
		a.routes += fmt.Sprintf("  %s: {dns: {name: %s, provider: alidns, lines: all}, into: %s}\n", route, n.Hosts[i], Route)
	}
	if slices.Contains(n.o.Routes, "entry") {
		a.runbooks = map[string]string{"names": namesBook}
	}
	for room, network := range NameNetworks {
		a.networks[room] = []string{network}
	}
	return a
}

func (n *Names) close() { n.Close() }

// Close ends all of it: the load enters as it did before. Closed twice it does nothing more.
func (n *Names) Close() {
	if n.was != nil {
		n.l.load.enters(n.was, n.rate)
		n.was = nil
	}
	for _, g := range n.l.gateways {
		g.serves(nil)
	}
	n.l.parts = slices.DeleteFunc(n.l.parts, func(p part) bool { return p == part(n) })
	if n.asked != nil {
		n.asked.close()
	}
	if n.API != nil {
		n.API.Close()
	}
	n.asked, n.API = nil, nil
}
