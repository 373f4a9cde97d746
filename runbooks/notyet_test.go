package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said is "LINE MESSAGE" of each problem.
func said(ps []Problem) []string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s:%d %s", p.File[strings.LastIndex(p.File, "/")+1:], p.Line, p.Message))
	}
	return out
}

func TestNotYet(t *testing.T) {
	for book, want := range map[string][]string{
		"testdata/examples/spring-festival-out.yaml": {
			`spring-festival-out.yaml:34 step "long connections": drain is not carried out yet`,
			`spring-festival-out.yaml:40 step "freeze DDL": call is not carried out yet`,
		},
		"testdata/examples/spring-festival-back.yaml": {
			`spring-festival-back.yaml:5 the runbook: returns is not carried out yet`,
			`spring-festival-back.yaml:33 step "drained": check: quiet is not carried out yet`,
			`spring-festival-back.yaml:36 step "thaw DDL": call is not carried out yet`,
		},
		"testdata/examples/drill-3-percent.yaml": {
			`drill-3-percent.yaml:20 step "flip the Plan B switches": switch is not carried out yet`,
		},
		"testdata/examples/evacuate-home.yaml": {
			`evacuate-home.yaml:5 the runbook: evacuate is not carried out yet`,
			`evacuate-home.yaml:9 step "less work per user": switch is not carried out yet`,
			`evacuate-home.yaml:23 step "people still in home": drain is not carried out yet`,
		},
		"testdata/examples/small/to-cloud.yaml": nil,
	} {
		l, err := Load(book, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := said(NotYet(l.Book)); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", book, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	rooms, _ := LoadRooms("rooms.yaml", loadFile(t, "testdata/examples/rooms.yaml"))
	book, ps := LoadRunbook("f", []byte("version: 1\nname: a\nmove: {from: home, to: cloud}\nrules:\n  rehearsedWithin: 30d\nsteps: [{back: start}]\n"), rooms)
	if got := said(append(ps, NotYet(book)...)); !slices.Equal(got, []string{"f:5 rules: rehearsedWithin is not carried out yet"}) {
		t.Errorf("got %q", got)
	}
}

func TestNotYetReal(t *testing.T) {
	for book, want := range map[string][]string{
		"drill-3-percent":     nil,
		"spring-festival-out": nil,
		"init/to-cloud.yaml":  nil,
	} {
		l, err := Load(book, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := said(NotYetReal(l.Rooms, l.Book)); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", book, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestNamesElsewhere: a name at a provider without an adapter is refused when its share or TTL is to be set, and left alone when it isn't.
func TestNamesElsewhere(t *testing.T) {
	rooms, ps := LoadRooms("rooms.yaml", []byte("version: 1\nenvironment: lab\nrooms:\n  home: {consul: {addr: \"http://127.0.0.1:1\"}}\n  cloud: {}\nroutes:\n"+
		"  here: {dns: {name: a.example.com, provider: alidns}}\n  there: {dns: {name: b.example.com, provider: powerdns}}\n"))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for step, want := range map[string][]string{
		"{ttl: {here: 60s}}":                 {},
		"{ttl: {there: 60s}}":                {`rooms.yaml:8 route "there": dns at powerdns can't be read or written yet in real rooms`},
		"{shift: {cloud: {there: [5%]}}}":    {`rooms.yaml:8 route "there": dns at powerdns can't be read or written yet in real rooms`},
		"{shift: {cloud: {here: [5%, 9%]}}}": {},
	} {
		book, _ := LoadRunbook("f", []byte("version: 1\nname: a\nmove: {from: home, to: cloud}\nsteps: ["+step+"]\n"), rooms)
		if got := said(NotYetReal(rooms, book)); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
}
