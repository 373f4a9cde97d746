package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Rooms may name two addresses that lead to one server (a proxy, a Thanos over both). A query without $room then has one
// answer, and the sick room's errors are judged in both, or worse, halved in both.

const twinDo = `write {room="$room"} in the query, or give each room the address of its own Prometheus`

func twinSeen(a, b *source, roomA, roomB cutover.Room) string {
	return fmt.Sprintf("%s and %s are one server, asked the same for %s and for %s", a.name, b.name, roomA, roomB)
}

// twins finds rooms that a gate asks the same of one server by two addresses.
func (c *checker) twins(ctx context.Context, g *runbooks.Gate) {
	rooms := c.m.gateRooms(g)
	for i, a := range rooms {
		for _, b := range rooms[i+1:] {
			srcA, errA := c.m.gateSource(g, a)
			srcB, errB := c.m.gateSource(g, b)
			if errA != nil || errB != nil || srcA == srcB {
				continue // one source is told by its text: see the rules of rooms.yaml
			}
			partsA, errA := c.m.gateParts(g, a)
			partsB, errB := c.m.gateParts(g, b)
			if errA != nil || errB != nil || !sameText(partsA, partsB) {
				continue
			}
			if c.oneServer(ctx, srcA, srcB, partsA[0].e) {
				c.bad(Finding{Check: "gate " + g.Name}, twinSeen(srcA, srcB, a, b), "an answer of its own for each room", twinDo)
			}
		}
	}
}

func sameText(a, b []part) bool {
	return slices.EqualFunc(a, b, func(x, y part) bool { return x.e.text == y.e.text })
}

// oneServer tells whether two addresses lead to one server: it began at one moment, or, where that isn't told, has the very
// same data, stamps and all, at one moment of the past.
func (c *checker) oneServer(ctx context.Context, a, b *source, e *expr) bool {
	key := a.name + " is " + b.name
	if said, ok := c.known[key]; ok {
		return len(said) > 0
	}
	one, known := c.sameStart(ctx, a, b)
	if !known {
		return c.sameData(ctx, a, b, e)
	}
	c.known[key] = nil
	if one {
		c.known[key] = []string{"yes"}
	}
	return one
}

func (c *checker) sameStart(ctx context.Context, a, b *source) (same, known bool) {
	ctx, cancel := context.WithTimeout(ctx, a.timeOut)
	defer cancel()
	infoA, errA := a.api.Runtimeinfo(ctx)
	infoB, errB := b.api.Runtimeinfo(ctx)
	if errA != nil || errB != nil || infoA.StartTime.IsZero() || infoB.StartTime.IsZero() {
		return false, false
	}
	return infoA.StartTime.Equal(infoB.StartTime), true
}

// sameData compares what the query's selectors have, with the moments at which it was taken.
func (c *checker) sameData(ctx context.Context, a, b *source, e *expr) bool {
	clock, why := a.ask(ctx, nil, 0)
	if why != "" {
		return false
	}
	at := time.UnixMilli(int64(clock.now*1000) - 2*a.interval(ctx).Milliseconds())
	some := false
	for _, sel := range e.fresh() {
		for _, query := range []string{sel.text, "timestamp(" + sel.text + ")"} {
			dataA, dataB := a.dataAt(ctx, query, at), b.dataAt(ctx, query, at)
			if !slices.Equal(dataA, dataB) {
				return false
			}
			some = some || len(dataA) > 0
		}
	}
	return some
}

// dataAt is what a query came to at a moment, in one order; nil for no answer.
func (s *source) dataAt(ctx context.Context, query string, at time.Time) []string {
	ctx, cancel := context.WithTimeout(ctx, s.timeOut)
	defer cancel()
	v, _, _, err := s.api.Query(ctx, query, at)
	vec, ok := v.(model.Vector)
	if err != nil || !ok {
		return nil
	}
	lines := make([]string, 0, len(vec))
	for _, x := range vec {
		lines = append(lines, strings.Join([]string{x.Metric.String(), x.Value.String()}, " "))
	}
	slices.Sort(lines)
	return lines
}
