package main

import (
	"strings"
	"testing"
	"time"

	"roomshift/runbooks"
)

// TestCheckLiveTellsACut: a limit of replication that is red before a cut line can be told is a finding that says how long it must be.
func TestCheckLiveTellsACut(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		name         string
		above        float64
		lasts        time.Duration // -1: not written
		beat, every  time.Duration
		want, advise string
	}{
		{"the default", 5, -1, 2 * second, 0, "", ""},
		{"just long enough", 1, 2 * second, second, 0, "", ""},
		{"a moment too short", 1, 1900 * time.Millisecond, second, 0, "red 2.9s after the line is cut", "for: 2s or longer"},
		{"at once", 0.5, 0, 2 * second, 0, "shows after up to 5s", "for: 4.5s or longer"},
		{"a high limit is slow enough by itself", 5, 0, 2 * second, 0, "", ""},
		{"asked less often than it beats", 1, 2 * second, second, 2 * second, "up to 5s", "for: 4s or longer"},
		{"the heartbeat isn't known", 0.5, 0, 0, 0, "", ""},
	} {
		g := runbooks.Gate{Name: "lag", Replication: "db", Every: c.every, Abort: &runbooks.Limit{Value: c.above, Unit: runbooks.UnitDuration}}
		if c.lasts >= 0 {
			g.Abort.For, g.Abort.ForSet = c.lasts, true
		}
		beats := map[string]time.Duration{}
		if d, ok := beatOf("each " + c.beat.String()); ok {
			beats["db"] = d
		}
		fs := cutFindings([]runbooks.Gate{g, {Name: "held", Replication: "db"}, {Name: "errors", Abort: g.Abort}}, beats)
		switch {
		case c.want == "" && len(fs) > 0:
			t.Errorf("%s: %+v", c.name, fs)
		case c.want != "" && (len(fs) != 1 || !strings.Contains(fs[0].Seen, c.want) || !strings.Contains(fs[0].Do, c.advise)):
			t.Errorf("%s: %+v, wanted %s: %s", c.name, fs, c.want, c.advise)
		}
	}
}
