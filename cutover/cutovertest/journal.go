package cutovertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// JournalUnderTest is a journal with what a test needs to break it. Journals of one JournalUnderTest are handles on one store.
type JournalUnderTest struct {
	Run string
	// Open is the journal as the next process finds it, the one before it being gone: its lock is free.
	Open func(t testing.TB) cutover.Journal
	// End is what the death of the process that had j does.
	End func(t testing.TB, j cutover.Journal)
	// Bytes is what is stored; SetBytes stores something else while nobody has the journal open.
	Bytes    func(t testing.TB) []byte
	SetBytes func(t testing.TB, data []byte)
	// Usurp appends a group as another process would that believes to hold the journal, although j does.
	Usurp func(t testing.TB, rs []cutover.Record)
	// Locked tells that a second opener is refused while a handle is open, with cutover.ErrHeld.
	Locked func(t testing.TB) error // nil: the journal has no lock of its own
}

// JournalSuite holds an implementation to the contract of cutover.Journal. Each test gets a new, empty journal.
func JournalSuite(t *testing.T, fresh func(t *testing.T) JournalUnderTest) {
	for _, c := range []struct {
		name string
		test func(*testing.T, JournalUnderTest)
	}{
		{"an empty journal", emptyJournal},
		{"records come back", recordsComeBack},
		{"a group of nothing", groupOfNothing},
		{"killed at each byte", killedAtEachByte},
		{"another run's records", anotherRun},
		{"records that don't follow", notFollowing},
		{"an edited line", editedLine},
		{"a line left out", lineLeftOut},
		{"zeros that a power cut left", powerCut},
		{"an ended ctx", endedContext},
		{"the lock", theLock},
		{"an old holder", oldHolder},
		{"appends side by side", sideBySide},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, fresh(t)) })
	}
}

