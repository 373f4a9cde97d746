package runbooks

import (
	"path/filepath"
	"time"
	// A file's time zone must not depend on what the machine has installed.
	_ "time/tzdata"

	"go.yaml.in/yaml/v3"
)

// version is the version of the language.
const version = "1"

// roomsReader reads rooms.yaml. Names may be used above the place where they are made, so they are collected first.
type roomsReader struct {
	*reader
	x      *index
	rooms  *Rooms
	chains *chains // once the routes are read
}

// LoadRooms reads rooms.yaml. file is its name: for positions, and the paths in it are relative to its folder. With problems,
// the rooms are what could be made out of the rest, and nil if the text couldn't be read at all.
func LoadRooms(file string, src []byte) (*Rooms, []Problem) {
	r := &reader{file: file}
	root := r.document(src)
	if root == nil || !r.versionOf(root) {
		return nil, r.sorted()
	}
	f, _ := r.fields(root, shapeRooms)
	rr := &roomsReader{reader: r, x: newIndex(), rooms: &Rooms{Pos: r.pos(root)}}
	rr.collect(f)
	rr.top(f)
	rr.routes(f)
	rr.groups(f)
	rr.pairs(f)
	rr.onlys(f)
	rr.gates(f)
	rr.checkPairs()
	rr.checkQueries()
	return rr.rooms, r.sorted()
}

// versionOf is false if the file is in another version of the language: then nothing else in it can be judged.
func (r *reader) versionOf(root *yaml.Node) bool {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if n := root.Content[i+1]; root.Content[i].Value == "version" && (n.Kind != yaml.ScalarNode || n.Value != version) {
			r.addf(n, RuleVersion, "", "version is %s: this program reads version %s", quoted(n.Value), version)
			return false
		}
	}
	return true
}

// collect fills the index and says which names can't be names, and which are taken.
func (r *roomsReader) collect(f *fields) {
	for _, e := range f.named("rooms", "a room", &r.x.rooms) {
		r.rooms.Rooms = append(r.rooms.Rooms, Room{Pos: r.pos(e.key), Name: e.key.Value})
	}
	if n := f.get("rooms"); n != nil && n.Kind == yaml.MappingNode && len(r.x.rooms) < 2 {
		r.addf(n, RuleValue, "", "%d room: traffic moves between at least two", len(r.x.rooms))
	}
	f.named("links", "a link", &r.x.links)
	f.named("gates", "a gate", &r.x.gates)
	for _, s := range []struct {
		key  string
		kind thing
	}{{"routes", aRoute}, {"groups", aGroup}, {"pairs", aPair}, {"only", anOnly}} {
		for _, e := range f.quietly().under(s.key) {
			if !r.name(e.key, string(s.kind)) {
				continue
			}
			if !r.x.add(e.key.Value, s.kind) {
				r.addf(e.key, RuleName, "routes, groups, pairs and only share one namespace", "%s is the name of %s already",
					quoted(e.key.Value), r.x.things[e.key.Value])
			}
		}
	}
}

// quietly is f with a reader whose problems are lost: for a first look at what is read again later.
func (f *fields) quietly() *fields {
	q := *f
	q.reader = &reader{file: f.file}
	return &q
}

// under is the entries of the map at key.
func (f *fields) under(key string) []entry {
	n := f.get(key)
	if n == nil {
		return nil
	}
	return f.entries(n, key)
}

// named collects the names of the map at key.
func (f *fields) named(key, what string, into *[]string) []entry {
	var out []entry
	for _, e := range f.quietly().under(key) {
		if f.name(e.key, what) {
			*into = append(*into, e.key.Value)
			out = append(out, e)
		}
	}
	return out
}

