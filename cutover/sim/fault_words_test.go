package sim

import (
	"strings"
	"testing"

	"roomshift/cutover"
)

func TestParseFault(t *testing.T) {
	never := cutover.Never
	for _, c := range []struct {
		text string
		want Fault
	}{
		{"lag feed-db home→cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"lag feed-db home->cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"lag feed-db home -> cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"errors cloud 5% at 20m for 5m", Fault{kind: "errors", room: "cloud", value: 0.05, at: 20 * cutover.Minute, span: 5 * cutover.Minute}},
		{"kill at write 3", Fault{kind: "kill", at: never, write: 3, writes: 1}},
		{"kill at record 17", Fault{kind: "kill", at: never, record: 17}},
		{"kill before record 17", Fault{kind: "kill before", at: never, record: 17, before: true}},
		{"lost reply at write 4", Fault{kind: "lose reply", at: never, write: 4, writes: 1}},
		{"lost reply at writes 4-6", Fault{kind: "lose reply", at: never, write: 4, writes: 3}},
		{"hang write 5", Fault{kind: "hang", at: never, write: 5, writes: 1, d: 10 * cutover.Second}},
		{"hang write 5 for 30s", Fault{kind: "hang", at: never, write: 5, writes: 1, d: 30 * cutover.Second}},
		{"hang writes at 5m for 1m in cloud", Fault{kind: "hang", at: 5 * cutover.Minute, span: cutover.Minute, d: cutover.Minute, in: "cloud"}},
		{"hang reads at 5m in home/keys", Fault{kind: "hang reads", at: 5 * cutover.Minute, d: 10 * cutover.Second, in: "home/keys"}},
		{"hang reads at 5m for 1m", Fault{kind: "hang reads", at: 5 * cutover.Minute, span: cutover.Minute, d: cutover.Minute}},
		{"throttle write 5 20s", Fault{kind: "throttle", at: never, write: 5, writes: 1, d: 20 * cutover.Second}},
		{"throttle writes 20s at 5m in alidns", Fault{kind: "throttle", at: 5 * cutover.Minute, span: 20 * cutover.Second, d: 20 * cutover.Second, in: "alidns"}},
		{"lock freed at 9m", Fault{kind: "lock freed", at: 9 * cutover.Minute}},
		{"late write 5 8s", Fault{kind: "late", at: never, write: 5, writes: 1, d: 8 * cutover.Second}},
		{"room cloud down at 5m", Fault{kind: "room", room: "cloud", at: 5 * cutover.Minute}},
		{"freeze server home at 90s", Fault{kind: "server", room: "home", at: 90 * cutover.Second}},
		{"slow api home/keys 3s at 2m", Fault{kind: "slow", plane: "home/keys", d: 3 * cutover.Second, at: 2 * cutover.Minute}},
		{"lock lost at 9m", Fault{kind: "lock lost", at: 9 * cutover.Minute}},
		{"foreign gw@home 33% at 8m", Fault{kind: "foreign", seat: "gw@home", value: 0.33, at: 8 * cutover.Minute}},
		{"foreign gateway/rules/main = 33 at 8m", Fault{kind: "foreign object", object: "gateway/rules/main", text2: "33", at: 8 * cutover.Minute}},
		{"replace half im at 10m", Fault{kind: "replace", route: "im", at: 10 * cutover.Minute}},
		{"replace all im at 10m in home", Fault{kind: "replace", n: -1, route: "im", at: 10 * cutover.Minute, in: "home"}},
		{"join 2 im at 10m", Fault{kind: "join", n: 2, route: "im", at: 10 * cutover.Minute}},
		{"prometheus home down at 4m", Fault{kind: "prometheus", room: "home", at: 4 * cutover.Minute}},
		{"cut at 7m", Fault{kind: "cut", at: 7 * cutover.Minute}},
		{"journal full at 6m", Fault{kind: "journal full", at: 6 * cutover.Minute}},
		{"journal stalls 20s at 6m", Fault{kind: "journal stalls", d: 20 * cutover.Second, span: 20 * cutover.Second, at: 6 * cutover.Minute}},
		{"value slow@home 1s at 3m", Fault{kind: "value", gate: "slow", room: "home", text2: "1s", value: 1, at: 3 * cutover.Minute}},
		{"silent errors@cloud at 3m", Fault{kind: "silent", gate: "errors", room: "cloud", at: 3 * cutover.Minute}},
	} {
		got, err := ParseFault(c.text)
		c.want.text = c.text
		if err != nil || got != c.want {
			t.Errorf("%q is\n%+v, want\n%+v: %v", c.text, got, c.want, err)
		}
		if got.String() != c.text {
			t.Errorf("%q is shown as %q", c.text, got)
		}
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "says nothing"},
		{"lagg feed-db home→cloud 10s at 12m", `did you mean "lag"`},
		{"lag feed-db home→cloud at 12m", `the form is "lag PAIR A→B D at …"`},
		{"lag feed-db home 10s at 12m", "home→cloud is one"},
		{"errors cloud 5 at 20m", "no percentage"},
		{"errors cloud 500% at 20m", "more than 100%"},
		{"errors cloud 5%", "has no moment"},
		{"errors cloud 5% at", "say what"},
		{"errors cloud 5% at noon", "is no time"},
		{"errors cloud 5% at 5m at write 3", "more than one moment"},
		{"kill at write", "say which"},
		{"kill at write zero", "no number"},
		{"lost reply at writes 7-3", "no row of writes"},
		{"lost reply at record 3", "about writes"},
	} {
		_, err := ParseFault(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is refused by %v, want %q in it", c.text, err, c.says)
		}
	}
}

