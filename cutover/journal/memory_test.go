package journal

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

func TestMemoryFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		is    error
		kept  bool
	}{
		"fail":  {Fail, nil, false},
		"lose":  {Lose, cutover.ErrOutcomeUnknown, false},
		"keep":  {Keep, cutover.ErrOutcomeUnknown, true},
		"hang":  {Hang, cutover.ErrOutcomeUnknown, false},
		"full":  {Full, cutover.ErrNoSpace, false},
		"empty": {Empty, cutover.ErrNoSpace, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMemory(runName)
				m.At(2, c.fault)
				rs := cutovertest.JournalRecords(t, runName, nil, 1)
				if err := m.Append(t.Context(), rs); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := m.Append(ctx, []cutover.Record{cutovertest.ForwardRecord(t, rs)})
				if err == nil || (c.is != nil && !errors.Is(err, c.is)) {
					t.Errorf("%v; want %v", err, c.is)
				}
				if n := count(t, m); (n == 2) != c.kept {
					t.Errorf("%d records are there", n)
				}
				if m.Appends() != 2 {
					t.Errorf("%d appends", m.Appends())
				}
			})
		})
	}
}

func TestMemoryFullTakesWhatDoesNotGoForward(t *testing.T) {
	m := NewMemory(runName)
	m.At(1, Full)
	m.At(3, Empty)
	m.At(4, Room)
	rs := cutovertest.JournalRecords(t, runName, nil, 3)
	for i, want := range []error{nil, cutover.ErrNoSpace, cutover.ErrNoSpace, nil} {
		group := rs[:1]
		if i == 1 {
			group = []cutover.Record{cutovertest.ForwardRecord(t, rs[:1])}
		}
		if err := m.Append(t.Context(), group); !errors.Is(err, want) || (err != nil) != (want != nil) {
			t.Errorf("append %d: %v; want %v", i+1, err, want)
		}
	}
}

// What isn't strict becomes the same lines, later.
func TestMemoryLinesAreTheFiles(t *testing.T) {
	j, rs := made(t, -1, 3)
	m := NewMemory(runName)
	group := cutovertest.JournalRecords(t, runName, rs, 3)
	for _, to := range []cutover.Journal{j, m} {
		if to == cutover.Journal(m) {
			for i := range rs {
				if err := to.Append(t.Context(), rs[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := to.Append(t.Context(), group); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := m.Lines()
	if err != nil || !bytes.Equal(lines, readFile(t, j.Path())) {
		t.Errorf("%v\n%s\n%s", err, lines, readFile(t, j.Path()))
	}
	if n := count(t, m.TakeOver()); n != 6 {
		t.Errorf("the next process reads %d", n)
	}
	if err := m.Append(t.Context(), group); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("the old handle: %v", err)
	}
}
