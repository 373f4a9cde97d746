package dbsync

import (
	"context"
	"strconv"
	"sync"
	"time"

	"roomshift/cutover"
)

// preLag, 6: what either master has now is on the other one soon: for so long a move would keep everybody waiting. Nothing is written for it.
func preLag() preCheck {
	return preCheck{name: "lag", quick: true, more: probeLags, judge: judgeLag}
}

// lagProbe is how long it took until one side had what the other had when it was asked.
type lagProbe struct {
	took time.Duration
	ok   bool   // it was there in time
	why  string // why nothing is known, "" it is
}

// probeLags waits on both sides at once, on each for what the other has: the one to get the role for the writer's transactions, the writer
// for the place where the other's binlog ends. Each connection is used for one thing at a time.
func probeLags(ctx context.Context, _ *Ring, f *flight, conns [2]querier) error {
	x, y := f.sides[f.from], f.sides[f.to]
	var want Position
	var pos position
	var forth, back error
	var both sync.WaitGroup
	both.Go(func() {
		var r row
		if r, forth = askAt(ctx, conns[f.from], x.d, Against{}); forth == nil {
			want, _, _, forth = x.d.verbs.compare(r, Against{})
		}
	})
	both.Go(func() { pos, back = endOf(ctx, conns[f.to], y.d) })
	both.Wait()
	way, err := wayBack(x, y)
	if back == nil {
		back = err
	}
	both.Go(func() { f.lags[f.to] = forthProbe(ctx, conns[f.to], y, want, forth) })
	both.Go(func() { f.lags[f.from] = backProbe(ctx, conns[f.from], y, way.name(), pos, back) })
	both.Wait()
	return nil
}

// probeSlice is how long a probe waits.
const probeSlice = time.Second

// askAt asks for the row of verbs.at.
func askAt(ctx context.Context, q querier, d *dialect, a Against) (row, error) {
	query, args := d.verbs.at(a)
	tables, err := askAll(ctx, q, query, args...)
	return firstRow(tables, 0), err
}

// endOf is where a side's binlog ends.
func endOf(ctx context.Context, q querier, d *dialect) (position, error) {
	tables, err := askAll(ctx, q, d.log)
	if err != nil {
		return position{}, err
	}
	r := firstRow(tables, 0)
	return parsePosition(r["File"], r["Position"])
}

// forthProbe waits on y until it has a position of the writer's; err is why that isn't known.
func forthProbe(ctx context.Context, q querier, y side, want Position, err error) lagProbe {
	a := Against{Other: want}
	began := time.Now()
	var have row
	if err == nil {
		have, err = askAt(ctx, q, y.d, a)
	}
	for err == nil {
		var p Position
		var missing string
		if p, missing, _, err = y.d.verbs.compare(have, a); err != nil {
			break
		}
		took := time.Since(began)
		if missing == "" || took >= probeSlice {
			return lagProbe{took: took, ok: missing == ""}
		}
		query, args := y.d.verbs.wait(a, p, y.id(), (probeSlice - took).Seconds())
		tables, asked := askAll(ctx, q, query, args...)
		have, err = firstRow(tables, 0), asked
	}
	return lagProbe{why: say(err)}
}

// backProbe waits on the writer until it has passed a place in y's binlog.
func backProbe(ctx context.Context, q querier, y side, channel string, pos position, err error) lagProbe {
	if err != nil {
		return lagProbe{why: say(err)}
	}
	began := time.Now()
	query, args := y.d.back(&session{channel: channel, slice: probeSlice}, beat{}, pos, 0, true)
	tables, err := askAll(ctx, q, query, args...)
	if err != nil {
		return lagProbe{why: say(err)}
	}
	code, err := strconv.Atoi(firstRow(tables, 0)["code"])
	if err != nil {
		return lagProbe{why: "the wait answered NULL: replication from " + y.room + " doesn't run"}
	}
	return lagProbe{took: time.Since(began), ok: code >= 0}
}

func judgeLag(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		other := f.sides[1-i].room
		x := Finding{Room: s.room, Wanted: "what " + other + " has is here within " + f.o.MostLag.String(), Severity: cutover.Refuses, Passing: true,
			Do: "wait until it has caught up: " + s.d.words.status + " in " + s.room}
		switch p := f.lags[i]; {
		case p.why != "":
			x.Seen = "not known: " + p.why
		case !p.ok:
			x.Seen = "what " + other + " had isn't here after " + p.took.Round(10*time.Millisecond).String()
		case p.took > f.o.MostLag:
			x.Seen = "what " + other + " had was here after " + p.took.Round(10*time.Millisecond).String()
		default:
			found = append(found, good("", "→ %s %v", s.room, p.took.Round(100*time.Microsecond)))
			continue
		}
		found = append(found, x)
	}
	return found
}