func (r *roomsReader) top(f *fields) {
	f.wholeNumber("version", 1, 1)
	r.rooms.Environment = f.str("environment")
	r.rooms.Timezone = time.Local
	if n := f.get("timezone"); n != nil {
		r.timezone(n)
	}
	r.control(f.get("control"))
	for _, e := range f.under("rooms") {
		r.roomEntry(e)
	}
	for _, e := range f.under("links") {
		r.link(e)
	}
	if n := f.get("prometheus"); n != nil {
		r.rooms.Prometheus = r.prometheus(n)
	}
	if n := f.get("providers"); n != nil {
		p, _ := r.fields(n, shapeProviders)
		r.rooms.Alidns = r.alidns(p.get("alidns"))
		r.rooms.DTS, r.rooms.AliRDS = r.cloud(p.get("dts")), r.cloud(p.get("alirds"))
	}
	if n := f.get("probe"); n != nil {
		p, _ := r.fields(n, shapeProbe)
		r.rooms.Probe = p.probe()
	}
	r.rooms.Observe = r.observe(f.get("observe"))
	r.peak(f.get("peak"))
}

func (r *roomsReader) timezone(n *yaml.Node) {
	s := r.str(n, "timezone")
	if s == "" {
		return
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "Local" {
		r.addf(n, RuleValue, "", "%s is no time zone: want a name such as Asia/Shanghai or UTC", quoted(s))
		return
	}
	r.rooms.Timezone, r.rooms.TimezoneSet = zone, true
}

// control fills in the defaults: the first room, no other, prefix roomshift.
func (r *roomsReader) control(n *yaml.Node) {
	c := Control{Pos: r.rooms.Pos, Prefix: "roomshift"}
	if len(r.x.rooms) > 0 {
		c.Room = r.x.rooms[0]
	}
	if n == nil {
		r.rooms.Control = c
		return
	}
	c.Pos = r.pos(n)
	f, _ := r.fields(n, shapeControl)
	if s := r.reader.room(f.get("room"), r.x); s != "" {
		c.Room = s
	}
	c.OrElse = r.reader.room(f.get("orElse"), r.x)
	if c.OrElse != "" && c.OrElse == c.Room {
		r.addf(f.get("orElse"), RuleValue, "", "orElse is the control room itself: want another room, or leave it out")
	}
	if s := f.str("prefix"); s != "" {
		c.Prefix = s
		if s[0] == '/' || s[len(s)-1] == '/' {
			r.addf(f.get("prefix"), RuleValue, "", "prefix is %s: want it without a slash at its ends", quoted(s))
		}
	}
	r.rooms.Control = c
}

// roomEntry fills in the room whose name collect has found.
func (r *roomsReader) roomEntry(e entry) {
	f, _ := r.fields(e.value, shapeRoom)
	room := r.rooms.Room(e.key.Value)
	if room == nil {
		room = &Room{Name: e.key.Value} // its name is a problem already; the rest is still read
	}
	room.Consul = r.consul(f.get("consul"))
	if n := f.get("agents"); n != nil {
		a, _ := r.fields(n, shapeAgents)
		room.AgentsPort = a.wholeNumber("port", 1, 65535)
	}
	if n := f.get("prometheus"); n != nil {
		room.Prometheus = r.prometheus(n)
	}
	for _, n := range f.items("addresses") {
		if a, ok := r.roomAddress(n); ok {
			room.Addresses = append(room.Addresses, a)
		}
	}
	if n := f.get("capacity"); n != nil {
		c, _ := r.fields(n, shapeCapacity)
		room.Capacity = r.loads(c)
		if n := c.get("tested"); n != nil {
			room.Tested = r.date(n, "tested")
		}
	}
}

// loads is rates by route or group.
func (r *roomsReader) loads(f *fields) map[string]Rate {
	m := make(map[string]Rate, len(f.names))
	for _, e := range f.names {
		if rate := r.rate(e.value, e.key.Value); r.names(e.key, r.x, aRoute, aGroup) && rate > 0 {
			m[e.key.Value] = rate
		}
	}
	return m
}

func (r *roomsReader) consul(n *yaml.Node) *Consul {
	if n == nil {
		return nil
	}
	f, _ := r.fields(n, shapeConsul)
	return &Consul{Pos: r.pos(n), TLS: r.tls(n, f), Addr: r.address(f.get("addr"), "addr"), Datacenter: f.str("datacenter"), TokenFile: f.path("tokenFile")}
}

func (r *roomsReader) prometheus(n *yaml.Node) *Prometheus {
	f, _ := r.fields(n, shapePrometheus)
	return &Prometheus{Pos: r.pos(n), TLS: r.tls(n, f), Addr: r.address(f.get("addr"), "addr"), TokenFile: f.path("tokenFile"),
		Scrape: f.duration("scrape", time.Millisecond)}
}

// tls reads the words of TLS, which are the same wherever a server is named.
func (r *roomsReader) tls(n *yaml.Node, f *fields) TLS {
	if f.has("certFile") != f.has("keyFile") {
		r.addf(n, RuleMissingKey, "", "certFile and keyFile go together: one of them is missing")
	}
	return TLS{CAFile: f.path("caFile"), CertFile: f.path("certFile"), KeyFile: f.path("keyFile"), ServerName: f.str("serverName")}
}

// path is a file's path, joined to the folder of the file that names it.
func (f *fields) path(key string) string {
	n := f.get(key)
	s := f.str(key)
	switch {
	case s == "":
		return ""
	case looksLikeToken(s):
		f.addf(n, RuleSecret, "put it into a file of its own and name that file", "%s looks like a secret: want a file's name", key)
		return ""
	case filepath.IsAbs(s):
		return filepath.Clean(s)
	}
	return filepath.Join(filepath.Dir(f.file), s)
}

func (r *roomsReader) link(e entry) {
	f, _ := r.fields(e.value, shapeLink)
	l := Link{Pos: r.pos(e.key), Name: e.key.Value, Keep: Whole}
	items := f.items("between")
	if rooms := r.roomsOf(items, r.x); len(rooms) == 2 && len(items) == 2 {
		l.Between = [2]string{rooms[0], rooms[1]}
	} else if len(items) > 0 && (len(items) != 2 || len(rooms) == len(items)) {
		r.addf(f.get("between"), RuleValue, "", "between has %d rooms: a link joins two", len(items))
	}
	for _, n := range f.items("circuits") {
		s, ok := r.text(n, "a circuit", "a bandwidth")
		if !ok {
			continue
		}
		bits, err := ParseBits(s)
		if err != nil {
			r.addf(n, RuleUnit, "", "a circuit: %v", err)
			continue
		}
		l.Circuits = append(l.Circuits, bits)
	}
	if n := f.get("keep"); n != nil {
		l.Keep, _ = r.percent(n, "keep", 1)
	}
	r.rooms.Links = append(r.rooms.Links, l)
}

func (r *roomsReader) peak(n *yaml.Node) {
	if n == nil {
		return
	}
	f, _ := r.fields(n, shapePeak)
	r.rooms.Peak = Peak{Pos: r.pos(n), Rates: r.loads(f)}
	if n := f.get("at"); n != nil {
		r.rooms.Peak.At = r.clock(n, "at", "2027-02-05 20:00", parseLayout("2006-01-02 15:04", `moment such as "2027-02-05 20:00"`))
	}
	if len(f.names) == 0 && f.node.Kind == yaml.MappingNode {
		r.addf(n, RuleMissingKey, "", "peak names no route and no group")
	}
}

// probe reads host and paths, which both kinds of probe have.
func (f *fields) probe() *Probe {
	p := &Probe{Pos: f.pos(f.node), Host: f.str("host")}
	if !isHost(p.Host) && p.Host != "" {
		f.addf(f.get("host"), RuleValue, "", "host is %s: want a name such as www.example.com, without scheme and path", quoted(p.Host))
	}
	for _, n := range f.items("paths") {
		s := f.reader.str(n, "a path")
		if s != "" && s[0] != '/' {
			f.addf(n, RuleValue, "write /"+s, "%s is no path: it begins without /", quoted(s))
			continue
		}
		if s != "" {
			p.Paths = append(p.Paths, s)
		}
	}
	return p
}

func (r *roomsReader) observe(n *yaml.Node) *Observe {
	if n == nil {
		return nil
	}
	f, _ := r.fields(n, shapeObserve)
	return &Observe{Pos: r.pos(n), Query: f.query("prometheus", "$room", "$route", "$window"), RoomLabel: f.str("room")}
}
