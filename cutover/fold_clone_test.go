package cutover

import (
	"reflect"
	"testing"
)

func TestCloneSharesNothing(t *testing.T) {
	s := everyKind(t)
	for n := range s.rs {
		p, err := Fold(s.rs[:n])
		if err != nil {
			t.Fatal(err)
		}
		c := p.Clone()
		for k := n; k < len(s.rs); k++ {
			if err := c.Apply(&s.rs[k]); err != nil {
				t.Fatalf("record %d on a clone: %v", k+1, err)
			}
			line, err := AppendLine(nil, &s.rs[k])
			if err != nil {
				t.Fatal(err)
			}
			c.Chain(LineHash(line))
		}
		again, err := Fold(s.rs[:n])
		if err != nil {
			t.Fatal(err)
		}
		p.SortedObjects()
		again.SortedObjects()
		if !reflect.DeepEqual(again, p) {
			t.Errorf("records from %d (%s) on, on a clone, changed the original", n+1, s.rs[n].Kind)
		}
	}
}
