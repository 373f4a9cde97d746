package sim

import (
	"context"
	"fmt"

	"roomshift/cutover"
)

// journal is the run's journal under the simulated disk: it takes time, and may stall, be full, or lose an answer.
type journal struct {
	s    *Sim
	to   cutover.Journal
	last int64 // the highest sequence number that is durable
}

// records is a journal in memory.
type records struct{ rs []cutover.Record }

func (m *records) Append(_ context.Context, rs []cutover.Record) error {
	m.rs = append(m.rs, rs...)
	return nil
}

func (m *records) Read(context.Context) ([]cutover.Record, string, error) {
	return m.rs[:len(m.rs):len(m.rs)], "", nil
}

func newJournal(s *Sim, to cutover.Journal) *journal {
	if to == nil {
		to = &records{make([]cutover.Record, 0, 64)}
	}
	return &journal{s: s, to: to}
}

// runnerJournal is the journal as one process reaches it.
type runnerJournal struct {
	*journal
	r *Runner
}

const appendTakes = 2 * cutover.Millisecond

// Append makes the records durable, unless a fault says otherwise.
func (j *runnerJournal) Append(ctx context.Context, rs []cutover.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := j.s
	f := s.journalFault(rs)
	j.r.takes(appendTakes + f.d)
	if s.strikeAtRecord(j.r, rs, true) {
		return fmt.Errorf("append: %w", context.Canceled)
	}
	switch {
	case f.how == "full" && hasForward(rs):
		return fmt.Errorf("append %d records: %w", len(rs), cutover.ErrNoSpace)
	case f.how == "fails":
		return fmt.Errorf("append %d records: %w", len(rs), cutover.ErrOutcomeUnknown)
	}
	if err := j.to.Append(ctx, rs); err != nil {
		return err
	}
	if len(rs) > 0 {
		j.last = rs[len(rs)-1].Seq
	}
	s.strikeAtRecord(j.r, rs, false)
	if f.how == "unanswered" {
		return fmt.Errorf("append %d records: %w", len(rs), cutover.ErrOutcomeUnknown)
	}
	return nil
}

func hasForward(rs []cutover.Record) bool {
	for i := range rs {
		if in := rs[i].Intent; in != nil && in.Purpose == cutover.Forward {
			return true
		}
	}
	return false
}

// Read is the whole journal.
func (j *runnerJournal) Read(ctx context.Context) ([]cutover.Record, string, error) {
	j.r.takes(appendTakes)
	return j.to.Read(ctx)
}

var _ cutover.Journal = (*runnerJournal)(nil)
