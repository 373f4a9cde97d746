package metrics

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// observe asks for a route's share once for each room.
func (c *checker) observe(ctx context.Context, r *runbooks.Route) {
	o := c.m.observe(r.Name)
	if o == nil || r.Medium == runbooks.MediumFollows || r.Medium == runbooks.MediumStays {
		return
	}
	plan := &cutover.RoutePlan{Name: r.Name, Medium: r.Medium, ByRoom: r.Seats != nil}
	rooms := make([]cutover.RoomPlan, 0, len(c.m.rooms.Rooms))
	for _, room := range c.m.rooms.Rooms {
		rooms = append(rooms, cutover.RoomPlan{Name: room.Name})
	}
	f := Finding{Check: "observe " + r.Name, Want: "requests by room, under the label " + o.RoomLabel}
	ob, err := c.m.newObserver(plan, rooms)
	if err != nil {
		c.bad(f, err.Error(), f.Want, `write {room="$room"} in it`)
		return
	}
	for _, en := range ob.asks {
		if plan.ByRoom && en.room != "" && !slices.Contains(r.Seats, en.room) { // nothing is split there, so nobody asks
			continue
		}
		f.Room = en.room
		parts := []part{{partValue, en.e, true}}
		var others []part
		if e, err := observeExpr(o, otherRoute, otherRoom); err == nil {
			others = []part{{partValue, e, true}}
		}
		before := c.wrong
		c.names(ctx, f, en.src, parts, others)
		misspelt := c.wrong > before
		gg := &gateGauge{src: en.src, parts: parts, window: en.window, plan: &cutover.GatePlan{MaxAge: cutover.Never}}
		c.rhythm(ctx, f, gg, en.src.interval(ctx))
		c.entering(ctx, f, ob, en, o, misspelt)
	}
	c.observedTwice(ctx, f, plan, ob)
}

// entering asks for what enters by one room.
func (c *checker) entering(ctx context.Context, f Finding, ob *observer, en *entering, o *runbooks.Observe, misspelt bool) {
	got := ob.read(ctx, en, 0)
	switch {
	case strings.Contains(string(got.why), "is no room"):
		c.bad(f, strings.TrimPrefix(string(got.why), "error: "), c.roomNames(), c.roomLabelHint(ctx, en, o))
	case got.why != "":
		c.bad(f, string(got.why), f.Want, remedy(got.why))
	case len(got.idle) > 0:
		c.bad(f, fmt.Sprintf("%s=%q is no room of rooms.yaml; nothing goes there now, and once something does the share can't be known", o.RoomLabel, got.idle[0]),
			c.roomNames(), "leave these series out of the query, or name them in rooms.yaml")
	case got.empty && misspelt:
	case got.empty:
		c.never(ctx, f, en, o)
	default:
		words := make([]string, 0, len(got.counts))
		for _, room := range sortedRooms(got.counts) {
			words = append(words, fmt.Sprintf("%s %.4g/s", room, got.counts[room]))
		}
		c.good(f, strings.Join(words, ", "))
	}
}

func (c *checker) roomNames() string {
	names := make([]string, 0, len(c.m.rooms.Rooms))
	for _, r := range c.m.rooms.Rooms {
		names = append(names, r.Name)
	}
	return "only " + strings.Join(names, ", ")
}

// never tells an observe query without series from one whose label never held a room.
func (c *checker) never(ctx context.Context, f Finding, en *entering, o *runbooks.Observe) {
	if !made(en.e, o.RoomLabel) {
		for _, sel := range en.e.selectors {
			all := cmp.Or(sel.name, sel.text)
			values := c.values(ctx, en.src, o.RoomLabel, all)
			if len(values) > 0 && !slices.ContainsFunc(values, c.isRoom) {
				c.bad(f, fmt.Sprintf("%s of %s is %s: no room of rooms.yaml", o.RoomLabel, all, some(values)), c.roomNames(), c.roomLabelHint(ctx, en, o))
				return
			}
		}
	}
	c.good(f, "no series: nothing enters here, or nothing counts it")
}

func (c *checker) isRoom(name string) bool {
	return slices.ContainsFunc(c.m.rooms.Rooms, func(r runbooks.Room) bool { return r.Name == name })
}

// made tells whether the query itself makes the label.
func made(e *expr, label string) bool {
	return (strings.Contains(e.text, "label_replace") || strings.Contains(e.text, "label_join")) && strings.Contains(e.text, label)
}

// roomLabelHint says what to do about a label that holds no rooms: the metric may not have it at all.
func (c *checker) roomLabelHint(ctx context.Context, en *entering, o *runbooks.Observe) string {
	for _, sel := range en.e.selectors {
		has := c.labelNames(ctx, en.src, sel.name)
		if sel.name != "" && len(has) > 0 && !slices.Contains(has, o.RoomLabel) && !made(en.e, o.RoomLabel) {
			return fmt.Sprintf("no series of %s has the label %s; it has %s", sel.name, o.RoomLabel, some(has))
		}
	}
	return "make the label say a room's name, by relabelling or by label_replace(…)"
}

// observedTwice finds two addresses that lead to one server, asked the same for two rooms.
func (c *checker) observedTwice(ctx context.Context, f Finding, route *cutover.RoutePlan, ob *observer) {
	if !route.ByRoom && route.Medium != runbooks.MediumDNS {
		return // what is split once is summed up; counting it twice doesn't change the share
	}
	for i, a := range ob.asks {
		for _, b := range ob.asks[i+1:] {
			if a.src != b.src && a.e.text == b.e.text && c.oneServer(ctx, a.src, b.src, a.e) {
				f.Room = ""
				c.bad(f, twinSeen(a.src, b.src, a.room, b.room), "an answer of its own for each room", twinDo)
			}
		}
	}
}