// JournalRecords are n records that follow on rs, chained: the first of a run begins a plan.
func JournalRecords(t testing.TB, run string, rs []cutover.Record, n int) []cutover.Record {
	t.Helper()
	prev, seq := cutover.Genesis(), int64(0)
	if len(rs) > 0 {
		last := &rs[len(rs)-1]
		line, err := cutover.AppendLine(nil, last)
		if err != nil {
			t.Fatal(err)
		}
		prev, seq = cutover.LineHash(line), last.Seq
	}
	out := make([]cutover.Record, 0, n)
	for range n {
		seq++
		r := cutover.Record{Seq: seq, Wall: "2026-02-14T01:30:00.000Z", At: cutover.T(seq) * cutover.Second, Prev: prev}
		if seq == 1 {
			r.Kind, r.Plan = cutover.KindPlan, &cutover.PlanPart{Run: run, Hash: "beef", Part: 1, Of: 1, Version: "v1", Text: "{\"a\": \"机房\"}\n"}
		} else {
			r.Kind, r.Command = cutover.KindCommand, &cutover.CommandMark{ID: fmt.Sprint(seq), Verb: "pause", Who: "杨 \"y\"", Args: map[string]string{"for": "10m"}}
		}
		line, err := cutover.AppendLine(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		prev = cutover.LineHash(line)
		out = append(out, r)
	}
	return out
}

// ForwardRecord is a record with a forward intent that follows on rs.
func ForwardRecord(t testing.TB, rs []cutover.Record) cutover.Record {
	t.Helper()
	r := JournalRecords(t, "", rs, 1)[0]
	r.Kind, r.Command, r.Plan = cutover.KindIntent, nil, nil
	r.Intent = &cutover.Intent{Request: int(r.Seq), Purpose: cutover.Forward, Changes: []cutover.Change{{Seat: cutover.Seat{Route: "gw"}, Plane: "p", Object: "o", After: "1"}}}
	return r
}

func mustAppend(t *testing.T, j cutover.Journal, rs []cutover.Record) {
	t.Helper()
	if err := j.Append(t.Context(), rs); err != nil {
		t.Fatalf("append %d records: %v", len(rs), err)
	}
}

// mustRead reads and holds what is read against what is wanted, line by line.
func mustRead(t *testing.T, j cutover.Journal, want []cutover.Record) (torn string) {
	t.Helper()
	got, torn, err := j.Read(t.Context())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if a, b := allLines(t, got), allLines(t, want); !slices.Equal(a, b) {
		t.Fatalf("read %d records; want %d\n got %s\nwant %s", len(a), len(b), strings.Join(a, ""), strings.Join(b, ""))
	}
	return torn
}

func allLines(t *testing.T, rs []cutover.Record) []string {
	t.Helper()
	var out []string
	for i := range rs {
		line, err := cutover.AppendLine(nil, &rs[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(line))
	}
	return out
}

func emptyJournal(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	if torn := mustRead(t, j, nil); torn != "" {
		t.Errorf("an empty journal is torn: %s", torn)
	}
}

func recordsComeBack(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	var all []cutover.Record
	for _, n := range []int{1, 3, 1, 1, 7} {
		rs := JournalRecords(t, u.Run, all, n)
		mustAppend(t, j, rs)
		all = append(all, rs...)
		mustRead(t, j, all)
	}
	u.End(t, j)
	j = u.Open(t)
	if torn := mustRead(t, j, all); torn != "" {
		t.Errorf("nothing was torn, and it says %s", torn)
	}
	more := JournalRecords(t, u.Run, all, 2)
	mustAppend(t, j, more)
	mustRead(t, j, append(all, more...))
}

func groupOfNothing(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	mustAppend(t, j, nil)
	mustRead(t, j, nil)
	if b := u.Bytes(t); len(b) > 0 {
		t.Errorf("nothing became %q", b)
	}
}

// killedAtEachByte: whatever part of a group was written when the process died, the group is there whole or not at all, the
// groups before it are, and the next process goes on behind them.
func killedAtEachByte(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	var groups [][]cutover.Record
	var all []cutover.Record
	var ends []int
	for _, n := range []int{2, 1, 3} {
		rs := JournalRecords(t, u.Run, all, n)
		mustAppend(t, j, rs)
		all, groups = append(all, rs...), append(groups, rs)
		ends = append(ends, len(u.Bytes(t)))
	}
	u.End(t, j)
	whole := u.Bytes(t)
	for n := range len(whole) + 1 {
		u.SetBytes(t, bytes.Clone(whole[:n]))
		var want []cutover.Record
		atEnd := n == 0
		for i, end := range ends {
			if n >= end {
				want = append(want, groups[i]...)
			}
			atEnd = atEnd || n == end
		}
		j := u.Open(t)
		if torn := mustRead(t, j, want); (torn == "") != atEnd {
			t.Fatalf("killed at byte %d of %d: torn %q", n, len(whole), torn)
		}
		more := JournalRecords(t, u.Run, want, 2)
		mustAppend(t, j, more)
		mustRead(t, j, append(slices.Clip(want), more...))
		u.End(t, j)
	}
}

func anotherRun(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	if err := j.Append(t.Context(), JournalRecords(t, "another", nil, 1)); err == nil || !strings.Contains(err.Error(), `"another"`) {
		t.Errorf("appended another run's plan: %v", err)
	}
	mustRead(t, j, nil)
}

func notFollowing(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	rs := JournalRecords(t, u.Run, nil, 4)
	mustAppend(t, j, rs[:2])
	edited := rs[2]
	edited.Prev = cutover.Genesis()
	for name, group := range map[string][]cutover.Record{"a gap": rs[3:], "again": rs[1:2], "another chain": {edited}, "a gap in the group": {rs[2], rs[2]}} {
		if err := j.Append(t.Context(), group); err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, j, rs[2:])
	mustRead(t, j, rs)
}

// spoilt stores a journal of six groups, one of them of two records, as spoil leaves it.
func spoilt(t *testing.T, u JournalUnderTest, spoil func(lines []string) []string) (groups []cutover.Record, err error) {
	t.Helper()
	j := u.Open(t)
	rs := JournalRecords(t, u.Run, nil, 7)
	for _, g := range [][]cutover.Record{rs[:1], rs[1:3], rs[3:4], rs[4:5], rs[5:6], rs[6:]} {
		mustAppend(t, j, g)
	}
	u.End(t, j)
	lines := strings.SplitAfter(string(u.Bytes(t)), "\n")
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	u.SetBytes(t, []byte(strings.Join(spoil(lines[:len(lines)-1]), "")))
	return rs, nil
}

// mustBreak holds that a journal that was changed isn't read, and that the error names the line.
func mustBreak(t *testing.T, u JournalUnderTest, line string, spoil func(lines []string) []string) {
	t.Helper()
	_, err := spoilt(t, u, spoil)
	if err == nil {
		err = openError(t, u)
	}
	if err == nil || !strings.Contains(err.Error(), cutover.ErrChainBroken.Error()) || !strings.Contains(err.Error(), line) {
		t.Errorf("a changed journal: %v; want %q and %s", err, cutover.ErrChainBroken, line)
	}
}

// openError is what the next process hears when it opens and reads.
func openError(t *testing.T, u JournalUnderTest) (err error) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	_, _, err = u.Open(panicking{t}).Read(t.Context())
	return err
}

// panicking lets a helper's Fatal be heard as an error.
type panicking struct{ testing.TB }

func (p panicking) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (p panicking) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func editedLine(t *testing.T, u JournalUnderTest) {
	mustBreak(t, u, "line 4", func(lines []string) []string {
		lines[2] = strings.Replace(lines[2], `"10m"`, `"99m"`, 1)
		return lines
	})
}

func lineLeftOut(t *testing.T, u JournalUnderTest) {
	mustBreak(t, u, "line 4", func(lines []string) []string { return slices.Delete(lines, 3, 4) })
}

// powerCut: zeros in the last group are blocks that were never written; zeros before it are damage.
func powerCut(t *testing.T, u JournalUnderTest) {
	rs, err := spoilt(t, u, func(lines []string) []string {
		lines[6] = strings.Repeat("\x00", len(lines[6])-10) + lines[6][len(lines[6])-10:]
		return lines
	})
	if err != nil {
		t.Fatal(err)
	}
	j := u.Open(t)
	if torn := mustRead(t, j, rs[:6]); torn == "" {
		t.Error("it doesn't say what it cut off")
	}
	u.End(t, j)
	u.SetBytes(t, nil)
	mustBreak(t, u, "line 4", func(lines []string) []string {
		lines[3] = strings.Repeat("\x00", len(lines[3])-1) + "\n"
		return lines
	})
}

func endedContext(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	if err := j.Append(ctx, JournalRecords(t, u.Run, nil, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("append after the end: %v", err)
	}
	if _, _, err := j.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the end: %v", err)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %s", took)
	}
	mustRead(t, j, nil)
}

