package metrics

import (
	"fmt"
	"strings"
	"testing"
)

// TestMatchers: conditions are read as people write them; those that a series without the label fits, too, need no label.
func TestMatchers(t *testing.T) {
	for query, want := range map[string]string{
		`a`:         "",
		`a{}`:       "",
		`a{b="c"}`:  `b="c"!`,
		`a{b="c",}`: `b="c"!`,
		`a{ b = 'c' , d=~"5..|4..", e!="f", g!~"h" }`: "b='c'! d=~\"5..|4..\"! e!=\"f\" g!~\"h\"",
		`a{b=""}`:              `b=""`,
		`a{b=~".*"}`:           `b=~".*"`,
		`a{b=~".+"}`:           `b=~".+"!`,
		`a{b=~"x|"}`:           `b=~"x|"`,
		`a{b=~"("}`:            `b=~"("`, // Prometheus will say it
		"a{b=~`\\d+`}":         "b=~`\\d+`!",
		`a{b="x,c=\"y\"}"}`:    `b="x,c=\"y\"}"!`,
		`{__name__="a",b="c"}`: `b="c"!`,
	} {
		e := mustExpr(t, query)
		var got []string
		for _, m := range e.selectors[0].matchers() {
			mark := ""
			if m.needs() {
				mark = "!"
			}
			got = append(got, m.String()+mark)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s, wanted %s", query, text, want)
		}
	}
}

// TestRoomMatchers: what $room stands in, and a selector of that alone.
func TestRoomMatchers(t *testing.T) {
	const query = `sum(rate(a{code=~"5..",room="$room",zone=~"$room-.*"}[1m])) / sum(b{room="$room"})`
	of := func(room string) *expr {
		e, err := parseExpr(query, room, "")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	home, other := of("home"), of(otherRoom)
	got := fmt.Sprint(roomMatchers(home.selectors[0], other.selectors[0]), roomMatchers(home.selectors[1], other.selectors[1]),
		home.selectors[0].only(roomMatchers(home.selectors[0], other.selectors[0])[:1]))
	if want := `[room="home" zone=~"home-.*"] [room="home"]a{room="home"}`; got != want {
		t.Errorf("%s, wanted %s", got, want)
	}
}
