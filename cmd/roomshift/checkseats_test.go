package main

import (
	"fmt"
	"strings"
	"testing"

	"roomshift/cutover"
)

// TestSeatFindings: a seat of instances is one line, however many they are; what is left as it is is named, and a seat without any is bad.
func TestSeatFindings(t *testing.T) {
	im, h5 := cutover.Seat{Route: "im", At: "home"}, cutover.Seat{Route: "h5", At: "home"}
	var held []cutover.Held
	for i := range 10000 {
		h := cutover.Held{Seat: im, Object: fmt.Sprintf("upstreams/im/10.1.%d.%d:80", i/250, i%250+1), Value: "97", Room: "home", Live: true}
		if i%2 == 1 {
			h.Value, h.Room = "3", "cloud"
		}
		if i < 6 {
			h.Live, h.Value = false, h.Value+" down=1"
		}
		held = append(held, h)
	}
	fs := seatFindings(&cutover.Plane{Name: "consul.home.upstreams", Room: "home", Seats: []cutover.Seat{h5, im}}, held)
	if len(fs) != 2 || !fs[0].OK || fs[1].OK || fs[1].Check != "seat h5@home" {
		t.Fatalf("%+v, want im's instances in a line, and h5 without any", fs)
	}
	want := "cloud 4997 of 3 · home 4997 of 97 · left as they are: upstreams/im/10.1.0.1:80 = 97 down=1"
	if !strings.HasPrefix(fs[0].Seen, want) || !strings.HasSuffix(fs[0].Seen, "and 3 more") {
		t.Errorf("%q, want %q … and 3 more", fs[0].Seen, want)
	}
	key := []cutover.Held{{Seat: im, Object: "gateway/cloud", Value: "3"}}
	if fs := seatFindings(&cutover.Plane{Seats: []cutover.Seat{im}}, key); len(fs) != 1 || fs[0].Seen != "gateway/cloud = 3" {
		t.Errorf("a number is told as %+v", fs)
	}
}