func theLock(t *testing.T, u JournalUnderTest) {
	if u.Locked == nil {
		return // the journal has no lock of its own
	}
	j := u.Open(t)
	if err := u.Locked(t); !errors.Is(err, cutover.ErrHeld) {
		t.Errorf("opened while it is held: %v", err)
	}
	u.End(t, j)
	u.End(t, u.Open(t))
}

func oldHolder(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	rs := JournalRecords(t, u.Run, nil, 4)
	mustAppend(t, j, rs[:1])
	u.Usurp(t, rs[1:3])
	err := j.Append(t.Context(), JournalRecords(t, u.Run, rs[:1], 1))
	if !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("the old holder appended after another had: %v", err)
	}
	u.End(t, j)
	mustRead(t, u.Open(t), rs[:3])
}

// sideBySide: of groups that all follow on the same record, one is taken.
func sideBySide(t *testing.T, u JournalUnderTest) {
	j := u.Open(t)
	first := JournalRecords(t, u.Run, nil, 1)
	mustAppend(t, j, first)
	group := JournalRecords(t, u.Run, first, 2)
	errs := make(chan error)
	for range 8 {
		go func() { errs <- j.Append(t.Context(), group) }()
	}
	taken := 0
	for range 8 {
		if err := <-errs; err == nil {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("%d of 8 were taken", taken)
	}
	mustRead(t, j, append(first, group...))
}
