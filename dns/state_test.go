package dns

import "testing"

// TestStatesOnTheWay: every state is one call away from the next, and a record that is switched on serves by the least weight first.
func TestStatesOnTheWay(t *testing.T) {
	for _, c := range []struct{ from, to, way string }{
		{"0", "30", "1 30"},
		{"0", "1", "1"},
		{"30", "0", "1 0"},
		{"1", "0", "0"},
		{"30", "60", "60"},
		{"100", "1", "1"},
		{"0/30", "60", "30 60"},
		{"0/30", "30", "30"},
		{"60", "0/30", "30 0/30"},
		{"0/0", "5", "5"},
		{"5", "0/0", "0/0"},
		{"7", "7", ""},
	} {
		from, err := parseState(c.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := parseState(c.to)
		if err != nil {
			t.Fatal(err)
		}
		way := ""
		for n := 0; from != to && n < 5; n++ {
			if from = from.next(to); way != "" {
				way += " "
			}
			way += from.String()
		}
		if way != c.way {
			t.Errorf("from %s to %s by %q, want %q", c.from, c.to, way, c.way)
		}
	}
	for _, bad := range []string{"", "-1", "101", "007", "0/1", "0/101", "5/5", "0/", "1/0", "x", "0/30/2"} {
		if s, err := parseState(bad); err == nil {
			t.Errorf("%q is read as %v", bad, s)
		}
	}
}
