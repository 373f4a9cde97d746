package runbooks

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isHost is true for a host name or address, with or without a port.
func isHost(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == "" && s != ""
}

func (r *roomsReader) routes(f *fields) {
	for _, e := range f.under("routes") {
		rf, _ := r.fields(e.value, shapeRoute)
		r.rooms.Routes = append(r.rooms.Routes, r.route(e, rf))
	}
	r.chains = newChains(r.rooms)
	for i := range r.rooms.Routes {
		r.checkChain(&r.rooms.Routes[i])
	}
}

func (r *roomsReader) route(e entry, f *fields) Route {
	v := Route{Pos: r.pos(e.key), Name: e.key.Value}
	r.medium(&v, e, f)
	split := v.Medium != MediumFollows && v.Medium != MediumStays
	if n := f.get("into"); n != nil && r.names(n, r.x, aRoute) {
		v.Into = n.Value
		if !split {
			r.addf(f.key("into"), RuleValue, "", "%s holds no split, so it leads into nothing", quoted(v.Name))
		}
	}
	r.seats(&v, f)
	if n := f.get("bytes"); n != nil {
		if s, ok := r.text(n, "bytes", "a size"); ok {
			b, err := ParseBytes(s)
			if err != nil {
				r.addf(n, RuleUnit, "", "bytes: %v", err)
			}
			v.Bytes = b
		}
	}
	if n := f.get("calls"); n != nil {
		v.Calls = r.calls(n)
		if v.Medium != MediumStays {
			r.addf(f.key("calls"), RuleValue, "", "calls is for a route that stays in a room: how often each request from elsewhere calls it")
		}
	}
	v.Long = f.one("connections", "long") == "long"
	v.Observe = r.observe(f.get("observe"))
	return v
}

func (r *roomsReader) calls(n *yaml.Node) float64 {
	c, err := strconv.ParseFloat(n.Value, 64)
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || err != nil {
		r.addf(n, RuleType, "", "calls is %s: want a number such as 0.3", kindOf(n))
		return 0
	}
	if !(c > 0) || math.IsInf(c, 0) || c > 1e6 {
		r.addf(n, RuleValue, "", "calls is %s: want a number over 0", n.Value)
		return 0
	}
	return c
}

// medium reads which kind of place holds the split: one of consul, dns, follows and stays; of consul, followers and stayers
// have a tag, the others one of key, service, upstream and splitter.
func (r *roomsReader) medium(v *Route, e entry, f *fields) {
	switch r.mediumKey(v, e, f) {
	case "":
	case "follows":
		v.Medium = MediumFollows
		if n := f.get("follows"); n != nil && r.names(n, r.x, aRoute) {
			v.Follows = n.Value
		}
		v.Tag = r.tag(f)
	case "stays":
		v.Medium, v.Stays = MediumStays, r.reader.room(f.get("stays"), r.x)
		v.Tag = r.tag(f)
	case "dns":
		v.Medium = MediumDNS
		if n := f.get("dns"); n != nil {
			v.DNS = r.dns(n)
		}
	default:
		r.routeConsul(v, f.get("consul"))
	}
}

// mediumKey is the one key that says what kind of route this is; "" if there isn't one.
func (r *roomsReader) mediumKey(v *Route, e entry, f *fields) string {
	var kinds []string
	for _, k := range []string{"follows", "stays", "dns", "consul"} {
		// Beside follows and stays, consul only names the services meant.
		if f.has(k) && !(k == "consul" && f.count("follows", "stays") > 0) {
			kinds = append(kinds, k)
		}
	}
	switch {
	case len(kinds) == 1:
		return kinds[0]
	case len(kinds) > 1:
		r.addf(f.key(kinds[1]), RuleValue, "", "%s is %s: want one of consul, dns, follows and stays", quoted(v.Name), strings.Join(kinds, " and "))
	case !f.unknown && f.node.Kind == yaml.MappingNode:
		r.addf(e.key, RuleMissingKey, "", "%s needs one of consul, dns, follows and stays", quoted(v.Name))
	}
	return ""
}

