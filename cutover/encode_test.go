package cutover

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"roomshift/runbooks"
)

// fullPlan has something in every field.
func fullPlan(t testing.TB) *Plan {
	w, _ := springNight(t)
	limit := &runbooks.Limit{Value: 0.01, Unit: runbooks.UnitRatio}
	w.book.Gates = []runbooks.Gate{{Name: "errors", Each: true, Ratio: &runbooks.Ratio{Bad: "b", Of: "o"}, Hold: limit, Abort: limit, OnAbort: "rung", Bake: time.Minute}}
	w.book.Rules = runbooks.Rules{Windows: []runbooks.Window{{Name: "n", Days: []time.Weekday{1}, From: 1, To: 2}}, FinishBy: "05:00",
		Blocked: []runbooks.Blocked{{From: "2027-02-04", To: "2027-02-05", Why: `<&> "why"`}}, MaxShare: map[string]runbooks.Percent{"cloud": 9000, "home": Whole}}
	w.step(runbooks.Step{Name: "c", Kind: runbooks.StepCheck, NotNeeded: true, Within: time.Minute, AnyWindow: true, Approve: &runbooks.Ask{By: "dba"},
		Check: &runbooks.Check{Capacity: "peak", Probe: &runbooks.Probe{Room: "cloud"}}})
	w.step(runbooks.Step{Name: "q", Kind: runbooks.StepAsk, Ask: &runbooks.Ask{Else: "back"}})
	w.step(runbooks.Step{Name: "b", Kind: runbooks.StepBack, Back: "start"})
	w.book.Steps[7].Guard = true
	in := w.input()
	in.Until = ""
	p, problems := NewPlan(in)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p.Continues, p.Until, p.Evacuate = "x", "y", true
	return p
}

func TestEncodeRoundTrip(t *testing.T) {
	p := fullPlan(t)
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, p) {
		t.Errorf("another plan came back:\n%+v\n%+v", got, p)
	}
	again, _ := got.Encode()
	if !bytes.Equal(text, again) || got.Hash() != p.Hash() || len(p.Hash()) != 64 {
		t.Error("the plan read back has another text or hash")
	}
	p.Estimates = &Estimates{Takes: 5}
	if got.Hash() != p.Hash() {
		t.Error("the estimates, which follow the traffic, change the hash")
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	if _, err := DecodePlan(append(indented.Bytes(), '\n')); err != nil {
		t.Errorf("indented for a review: %v", err)
	}
	p.Steps[4].Rungs[0].Bake++
	if got.Hash() == p.Hash() {
		t.Error("another bake has the same hash")
	}
}

func TestDecodePlanRefuses(t *testing.T) {
	text, err := fullPlan(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := string(text)
	for name, bad := range map[string]string{
		"an unknown key":       strings.Replace(s, `"maxMove":`, `"maxmoves":1,"maxMove":`, 1),
		"a key twice":          strings.Replace(s, `"maxMove":3000`, `"maxMove":9000,"maxMove":3000`, 1),
		"another spelling":     strings.Replace(s, `"maxMove":`, `"MaxMove":`, 1),
		"another order":        strings.Replace(s, `"from":"home","to":"cloud"`, `"to":"cloud","from":"home"`, 1),
		"something behind":     s + "{}",
		"another version":      strings.Replace(s, `"version":1`, `"version":2`, 1),
		"half a plan":          s[:len(s)/2],
		"nothing":              "",
		"a seat without route": strings.Replace(s, `"seat":"gw@home"`, `"seat":"@home"`, 1),
	} {
		if bad == s {
			t.Fatalf("%s: the text to spoil isn't there", name)
		}
		if _, err := DecodePlan([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "read the plan: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzDecodePlan(f *testing.F) {
	p, _ := NewPlan(newPlanWorld().shift("s", "gw@home", []float64{12}).input())
	p.Held, p.Gauges = p.Held[:2], p.Gauges[:1] // small: the fuzzer is then a hundred times faster
	text, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := DecodePlan(text)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if q, err := DecodePlan(again); err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("read, written and read again it is another plan: %v", err)
		}
	})
}

func BenchmarkEncodeNight(b *testing.B) {
	p := fullPlan(b)
	text, _ := p.Encode()
	b.SetBytes(int64(len(text)))
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			p.Hash()
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodePlan(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
