package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What a part that carries a route may be told of it. Each may be missing.
type (
	routed   interface{ name() string } // the route's
	replacer interface {
		// replace replaces half of the instances by new ones and says which.
		replace(ctx context.Context) (said string, err error)
	}
	checker interface {
		// checks makes every instance of a room fail its check, or pass it.
		checks(ctx context.Context, room string, pass bool) error
	}
	foreigner interface {
		// foreign writes one weight of a room's as somebody else than roomshift would, and says which.
		foreign(ctx context.Context, room string, weight int) (said string, err error)
	}
	roomed interface {
		// away takes what the part has in a room away, or brings it back.
		away(room string, away bool) error
	}
)

// partsAway takes what the parts have in a room away, or brings it back.
func (l *Lab) partsAway(room string, away bool) error {
	var errs []error
	for _, p := range l.parts {
		if p, ok := p.(roomed); ok {
			errs = append(errs, p.away(room, away))
		}
	}
	return errors.Join(errs...)
}

// carrying are the parts that can do what T says, by route, and the routes in order.
func carrying[T any](l *Lab) (parts map[string]T, routes []string) {
	parts = map[string]T{}
	for _, p := range l.parts {
		can, ok := p.(T)
		r, named := p.(routed)
		if ok && named {
			parts[r.name()] = can
			routes = append(routes, r.name())
		}
	}
	return parts, routes
}

// routesHelp are the lines of Help for what the lab's routes can be told.
func (l *Lab) routesHelp() string {
	b := &strings.Builder{}
	line := func(what, says string) {
		if len(what) > 23 {
			what += "  " // set off from what it says
		}
		fmt.Fprintf(b, "%-23s %s\n", what, says)
	}
	if _, routes := carrying[replacer](l); len(routes) > 0 {
		line("replace ROUTE", "half of its instances are replaced by new ones of weight 100 each ("+strings.Join(routes, ", ")+")")
	}
	if _, routes := carrying[checker](l); len(routes) > 0 {
		line("instances ROUTE ROOM down|up", "its instances there fail their checks, or pass them ("+strings.Join(routes, ", ")+")")
	}
	if _, routes := carrying[foreigner](l); len(routes) > 0 {
		line("weight ROUTE ROOM NUMBER", "somebody else writes a weight: of the room's first instance, or its leg's ("+strings.Join(routes, ", ")+")")
	}
	return b.String()
}

// toldRoute carries out a line that names a route.
func (l *Lab) toldRoute(ctx context.Context, f []string) (string, error) {
	switch {
	case f[0] == "replace" && len(f) == 2:
		if p, ok := byRoute[replacer](l, f[1]); ok {
			return p.replace(ctx)
		}
	case f[0] == "instances" && len(f) == 4 && isRoom(f[2]) && (f[3] == string(Up) || f[3] == string(Down)):
		if p, ok := byRoute[checker](l, f[1]); ok {
			return strings.Join(f, " ") + ": done\n", p.checks(ctx, f[2], f[3] == string(Up))
		}
	case f[0] == "weight" && len(f) == 4 && isRoom(f[2]):
		n, err := strconv.Atoi(f[3])
		if p, ok := byRoute[foreigner](l, f[1]); ok && err == nil {
			return p.foreign(ctx, f[2], n)
		}
	}
	return "", errNotUnderstood
}

func byRoute[T any](l *Lab, route string) (T, bool) {
	parts, _ := carrying[T](l)
	p, ok := parts[route]
	return p, ok
}
