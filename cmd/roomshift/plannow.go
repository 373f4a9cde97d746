package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// planNow says what everything holds: where it is read, and how it is written.
func planNow(w io.Writer, p *cutover.Plan, planes []cutover.Plane, lags map[string][]lagSeen) {
	fmt.Fprintln(w)
	rows := [][]string{{"NOW", "in " + p.To, "where it is read", "how it is written"}}
	if len(p.Routes) == 0 {
		rows = [][]string{{"NOW", "", "", ""}}
	}
	shares := cutover.SeatShares(p.Held)
	for i := range p.Routes {
		rows = append(rows, routeNow(p, &p.Routes[i], shares, planes)...)
	}
	rows = alikeRoutes(rows)
	for _, line := range columns(rows, "lrll") {
		fmt.Fprintln(w, clip(line, widthOf(w)))
	}
	for _, pair := range p.Pairs {
		text, how := "writer "+orNone(pair.Writer), "native"
		for _, l := range lags[pair.Name] {
			text += "   " + lagText(l)
			if l.Kept != "" {
				how = l.Kept
			}
		}
		flowed(w, 4, fmt.Sprintf("  %-17s ", pair.Name), text+"   "+how+" (onLost "+pair.OnLost+")")
	}
}

// alikeRoutes puts routes with as many seats, which are read and written alike, into one row.
func alikeRoutes(rows [][]string) [][]string {
	var out [][]string
	for _, row := range rows {
		name, seats, several := strings.Cut(row[0], ", ")
		if n := len(out); several && n > 0 && slices.Equal(out[n-1][1:], row[1:]) {
			if last, were, _ := strings.Cut(out[n-1][0], ", "); strings.TrimSuffix(were, " each") == seats && len(last)+len(name) < 24 {
				out[n-1][0] = last + " " + strings.TrimSpace(name) + ", " + seats + " each"
				continue
			}
		}
		out = append(out, row)
	}
	return out
}

// routeNow is a route as it is: a row for seats of one share.
func routeNow(p *cutover.Plan, r *cutover.RoutePlan, shares map[cutover.Seat]cutover.Share, planes []cutover.Plane) [][]string {
	switch {
	case r.Follows != "":
		return [][]string{{"  " + r.Name, "", "follows " + r.Follows, "nothing to write"}}
	case r.Stays != "":
		how := "nothing to write"
		if r.Calls > 0 {
			how = trimmed(r.Calls, 2) + " calls a request cross"
		}
		return [][]string{{"  " + r.Name, "", "stays in " + r.Stays, how}}
	}
	var order []int
	by := map[int][]cutover.Seat{}
	for _, seat := range r.Seats {
		bp := -1
		if s, ok := shares[seat]; ok {
			bp = s[p.To]
		}
		if len(by[bp]) == 0 {
			order = append(order, bp)
		}
		by[bp] = append(by[bp], seat)
	}
	var rows [][]string
	for _, bp := range order {
		seats := by[bp]
		name := seats[0].String()
		if len(seats) > 1 {
			name = fmt.Sprintf("%s, %d seats", r.Name, len(seats))
		}
		rows = append(rows, []string{"  " + clip(name, 24), share(bp), whereRead(p, r, seats), howWritten(p, r, seats, planes)})
	}
	return rows
}

// whereRead is the object, or how many there are, and whose.
func whereRead(p *cutover.Plan, r *cutover.RoutePlan, seats []cutover.Seat) string {
	var objects, in, ttls []string
	for i := range p.Held {
		h := &p.Held[i]
		switch {
		case !slices.Contains(seats, h.Seat):
		case h.Weights == nil:
			if !slices.Contains(ttls, h.Value) {
				ttls = append(ttls, h.Value)
			}
		default:
			objects = append(objects, h.Object)
			if !slices.Contains(in, h.Plane) {
				in = append(in, h.Plane)
			}
		}
	}
	where := fmt.Sprintf("%d %s", len(objects), objectsOf[r.Medium])
	if len(objects) == 1 {
		where = objects[0]
	}
	if len(in) == 1 {
		where += " in " + in[0]
	} else {
		where += fmt.Sprintf(" in %d planes", len(in))
	}
	if len(ttls) > 0 {
		where += ", TTL " + strings.Join(ttls, " ")
	}
	return clip(where, 44)
}

// objectsOf is what a medium's objects are called.
var objectsOf = map[runbooks.Medium]string{runbooks.MediumKey: "keys", runbooks.MediumUpstream: "keys", runbooks.MediumService: "instances",
	runbooks.MediumSplitter: "splitters", runbooks.MediumDNS: "records"}

// howWritten is whether the plan touches it, whether its server compares before it sets, and how soon that is seen.
func howWritten(p *cutover.Plan, r *cutover.RoutePlan, seats []cutover.Seat, planes []cutover.Plane) string {
	if !touched(p, seats) {
		return "not touched by this plan"
	}
	var how []string
	for i := range planes {
		pl := &planes[i]
		if pl.Aspect != cutover.Split || !slices.ContainsFunc(pl.Seats, func(s cutover.Seat) bool { return slices.Contains(seats, s) }) {
			continue
		}
		text := "compare-and-set"
		if !pl.HasCAS {
			text = "no compare-and-set"
		}
		if own := ownedText(p, seats, pl); own != "" {
			text = own
		}
		if !slices.Contains(how, text) {
			how = append(how, text)
		}
	}
	if r.Shows > 0 {
		how = append(how, "seen within "+short(r.Shows))
	}
	switch {
	case r.Long:
		how = append(how, "long: settles when set")
	case !r.Observed:
		how = append(how, "not observed")
	}
	return strings.Join(how, ", ")
}

func touched(p *cutover.Plan, seats []cutover.Seat) bool {
	for i := range p.Steps {
		for k := range p.Steps[i].Rungs {
			for _, seat := range seats {
				_, share := p.Steps[i].Rungs[k].Want[seat]
				_, ttl := p.Steps[i].Rungs[k].TTL[seat]
				if share || ttl {
					return true
				}
			}
		}
	}
	return false
}
