package cutover

import (
	"bytes"
	"fmt"
	"testing"
)

// FuzzFold spoils a valid journal: a byte of it, a line left out, doubled or moved. What can't be parsed is refused, what can be
// parsed is folded or refused, nothing panics, and what is taken is a prefix of the true journal.
func FuzzFold(f *testing.F) {
	s := everyKind(f)
	lines := bytes.SplitAfter(s.lines, []byte{'\n'})
	lines = lines[:len(lines)-1]
	for i := range 40 {
		f.Add(i%4, i, i*37, byte(i*7))
	}
	f.Fuzz(func(t *testing.T, how, line, at int, b byte) {
		line, at = sizeOf(line)%len(lines), sizeOf(at)
		spoilt := append([][]byte(nil), lines...)
		switch sizeOf(how) % 4 {
		case 0:
			edited := bytes.Clone(spoilt[line])
			edited[at%(len(edited)-1)] = b
			spoilt[line] = edited
		case 1:
			spoilt = append(spoilt[:line:line], spoilt[line+1:]...)
		case 2:
			spoilt = append(spoilt[:line+1:line+1], spoilt[line:]...)
		case 3:
			other := at % len(spoilt)
			spoilt[line], spoilt[other] = spoilt[other], spoilt[line]
		}
		p, n := NewProgress(), 0
		for _, l := range spoilt {
			r, err := ParseLine(l)
			if err != nil {
				break
			}
			if p.Apply(r) != nil {
				break
			}
			p.Chain(LineHash(l))
			n++
		}
		if n > len(lines) {
			t.Fatalf("%d of %d records taken", n, len(lines))
		}
		for i := range n - 1 { // the last line's content is what no later prev vouches for
			if !bytes.Equal(spoilt[i], lines[i]) {
				t.Errorf("line %d was edited and taken: %s", i+1, spoilt[i])
			}
		}
	})
}

func sizeOf(n int) int {
	if n < 0 {
		return max(-n, 0)
	}
	return n
}

// FuzzApply hands the fold records in any order, stamped right: it takes or refuses them, and what it took folds again.
func FuzzApply(f *testing.F) {
	s := everyKind(f)
	var order []byte
	for i := range s.rs {
		order = append(order, byte(i))
	}
	f.Add(order)
	f.Add([]byte{0, 1, 1, 7, 20, 21, 22, 30, 40, 9, 10, 11})
	f.Fuzz(func(t *testing.T, order []byte) {
		out := newStory(t)
		for _, b := range order {
			r := s.rs[int(b)%len(s.rs)]
			before := out.p.Clone()
			lines, err := out.p.Enter(out.lines, &r, out.wall, 1)
			if err != nil {
				if fmt.Sprintf("%+v", before.Steps) != fmt.Sprintf("%+v", out.p.Steps) || before.Phase != out.p.Phase || before.OpenCount() != out.p.OpenCount() {
					t.Fatalf("a refused record changed Progress: %v", err)
				}
				continue
			}
			out.lines, out.rs = lines, append(out.rs, r)
		}
		if _, err := Fold(out.rs); err != nil {
			t.Fatal(err)
		}
	})
}

// A run of 10,000 records, as a shift of 10,000 instances leaves them: a request of 64 changes, its outcome, and what is seen.
func longStory(b *testing.B) *story {
	b.Helper()
	s := begun(b)
	s.step(0, 0, StepWaiting, StepApplying)
	for i := 0; len(s.rs) < 10000; i++ {
		n := s.p.Requests + 1
		at := []Room{"home", "cloud"}[i%2]
		id := map[Room]ObjectID{"home": gwHome, "cloud": gwCloud}[at]
		s.add(gateway(n, Forward, at, 0, 3+i%50, 4+i%50, i%2 == 1), doneOf(n, id.Object, fmt.Sprint(i)), VerdictMark{Act: Advance})
	}
	return s
}

// BenchmarkFold10000 folds 10,000 records. The sketch: 22 ms.
func BenchmarkFold10000(b *testing.B) {
	s := longStory(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Fold(s.rs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s.lines))/float64(len(s.rs)), "bytes/record")
}

func BenchmarkParse10000(b *testing.B) {
	s := longStory(b)
	lines := bytes.SplitAfter(s.lines, []byte{'\n'})
	for b.Loop() {
		for _, l := range lines[:len(lines)-1] {
			if _, err := ParseLine(l); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Goal: encode, hash and apply a typical record in 5 µs.
func BenchmarkEnter(b *testing.B) {
	s := begun(b)
	var line []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		intent, done := rec(gateway(n, Forward, "home", 0, 3, 10, true)), rec(doneOf(n, gwHome.Object, "v2"))
		for _, r := range []*Record{&intent, &done} {
			var err error
			if line, err = s.p.Enter(line[:0], r, s.wall, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*n), "ns/record")
}

// 10,000 instances in requests of 64: what the fold of a big shift costs.
func BenchmarkFold10000Objects(b *testing.B) {
	s := newStory(b)
	p := storyPlan()
	var all []Change
	for i := range 10000 {
		name := fmt.Sprintf("h%05d", i)
		p.Held = append(p.Held, Held{Seat: Seat{Route: "svc"}, Plane: "svc", Object: name, Value: "100", Room: "home", Live: true, Weights: Share{"home": 100}})
		all = append(all, weight(name, 100, 50))
	}
	s.plan("", p)
	s.add(s.holder(1, 1))
	s.step(0, 0, StepApplying)
	for n := 1; len(all) > 0; n++ {
		cs := all[:min(64, len(all))]
		all = all[len(cs):]
		d := DoneMark{Request: n, Why: "answered"}
		for _, c := range cs {
			d.Objects, d.Versions = append(d.Objects, c.Object), append(d.Versions, "12345")
		}
		s.add(Intent{Request: n, Purpose: Forward, Last: len(all) == 0, Changes: cs}, d)
	}
	sealed, err := s.p.Plan.Seal()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(s.rs)), "records")
	for b.Loop() {
		p := NewProgress()
		p.Expect(sealed)
		for i := range s.rs {
			if err := p.Apply(&s.rs[i]); err != nil {
				b.Fatal(err)
			}
			p.Chain(s.rs[min(i+1, len(s.rs)-1)].Prev)
		}
	}
}