// TestFaultNames: what isn't there is refused before anything runs, with the nearest name.
func TestFaultNames(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"lag feed-bd home→cloud 10s at 12m", `did you mean "feed-db"`},
		{"lag feed-db home→clod 10s at 12m", `did you mean "cloud"`},
		{"errors hom 5% at 20m", `did you mean "home"`},
		{"value sloww 1s at 20m", `did you mean "slow"`},
		{"foreign gw@hme 5% at 20m", `did you mean "gw@home"`},
		{"replace half gw at 20m", "no route with instances"},
		{"foreign gateway/rule = 5 at 20m", "no object"},
		{"slow api home/key 3s at 20m", `did you mean "home/keys"`},
	} {
		f, err := ParseFault(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = New(loadTest(t, "climb"), Options{Faults: []Fault{f}}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is refused by %v, want %q in it", c.text, err, c.says)
		}
	}
}

// TestHelpParses: every form that help shows can be written so.
func TestHelpParses(t *testing.T) {
	words := map[string]string{"PAIR": "feed-db", "A→B": "home→cloud", "D": "10s", "P": "5%", "ROOM": "cloud", "GATE": "slow@home", "V": "3",
		"PLANE": "home/keys", "W": "3", "SEAT": "gw@home", "OBJECT": "gateway/rules/main", "N": "half", "ROUTE": "im", "ONLY": "feed-jobs"}
	for _, form := range faultForms {
		var text []string
		for _, w := range strings.Fields(form.form) {
			if word, ok := words[w]; ok {
				w = word
			}
			text = append(text, w)
		}
		line := strings.Join(text, " ")
		if !strings.Contains(form.form, "W") {
			line += " at 5m"
		}
		f, err := ParseFault(line)
		if err != nil || f.kind != form.kind {
			t.Errorf("%q is of kind %q, want %q: %v", line, f.kind, form.kind, err)
			continue
		}
		if _, err := New(loadTest(t, "climb"), Options{Faults: []Fault{f}}); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if !strings.Contains(FaultHelp(), form.form) {
			t.Errorf("help doesn't show %q", form.form)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, form := range faultForms {
		f.Add(form.form + " at 5m")
	}
	for _, text := range []string{"lag feed-db home -> cloud 10s at 12m for 3m", "kill before record 17", "hang writes at 5m for 1m in cloud",
		"foreign a=b = c at 3m", "lost reply at writes 3-7", "errors cloud NaN% at 1m", "→ → at for in"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseFault(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		again, err := ParseFault(g.String())
		if err != nil || again != g {
			t.Errorf("%q parses as %+v, and its text as %+v: %v", text, g, again, err)
		}
		if g.at < 0 || g.d < 0 || g.span < 0 || g.value != g.value {
			t.Errorf("%q parses as %+v", text, g)
		}
	})
}
