package cutover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/runbooks"
)

// libraryWorld is the inventory of a shipped runbook with everything in the room that the runbook leaves.
func libraryWorld(t *testing.T, name string) *planWorld {
	t.Helper()
	l, err := runbooks.Load(name, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Problems {
		t.Errorf("%s", p.Error())
	}
	w := &planWorld{rooms: l.Rooms, book: l.Book}
	w.keys, w.inst = &planMedium{scale: 100, of: "cloud", other: "home"}, &planMedium{}
	w.names, w.ttls = &planMedium{}, &planMedium{}
	out := 0
	if l.Book.From == "cloud" {
		out = 60
	}
	var keys, inst, lines []Seat
	for _, r := range l.Rooms.Routes {
		for _, at := range r.Seats {
			switch {
			case r.Medium != runbooks.MediumKey:
				inst = append(inst, Seat{r.Name, at})
				w.inst.held = append(w.inst.held, instances("svc", r.Name, at, "cloud", 5, out*120)...)
				w.inst.held = append(w.inst.held, instances("svc", r.Name, at, "home", 5, (100-out)*120)...)
			case at == "cloud":
				keys = append(keys, Seat{r.Name, at})
				w.keys.held = append(w.keys.held, number("kv", r.Name, at, 100))
			default:
				keys = append(keys, Seat{r.Name, at})
				w.keys.held = append(w.keys.held, number("kv", r.Name, at, 0))
			}
		}
		if r.Medium == runbooks.MediumDNS {
			for _, line := range testLines {
				lines = append(lines, Seat{r.Name, line})
				w.names.held = append(w.names.held, instances("dns", r.Name, line, "cloud", 1, out*600)...)
				w.names.held = append(w.names.held, instances("dns", r.Name, line, "home", 1, (100-out)*600)...)
				w.ttls.held = append(w.ttls.held, Held{Seat: Seat{r.Name, line}, Plane: "dns-ttl", Object: r.Name + "/" + line, Value: "600", Live: true})
			}
		}
	}
	w.planes = []Plane{{Name: "kv", Aspect: Split, Medium: w.keys, Seats: keys}, {Name: "svc", Aspect: Split, Medium: w.inst, Seats: inst},
		{Name: "dns", Aspect: Split, Medium: w.names, Seats: lines, Shows: 60 * Second}, {Name: "dns-ttl", Aspect: TTL, Medium: w.ttls, Seats: lines}}
	w.read()
	w.snap.Wall = time.Date(2027, 1, 27, 2, 0, 0, 0, l.Rooms.Timezone)
	w.snap.Writers = map[string]Seen{}
	for _, p := range l.Rooms.Pairs {
		w.snap.Writers[p.Name] = Seen{ReadOnly: map[Room]bool{"home": false, "cloud": true}}
	}
	w.snap.Rates = map[Seat]float64{}
	for _, s := range lines {
		w.snap.Rates[s] = 1500
	}
	return w
}

func TestPlanOfEveryShippedRunbook(t *testing.T) {
	for _, name := range runbooks.Library() {
		t.Run(name, func(t *testing.T) {
			w := libraryWorld(t, name)
			p := w.mustPlan(t)
			if len(p.Steps) != len(w.book.Steps) {
				t.Errorf("%d steps planned of %d", len(p.Steps), len(w.book.Steps))
			}
			e := p.Estimate(w.snap)
			for _, n := range e.Notes {
				if n.Bad {
					t.Errorf("%+v", n)
				}
			}
			for _, r := range e.Rungs {
				t.Logf("%-20s %d  %s in cloud, crossing %s, ready %v bake %v", p.Steps[r.Step].Name, r.Rung+1, percent(r.Share["cloud"]), percent(r.Crossing), r.Ready.Duration(), r.Bake.Duration())
			}
			text, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := DecodePlan(text)
			if err != nil || again.Hash() != p.Hash() {
				t.Errorf("its text can't be read back: %v", err)
			}
		})
	}
}

// The plan of the spring festival, night by night: what is in the cloud after each rung, and what crosses.
func TestPlanOfTheSpringFestival(t *testing.T) {
	w := libraryWorld(t, "spring-festival-out")
	p := w.mustPlan(t)
	var got []string
	for _, r := range p.Estimate(w.snap).Rungs {
		got = append(got, fmt.Sprintf("%d/%d", r.Share["cloud"], r.Crossing))
	}
	want := "100/100 500/500 1000/1000 2000/2000 3000/3000 2980/1980 3000/0"
	if !strings.HasPrefix(strings.Join(got, " "), want) {
		t.Errorf("rungs %v, want them to begin %s", got, want)
	}
	if last := got[len(got)-1]; last != "6000/0" {
		t.Errorf("it ends at %s, want 60 %% in the cloud and nothing crossing", last)
	}
}
