package runbooks

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

func (r *roomsReader) pairs(f *fields) {
	for _, e := range f.under("pairs") {
		pf, ok := r.fields(e.value, shapePair)
		if !ok {
			continue
		}
		r.rooms.Pairs = append(r.rooms.Pairs, r.pair(e, pf))
	}
}

func (r *roomsReader) pair(e entry, f *fields) Pair {
	p := Pair{Pos: r.pos(e.key), Name: e.key.Value, OnLost: "freeze", Record: r.reader.room(f.get("record"), r.x), Publish: f.str("publish")}
	if s := f.one("onLost", "freeze", "traffic"); s != "" {
		p.OnLost = s
	}
	if n := f.get("sync"); n != nil {
		p.DTS = r.sync(n)
	}
	if n := f.get("breaks"); n != nil {
		p.Breaks = r.breaks(n)
	}
	var masters []Master
	for _, side := range f.names {
		if !r.known(side.key, "a room", r.x.rooms) {
			continue
		}
		masters = append(masters, r.master(side))
	}
	if len(masters) != 2 && len(masters) == len(f.names) {
		r.addf(e.key, RuleValue, "", "%s has %d masters: a pair has two, in two rooms", quoted(p.Name), len(masters))
	}
	slices.SortStableFunc(masters, func(a, b Master) int {
		return slices.Index(r.x.rooms, a.Room) - slices.Index(r.x.rooms, b.Room)
	})
	copy(p.Masters[:], masters)
	return p
}

// PairRules are the checks before a move of a pair's writer that can be broken by name; those whose name ends in -unseen weren't answered.
var PairRules = words("restart durable heartbeat actors retention keys bypass events connections schema accounts settings engines primary-key compared tool provider " +
	"identity-unseen retention-unseen order-unseen keys-unseen bypass-unseen events-unseen xa-unseen locks-unseen room-unseen schema-unseen rights-unseen rehearsal-unseen " +
	"topology-unseen roles-unseen actors-unseen threads-unseen lag-unseen gtid-unseen log-unseen running-unseen semi-sync-unseen")

// breaks are rules that a pair is excepted from, each with its reason.
func (r *roomsReader) breaks(n *yaml.Node) map[string]string {
	out := map[string]string{}
	for _, e := range r.entries(n, "breaks") {
		reason := r.str(e.value, "the reason")
		if !slices.Contains(PairRules, e.key.Value) {
			r.addf(e.key, RuleUnknownName, "", "no check before a move is called %s: there are %s", quoted(e.key.Value), list(PairRules[:17]))
			continue
		}
		out[e.key.Value] = reason
	}
	return out
}

// sync names the two tasks of the tool that keeps the pair, one for each direction.
func (r *roomsReader) sync(n *yaml.Node) []string {
	f, _ := r.fields(n, shapeSync)
	items := f.items("dts")
	var ids []string
	for _, n := range items {
		if s := r.str(n, "a task"); s != "" {
			ids = append(ids, s)
		}
	}
	if len(items) > 0 && len(items) != 2 {
		r.addf(f.get("dts"), RuleValue, "", "dts has %d tasks: want two, one for each direction", len(items))
	}
	return ids
}

func (r *roomsReader) master(e entry) Master {
	f, _ := r.fields(e.value, shapeMaster)
	m := Master{Pos: r.pos(e.key), Room: e.key.Value, TLS: r.tls(e.value, f), DSNEnv: f.str("dsnEnv")}
	if m.DSNEnv != "" && !envName.MatchString(m.DSNEnv) {
		// What stands there may be the secret itself, so the message doesn't repeat it.
		r.addf(f.get("dsnEnv"), RuleSecret, "put the DSN into the environment, and here the variable's name", "dsnEnv is not the name of an environment variable")
		m.DSNEnv = ""
	}
	if n := f.get("readers"); n != nil {
		rf, _ := r.fields(n, shapeReaders)
		m.Readers = rf.str("consul")
	}
	m.Fence = r.fence(f.get("fence"))
	m.RestartsFenced = f.one("restarts", "fenced") == "fenced"
	return m
}

// checkPairs says which pairs nobody watches.
func (r *roomsReader) checkPairs() {
	for _, p := range r.rooms.Pairs {
		watched := slices.ContainsFunc(r.rooms.Gates, func(g Gate) bool { return g.Replication == p.Name })
		if !watched {
			r.addAtf(p.Pos, RuleReplication, "add to gates: {"+p.Name+"-lag: {replication: "+p.Name+", hold: {above: 1s}, abort: {above: 5s, for: 10s}}}",
				"nobody watches the replication of %s: no gate has \"replication: %s\"", quoted(p.Name), p.Name)
		}
	}
}
