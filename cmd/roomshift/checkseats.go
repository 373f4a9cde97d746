package main

import (
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover"
)

// seatFindings is what a plane's seats hold: a line for each object that holds a whole split, and one for each seat that is made of
// instances, however many they are.
func seatFindings(pl *cutover.Plane, held []cutover.Held) []finding {
	var fs []finding
	for seat, part := range cutover.EachSeat(held) {
		if part[0].Room != "" {
			fs = append(fs, finding{Check: "seat " + seat.String(), Room: pl.Room, Seen: instancesText(part), OK: true})
			continue
		}
		for _, h := range part {
			fs = append(fs, finding{Check: "seat " + seat.String(), Room: pl.Room, Seen: h.Object + " = " + h.Value, OK: true})
		}
	}
	for _, seat := range pl.Seats {
		if !slices.ContainsFunc(held, func(h cutover.Held) bool { return h.Seat == seat }) {
			fs = append(fs, finding{Check: "seat " + seat.String(), Room: pl.Room, Seen: "no instance in " + pl.Name, Want: "at least one that serves",
				Do: "mend the name in rooms.yaml, or register its instances"})
		}
	}
	return fs
}

// instancesText is "home 3 of 100 · cloud 2 of 100 down=1 · left as they are: …".
func instancesText(held []cutover.Held) string {
	counts, left := map[string]int{}, []string(nil)
	var order []string
	for i := range held {
		h := &held[i]
		if !h.Live {
			left = append(left, h.Object+" = "+h.Value)
			continue
		}
		key := h.Room + " %d of " + h.Value
		if counts[key]++; counts[key] == 1 {
			order = append(order, key)
		}
	}
	slices.Sort(order)
	var texts []string
	for i, key := range order {
		if i == 8 {
			texts = append(texts, fmt.Sprintf("and %d more kinds", len(order)-i))
			break
		}
		texts = append(texts, strings.Replace(key, "%d", fmt.Sprint(counts[key]), 1))
	}
	if n := len(left); n > 3 {
		left = append(left[:3], fmt.Sprintf("and %d more", n-3))
	}
	if len(left) > 0 {
		texts = append(texts, "left as they are: "+strings.Join(left, ", "))
	}
	return strings.Join(texts, " · ")
}