// tag names the services of a follower or stayer.
func (r *roomsReader) tag(f *fields) string {
	n := f.get("consul")
	if n == nil {
		return ""
	}
	c, ok := r.fields(n, shapeRouteConsul)
	if ok && !c.has("tag") && !c.unknown {
		r.addf(n, RuleMissingKey, "", "consul of a route that follows or stays needs \"tag\"")
	}
	for _, k := range shapeRouteConsul.keys {
		if k != "tag" && c.has(k) {
			r.addf(c.key(k), RuleValue, "", "%q is for a route with a split of its own", k)
		}
	}
	return c.str("tag")
}

// consulMedia are the keys that say what holds the split, with those that may stand beside them.
var consulMedia = []struct {
	key     string
	medium  Medium
	with    []string
	require []string
}{
	{"key", MediumKey, []string{"field", "as", "of"}, []string{"as", "of"}},
	{"service", MediumService, []string{"consumer"}, []string{"consumer"}},
	{"upstream", MediumUpstream, []string{"consumer"}, nil},
	{"splitter", MediumSplitter, []string{"legs"}, nil},
}

func (r *roomsReader) routeConsul(v *Route, n *yaml.Node) {
	if n == nil {
		return
	}
	f, ok := r.fields(n, shapeRouteConsul)
	if !ok {
		return
	}
	v.Medium = r.consulMedium(n, f)
	switch v.Medium {
	case "":
	case MediumKey:
		v.Key = &KeyMedium{Pos: r.pos(n), Key: f.consulKey("key"), Field: f.str("field"),
			As: f.one("as", "percent", "permille", "basispoints"), Of: r.reader.room(f.get("of"), r.x)}
	case MediumService:
		v.Service, v.Consumer = f.str("service"), f.one("consumer", "haproxy", "generic", "envoy")
	case MediumUpstream:
		v.Upstream, v.Consumer = f.str("upstream"), "upsync"
		if f.has("consumer") {
			v.Consumer = f.one("consumer", "upsync", "apisix")
		}
	default:
		v.Service, v.Legs = f.str("splitter"), r.legs(f)
	}
}

// legs are the subsets or services by which a splitter's legs lead to rooms: one each, two rooms at least.
func (r *roomsReader) legs(f *fields) map[string]string {
	if !f.has("legs") {
		return nil
	}
	legs, rooms := map[string]string{}, map[string]string{}
	for _, e := range f.under("legs") {
		room, leg := r.reader.room(e.key, r.x), r.str(e.value, "a leg")
		if room == "" || leg == "" {
			continue
		}
		if other := rooms[leg]; other != "" {
			r.addf(e.value, RuleDuplicateKey, "", "the leg %s is %s's already", quoted(leg), other)
		}
		legs[room], rooms[leg] = leg, room
	}
	if n := f.get("legs"); n.Kind == yaml.MappingNode && len(n.Content) < 4 {
		r.addf(n, RuleValue, "", "legs leads to one room: want the leg of each room that gets a share")
	}
	return legs
}

// consulMedium is what holds the split, by the one key that names it; "" if there isn't one. Keys of others are problems.
func (r *roomsReader) consulMedium(n *yaml.Node, f *fields) Medium {
	found := -1
	for i, m := range consulMedia {
		if !f.has(m.key) {
			continue
		}
		if found >= 0 {
			r.addf(f.key(m.key), RuleValue, "", "%s beside %s: a route's split is held in one place", m.key, consulMedia[found].key)
			return ""
		}
		found = i
	}
	if found < 0 {
		if !f.unknown {
			r.addf(n, RuleMissingKey, "", "a route's consul needs one of key, service, upstream and splitter")
		}
		return ""
	}
	m := consulMedia[found]
	for _, k := range shapeRouteConsul.keys {
		if f.has(k) && k != m.key && !contains(m.with, k) {
			r.addf(f.key(k), RuleValue, "", "%s doesn't go with %s", k, m.key)
		}
	}
	for _, k := range m.require {
		if !f.has(k) {
			r.addf(n, RuleMissingKey, "", "consul with %s needs %q", m.key, k)
		}
	}
	return m.medium
}

