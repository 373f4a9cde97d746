package writer

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	only   = flag.String("explore", "", "explorations and mistakes whose name contains this")
	update = flag.Bool("update", false, "write MUTANTS.md anew")
)

// explorations of the shipped rules. Each goes through every state of its world: two moves of each wish, two tools.
var explorations = []struct {
	config
	long bool
}{
	{config: config{name: "one fault, nothing is a trap", faults: [3]string{kinds}, live: true}},
	{config: config{name: "one fault, XA", faults: [3]string{kinds}, xa: true}},
	{config: config{name: "one fault, relay log", faults: [3]string{kinds}, relay: true}},
	{config: config{name: "a crash that loses, nothing is a trap", faults: [3]string{"s"}, aborts: 1, lose: "ao", live: true}},
	{config: config{name: "moved by hand, nothing is a trap", faults: [3]string{"ht", "t"}, aborts: 1, live: true}},
	{config: config{name: "one fault and a person's word, nothing is a trap", faults: [3]string{kinds}, aborts: 1, live: true}, long: true},
	{config: config{name: "one fault, two writes each", faults: [3]string{kinds}, maxN: 2}, long: true},
	{config: config{name: "one fault and a move by hand", faults: [3]string{kinds, "h"}}, long: true},
	{config: config{name: "two faults, nothing is a trap", faults: [3]string{kinds, kinds}, live: true}, long: true},
	{config: config{name: "two faults and a person's word", faults: [3]string{kinds, kinds}, aborts: 1}, long: true},
	{config: config{name: "two faults, XA", faults: [3]string{kinds, kinds}, xa: true}, long: true},
}

// mostStates bounds an exploration: 60 million take about 2 GB.
const mostStates = 60_000_000

// TestExplorer: whatever happens, and in whatever order, no invariant breaks. With -long that is every pair of faults.
func TestExplorer(t *testing.T) {
	for _, e := range explorations {
		t.Run(e.name, func(t *testing.T) {
			if e.long && !*long || !strings.Contains(e.name, *only) || testing.Short() && e.long {
				t.SkipNow()
			}
			c := e.config
			c.tools, c.moves, c.maxN = 2, 2, max(c.maxN, 1)
			r := explore(&c, mostStates, !e.long)
			t.Logf("%s; questions to Decide by act: %v", r, r.asked)
			fmt.Fprintf(os.Stderr, "explorer: %s: %s\n", e.name, r)
			if r.broken != "" {
				t.Errorf("%s\n%s", r.broken, strings.Join(r.trace, "\n"))
			}
		})
	}
}

// TestMutants: each rule that is left out is found, by a shortest way, and nothing is found in the same world if it isn't.
func TestMutants(t *testing.T) {
	var rows []string
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			if !strings.Contains(m.name, *only) || testing.Short() && m.big {
				t.SkipNow()
			}
			r := explore(worldOf(m.name, m.rules, m.c), mostStates, true)
			switch {
			case m.want == "" && r.broken != "":
				t.Errorf("found after all: %s\n%s", r.broken, strings.Join(r.trace, "\n"))
			case m.want != "" && !strings.HasPrefix(r.broken, m.want):
				t.Errorf("%s: found %q, want %s…", r, r.broken, m.want)
			}
			t.Logf("%s: %s\n%s", r, r.broken, strings.Join(r.trace, "\n"))
			world := m.c
			if m.rule == durable {
				world.lose = ""
			}
			control := explore(worldOf(m.name, controlOf(m.rules), world), mostStates, true)
			if control.broken != "" {
				t.Errorf("without the mistake: %s\n%s", control.broken, strings.Join(control.trace, "\n"))
			}
			rows = append(rows, row(m.name, m.rule, worldText(m.c), m.why, r, control))
		})
	}
	if *only == "" && !testing.Short() && !t.Failed() {
		golden(t, rows)
	}
}

// controlOf is a world without the mistake: for those that need that another rule is left out too, one that leaves out that alone.
func controlOf(r rules) rules {
	return rules{noServerLock: r.noServerLock && (r.decide != nil || r.superAlone), serversFirst: r.serversFirst && r.forget != nil}
}

func worldText(c config) string {
	names := map[byte]string{kTool: "kill -9", kServer: "server crash", kLink: "link stops", kPart: "tool cut off from a server", kConsul: "tool cut off from Consul",
		kSession: "session destroyed", kReply: "answer lost", kLate: "given up, executed late", kWait: "given up, waits in the server"}
	var all []string
	for _, f := range c.faults {
		switch {
		case f == kinds:
			all = append(all, "one of every kind")
		case f != "":
			var some []string
			for i := range len(f) {
				some = append(some, names[f[i]])
			}
			all = append(all, strings.Join(some, " or "))
		}
	}
	if c.aborts > 0 {
		all = append(all, "a person's word")
	}
	for what, on := range map[string]bool{"XA": c.xa, "a relay log": c.relay, "a crash that loses": c.lose != ""} {
		if on {
			all = append(all, what)
		}
	}
	if len(all) == 0 {
		return "no fault"
	}
	return strings.Join(all, "; ")
}

func row(name, rule, world, why string, r, control result) string {
	found := fmt.Sprintf("%s | %d", r.broken, r.depth)
	if r.broken == "" {
		found = "nothing: " + why + " | –"
	} else if strings.HasPrefix(r.broken, "a trap") {
		found = fmt.Sprintf("a trap: no writer for ever | %d", r.depth-1)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d |", name, rule, world, found, control.states)
}

// golden compares with the table that people read.
func golden(t *testing.T, rows []string) {
	t.Helper()
	const file, begin, end = "MUTANTS.md", "<!-- rows -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	want := "| mistake | rule | faults | found | steps | states without it |\n| --- | --- | --- | --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+want+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
		for _, l := range b {
			if !slices.Contains(a, l) {
				t.Errorf("%s hasn't: %s", file, l)
			}
		}
		t.Errorf("%s isn't what was found: go test -run TestMutants ./cutover/writer -update", file)
	}
}
