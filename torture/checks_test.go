package torture

import (
	"strings"
	"testing"
)

// log is a binlog of short words: origin and number.
func logOf(text string) (out []transaction) {
	for _, w := range strings.Fields(text) {
		out = append(out, transaction{w[:1], w})
	}
	return out
}

// TestOrder: what two writers, or one that began too early, leave in binlogs is seen there.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		what, a, b string
		reigns     int
		want       string
	}{
		{"one reign after the other", "a1 a2 b1 b2 a3", "a1 a2 b1 b2 a3", 3, ""},
		{"the old one wrote once more", "a1 a2 b1", "a1 b1 a2", 2, "part at transaction 2"},
		{"the new one began before it had all", "a1 a2 a3 b1", "a1 a2 b1 a3", 2, "part at transaction 3"},
		{"one is lost", "a1 a2 b1", "a1 b1", 2, "part at transaction 2"},
		{"the last is lost", "a1 a2 b1", "a1 a2", 2, "has 1 transactions that the other hasn't"},
		{"both wrote in turns", "a1 b1 a2 b2", "a1 b1 a2 b2", 2, "4 reigns"},
		{"a reign without writes", "a1 a2", "a1 a2", 3, ""},
	} {
		err := order(logOf(c.a), logOf(c.b), c.reigns)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

// TestSameSeedSameSchedule: a seed says all that goes wrong.
func TestSameSeedSameSchedule(t *testing.T) {
	schedule := func(seed uint64) string {
		var all []string
		for n := range 50 {
			m := &move{n: n, from: "home", to: "cloud"}
			draw(drawn(seed, n), m, true, nil)
			all = append(all, m.String())
		}
		return strings.Join(all, "\n")
	}
	once := schedule(3)
	if once != schedule(3) {
		t.Error("the same seed gives another schedule")
	}
	if once == schedule(4) {
		t.Error("another seed gives the same schedule")
	}
	for _, k := range []string{"kill -9", "lost", "executed", "frozen", "crashes", "cut off", "XA", "undone", "late"} {
		if !strings.Contains(once, k) {
			t.Errorf("in 50 moves nothing is %q", k)
		}
	}
}

// TestGTIDOf reads names out of both engines' words.
func TestGTIDOf(t *testing.T) {
	for info, want := range map[string]string{
		"BEGIN GTID 1-2-33": "1-2-33", "GTID 1-2-33": "1-2-33", "GTID 2-1-4 cid=7": "2-1-4", "BEGIN GTID 1-1-5 cid=9": "1-1-5",
		"SET @@SESSION.GTID_NEXT= 'ca3b9e9a-1c5e-11f0:5'": "ca3b9e9a-1c5e-11f0:5",
	} {
		if got := gtidOf(info); got != want {
			t.Errorf("%q is %q, want %q", info, got, want)
		}
	}
}
