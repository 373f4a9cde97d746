package runbooks

import "time"

func (r *roomsReader) onlys(f *fields) {
	for _, e := range f.under("only") {
		of, ok := r.fields(e.value, shapeOnly)
		if !ok {
			continue
		}
		o := Only{Pos: r.pos(e.key), Name: e.key.Value, User: of.str("user"), Within: of.duration("within", time.Second)}
		if n := of.get("consul"); n != nil {
			c, _ := r.fields(n, shapeOnlyConsul)
			o.Key = c.consulKey("key")
		}
		if n := of.get("pair"); n != nil && r.names(n, r.x, aPair) {
			o.Pair = n.Value
		}
		if pairs := r.x.of(aPair); o.Pair == "" && len(pairs) == 1 {
			o.Pair = pairs[0]
		}
		if n := of.get("running"); n != nil {
			r.running(&o, e, of)
		}
		if n := of.get("behind"); n != nil {
			bf, _ := r.fields(n, shapeBehind)
			bf.one("each", "room")
			o.Behind = &Observe{Pos: r.pos(n), Query: bf.query("prometheus", "$room", "$window")}
		}
		for _, other := range r.rooms.Only {
			if o.Key != "" && o.Key == other.Key {
				r.addf(e.key, RuleDuplicateKey, "", "%s has the key of %s: one thing can't be where the other is", quoted(o.Name), quoted(other.Name))
			}
		}
		r.rooms.Only = append(r.rooms.Only, o)
	}
}

// running reads how many of it run: by a query, or by the instances of a service that pass.
func (r *roomsReader) running(o *Only, e entry, of *fields) {
	n := of.get("running")
	f, ok := r.fields(n, shapeRunning)
	f.one("each", "room")
	o.Service = f.str("consul")
	switch {
	case f.has("prometheus") && f.has("consul"):
		r.addf(n, RuleValue, "", "%s is counted twice: want prometheus or consul", quoted(e.key.Value))
	case f.has("prometheus"):
		o.Running = &Observe{Pos: r.pos(n), Query: f.query("prometheus", "$room", "$window")}
	case ok && !f.has("consul") && !f.unknown:
		r.addf(n, RuleMissingKey, "running: {prometheus: QUERY, each: room}, or {consul: SERVICE, each: room}", "running says not how %s is counted", quoted(e.key.Value))
	}
}

// withs says which things a step can't stop and start with its pairs.
func (b *bookReader) withs(w *WriterMove) {
	for _, name := range w.With {
		o := b.rooms.OnlyThing(name)
		switch {
		case o == nil:
		case !o.Measured():
			b.addAtf(w.Pos, RuleValue, "in rooms.yaml, running: {prometheus: QUERY, each: room}, or {consul: SERVICE, each: room}",
				"nobody can see that %s has stopped: it says not how many of it run", quoted(name))
		case o.Pair != "" && !contains(w.Pairs, o.Pair):
			b.addAtf(w.Pos, RuleValue, "leave it out, or move that pair", "%s follows the writer of %s, which this step doesn't move", quoted(name), quoted(o.Pair))
		}
	}
}

// OnlyThing is the thing of that name, nil if there is none.
func (r *Rooms) OnlyThing(name string) *Only {
	for i := range r.Only {
		if r.Only[i].Name == name {
			return &r.Only[i]
		}
	}
	return nil
}

// PairsOf is the pairs whose writers a thing follows: its own, else all of the steps that name it.
func (o *Only) PairsOf(book *Runbook) []string {
	if o.Pair != "" {
		return []string{o.Pair}
	}
	var out []string
	for i := range book.Steps {
		w := book.Steps[i].Writer
		if w == nil || !contains(w.With, o.Name) {
			continue
		}
		for _, pair := range w.Pairs {
			if !contains(out, pair) {
				out = append(out, pair)
			}
		}
	}
	return out
}