// consulKey is a key of Consul's store.
func (f *fields) consulKey(key string) string {
	s := f.str(key)
	if s != "" && (s[0] == '/' || s[len(s)-1] == '/') {
		f.addf(f.get(key), RuleValue, "", "%s is %s: want a key without a slash at its ends", key, quoted(s))
	}
	return s
}

func (r *roomsReader) dns(n *yaml.Node) *DNSMedium {
	f, _ := r.fields(n, shapeDNS)
	d := &DNSMedium{Pos: r.pos(n), Name: strings.TrimSuffix(f.str("name"), "."), Provider: f.one("provider", "alidns", "powerdns", "rfc2136")}
	if bare := strings.TrimPrefix(d.Name, "*."); d.Name != "" && (!isHost(bare) || strings.ContainsAny(d.Name, ":[]")) {
		r.addf(f.get("name"), RuleValue, "", "name is %s: want a domain name", quoted(d.Name))
	}
	lines := f.get("lines")
	if lines == nil || lines.Kind == yaml.ScalarNode && lines.Value == "all" {
		return d
	}
	if lines.Kind == yaml.ScalarNode {
		r.addf(lines, RuleValue, didYouMean(lines.Value, []string{"all"}), "lines is %s: want all, or a list of lines", quoted(lines.Value))
		return d
	}
	for _, l := range r.items(lines, "lines") {
		if s := r.str(l, "a line"); s != "" {
			if contains(d.Lines, s) {
				r.addf(l, RuleDuplicateKey, "", "%s is named twice", quoted(s))
			}
			d.Lines = append(d.Lines, s)
		}
	}
	return d
}

// seats reads where copies of the split are read: for what Consul holds only.
func (r *roomsReader) seats(v *Route, f *fields) {
	if !f.has("seats") {
		return
	}
	switch v.Medium {
	case MediumDNS, MediumFollows, MediumStays:
		r.addf(f.key("seats"), RuleValue, "", "seats are rooms whose Consul holds the split: %s isn't held there", quoted(v.Name))
	}
	v.Seats = append(v.Seats, r.roomsOf(f.items("seats"), r.x)...)
}

// checkChain says where into and follows lead to nothing that can be composed.
func (r *roomsReader) checkChain(v *Route) {
	if v.Medium == MediumFollows {
		r.checkCycle(v, "follows", func(n *Route) string { return n.Follows })
		return
	}
	next := r.chains.route(v.Into)
	if next != nil && (next.Medium == MediumFollows || next.Medium == MediumStays) {
		r.addAtf(v.Pos, RuleValue, "", "%s leads into %s, which holds no split", quoted(v.Name), quoted(next.Name))
		return
	}
	r.checkCycle(v, "leads into", func(n *Route) string { return n.Into })
}

func (r *roomsReader) checkCycle(v *Route, verb string, next func(*Route) string) {
	path := []string{v.Name}
	for n := r.chains.route(next(v)); n != nil; n = r.chains.route(next(n)) {
		path = append(path, n.Name)
		if n.Name == v.Name {
			r.addAtf(v.Pos, RuleValue, "", "%s %s itself: %s", quoted(v.Name), verb, strings.Join(path, " → "))
			return
		}
		if len(path) > len(r.rooms.Routes) {
			return // the circle is further on and is said there
		}
	}
}

func (r *roomsReader) groups(f *fields) {
	for _, e := range f.under("groups") {
		g := Group{Pos: r.pos(e.key), Name: e.key.Value}
		items := r.items(e.value, "a group")
		g.Routes = r.namesOf(items, r.x, aRoute)
		for _, n := range items {
			if v := r.chains.route(n.Value); v != nil && (v.Medium == MediumFollows || v.Medium == MediumStays) {
				r.addf(n, RuleValue, "", "%s holds no split: a group is routes that move", quoted(v.Name))
			}
		}
		r.rooms.Groups = append(r.rooms.Groups, g)
	}
}
