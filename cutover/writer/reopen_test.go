package writer

import "testing"

// TestReopen: of every cell of the table the word that a writer may be opened again does that and nothing else.
func TestReopen(t *testing.T) {
	opened := 0
	for _, c := range cells {
		rec, s, w := c.inputs(t, roomA)
		plain := Decide(rec, s, w, c.f)
		w.Reopen = true
		a := Decide(rec, s, w, c.f)
		closed := rec != nil && rec.Phase == Stable
		switch {
		case a.Do == Open || a.Do == Wait:
			if opened++; !closed || a.Room != roomA || !same(a, plain) || c.b == ReadWrite {
				t.Errorf("%s %s/%s %s: %v of %s", c.rec, c.a, c.b, c.but, a.Do, a.Room)
			}
		case a.Do == Refuse:
			if a.Reason.ToDo == "" || a.Reason.Seen == "" || a.Reason.Row == "" {
				t.Errorf("%s %s/%s %s: refused without a reason: %+v", c.rec, c.a, c.b, c.but, a.Reason)
			}
		case a.Do == Write || a.Do == Fence || a.Do == Kill || a.Do == Prove || a.Do == Hold && a.Ask:
			t.Errorf("%s %s/%s %s: %v", c.rec, c.a, c.b, c.but, a.Do)
		case !same(a, plain):
			t.Errorf("%s %s/%s %s: %+v, want %+v as ever", c.rec, c.a, c.b, c.but, a, plain)
		}
		if closed && c.a == ReadOnly && c.b == ReadOnly && c.but == "" && s.Lock && !s.Away && a.Do != Open {
			t.Errorf("it came up closed: %v", a.Do)
		}
	}
	if opened < 3 {
		t.Errorf("%d cells open or wait: the test sees nothing", opened)
	}
}

func same(a, b Act) bool { return a.Do == b.Do && a.Room == b.Room && a.Reason == b.Reason }
