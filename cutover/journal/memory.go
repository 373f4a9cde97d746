package journal

import (
	"context"
	"fmt"
	"sync"

	"roomshift/cutover"
)

// Fault is what goes wrong with one append of a Memory.
type Fault int

// The faults of an append.
const (
	None  Fault = iota
	Fail        // nothing is kept, and the append says so
	Lose        // nothing is kept, and nobody knows: cutover.ErrOutcomeUnknown
	Keep        // all is kept, and nobody knows: cutover.ErrOutcomeUnknown
	Hang        // nothing happens until ctx ends; then as Lose
	Full        // the disk is full from here on: forward groups get cutover.ErrNoSpace, others the reserve
	Empty       // the reserve is used up, too: every group gets cutover.ErrNoSpace
	Room        // there is room again
)

// Memory is a journal in memory, for simulated rooms and tests. A process's handle is a *Memory; TakeOver is the next
// process's. It may be used by several goroutines.
type Memory struct {
	store  *store
	holder int
}

type store struct {
	mu      sync.Mutex
	run     string
	faults  map[int]Fault // by append, from 1
	appends int
	disk    Fault // None, Full or Empty
	holder  int
	records []cutover.Record
	groups  []int // how many records there were after each group
	bytes   []byte
	encoded int // how many records stand in bytes
	prev    string
	strict  bool
	torn    string
}

var _ cutover.Journal = (*Memory)(nil)

// NewMemory is the empty journal of a run.
func NewMemory(run string) *Memory {
	return &Memory{store: &store{run: run, faults: map[int]Fault{}, prev: cutover.Genesis()}}
}

// Strict makes every append check that the group follows, and Read parse the lines that were written, as a file does. Without
// it records are kept as they are and become lines when somebody asks for them.
func (m *Memory) Strict() *Memory {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	m.store.strict = true
	return m
}

// At sets what goes wrong with the nth append from now on, counted from 1 over all holders.
func (m *Memory) At(n int, f Fault) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	m.store.faults[n] = f
}

// Appends is how many appends were begun, over all holders.
func (m *Memory) Appends() int {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	return m.store.appends
}

// TakeOver is the journal as the next process finds it: m and every handle before it can't append any more.
func (m *Memory) TakeOver() *Memory {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	m.store.holder++
	return &Memory{store: m.store, holder: m.store.holder}
}

// Append keeps a group, or does what At says.
func (m *Memory) Append(ctx context.Context, rs []cutover.Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.holder != s.holder {
		return fmt.Errorf("append to the journal: %w: another process took the run over", cutover.ErrLeaseLost)
	}
	s.appends++
	fault := s.faults[s.appends]
	switch fault {
	case Fail:
		return fmt.Errorf("append to the journal: append %d was told to fail", s.appends)
	case Lose:
		return fmt.Errorf("append to the journal: %w: append %d was told to be lost", cutover.ErrOutcomeUnknown, s.appends)
	case Hang:
		n := s.appends
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return fmt.Errorf("append to the journal: %w: append %d was told to hang", cutover.ErrOutcomeUnknown, n)
	case Full, Empty:
		s.disk = fault
	case Room:
		s.disk = None
	}
	if s.disk == Empty || (s.disk == Full && goesForward(rs)) {
		return fmt.Errorf("append to the journal: %w: the disk was told to be full", cutover.ErrNoSpace)
	}
	if err := s.keep(rs); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	if fault == Keep {
		return fmt.Errorf("append to the journal: %w: append %d was told to lose its answer", cutover.ErrOutcomeUnknown, s.appends)
	}
	return nil
}

func (s *store) keep(rs []cutover.Record) error {
	if len(rs) == 0 {
		return nil
	}
	if s.strict {
		if err := s.encode(); err != nil {
			return err
		}
		out, prev, err := encode(s.bytes, rs, int64(len(s.records)), s.prev, s.run)
		if err != nil {
			return err
		}
		s.bytes, s.prev, s.encoded = out, prev, len(s.records)+len(rs)
	}
	s.records = append(s.records, rs...)
	s.groups = append(s.groups, len(s.records))
	return nil
}

// encode writes the groups that aren't lines yet.
func (s *store) encode() error {
	for _, end := range s.groups {
		if end <= s.encoded {
			continue
		}
		out, prev, err := encode(s.bytes, s.records[s.encoded:end], int64(s.encoded), s.prev, s.run)
		if err != nil {
			return err
		}
		s.bytes, s.prev, s.encoded = out, prev, end
	}
	return nil
}

// Read returns every record. In Strict it parses the lines; otherwise the records share what was appended.
func (m *Memory) Read(ctx context.Context) ([]cutover.Record, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", fmt.Errorf("read the journal: %w", err)
	}
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.strict {
		return append([]cutover.Record(nil), s.records...), s.torn, nil
	}
	if err := s.encode(); err != nil {
		return nil, "", fmt.Errorf("read the journal: %w", err)
	}
	c, err := parse(s.bytes, s.run)
	if err != nil {
		return nil, "", fmt.Errorf("read the journal: %w", err)
	}
	return c.records, s.torn, nil
}

// Lines is the journal's bytes, as a file would have them.
func (m *Memory) Lines() ([]byte, error) {
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.encode()
	return append([]byte(nil), s.bytes...), err
}

// SetLines gives the journal other bytes, as a kill in the middle of a write would leave them: a torn tail is cut off and told.
func (m *Memory) SetLines(data []byte) error {
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := parse(data, s.run)
	if err != nil {
		return err
	}
	s.records, s.groups, s.torn, s.prev = c.records, []int{len(c.records)}, c.torn, c.prev
	s.bytes, s.encoded = append([]byte(nil), data[:c.good]...), len(c.records)
	return nil
}
