package cutover

import (
	"fmt"
	"time"
)

// The law of the journal. Progress is all that survives a process, and Apply(record) is the only thing that changes it; Fold is
// Apply in a row. So taking over is: fold, look, go on. Apply refuses what can't be true of one run that obeyed the rules:
//
//	a gap in seq or chain · anything before a whole plan · an older fence after a newer (two holders) · a second open intent on
//	an object, except to undo · a forward intent after `phase back`, or in any phase but its own · leaving `frozen` without a
//	person · a writer whose epoch or number goes back · a checkpoint with something open or unfinished above it · a wave's end
//	whose shares don't sum to 100 · an end that says "done" or "rolled back" with something open · anything after over 0, 1, 3
//	(after 4, 5, 6 only command, run, phase back and what follows)
//
// A refusal leaves Progress as it was. An outcome without its open intent is a late answer: a hint, nothing more. An intent
// without outcome is neither done nor failed: whoever folds looks it up.

// Refusal is a record that Apply didn't take.
type Refusal struct {
	Seq  int64
	Kind Kind
	Why  string // what was refused, what was seen, what was wanted
	Err  error  // a sentinel it also is, nil none
}

// Error says which record was refused and why.
func (r *Refusal) Error() string {
	return fmt.Sprintf("journal record %d (%s) is refused: %s", r.Seq, r.Kind, r.Why)
}

// Unwrap is the sentinel behind the refusal: ErrChainBroken, ErrLeaseLost or nil.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(r *Record, format string, args ...any) error {
	return &Refusal{Seq: r.Seq, Kind: r.Kind, Why: fmt.Sprintf(format, args...)}
}

func refuseAs(err error, r *Record, format string, args ...any) error {
	return &Refusal{Seq: r.Seq, Kind: r.Kind, Why: fmt.Sprintf(format, args...), Err: err}
}

// NewProgress is a run before its first record.
func NewProgress() *Progress {
	return &Progress{
		Prev:     genesis,
		Objects:  map[ObjectID]*Object{},
		Targets:  map[string]*Target{},
		Writers:  map[string]WriterMark{},
		Answered: map[string]string{},
		Mutes:    map[string]CommandMark{},
		Commands: map[string]bool{},
		Moves:    map[string]MoveMark{},
		Dark:     map[string]Darkness{},
		NoWriter: map[string]T{},
		Fenced:   map[string]FencedState{},
		Onlys:    map[string]OnlyProgress{},
		SetAgain: map[Seat][]string{},
	}
}

// Stamp gives r its place: the next number, the hash of the line before, and when. Then AppendLine, Apply and Chain follow, or
// Enter does all of it.
func (p *Progress) Stamp(r *Record, wall time.Time, at T) {
	r.Seq, r.Prev, r.Wall, r.At = p.Seq+1, p.Prev, wall.Format(wallFormat), at
}

// Chain takes the hash of the line of the record that was applied last. Until then nothing more is applied, so that every line
// is hashed exactly once.
func (p *Progress) Chain(hash string) { p.Prev = hash }

// Enter stamps, encodes and applies r, and appends its line to dst. After an error nothing has changed.
func (p *Progress) Enter(dst []byte, r *Record, wall time.Time, at T) ([]byte, error) {
	p.Stamp(r, wall, at)
	from := len(dst)
	out, err := AppendLine(dst, r)
	if err != nil {
		return dst, err
	}
	if err := p.Apply(r); err != nil {
		return dst, err
	}
	p.Chain(LineHash(out[from:]))
	return out, nil
}

// Expect spares Apply the decoding of a plan that this process made itself: a plan record with its hash and its text is taken
// to be that plan. It is no part of what survives.
func (p *Progress) Expect(plan *Sealed) { p.fold.expect = plan }

// Fold is Apply in a row, from the beginning. It checks the chain by writing each record again.
func Fold(rs []Record) (*Progress, error) {
	p := NewProgress()
	var line []byte
	for i := range rs {
		if err := p.Apply(&rs[i]); err != nil {
			return nil, err
		}
		var err error
		if line, err = AppendLine(line[:0], &rs[i]); err != nil {
			return nil, err
		}
		p.Chain(LineHash(line))
	}
	return p, nil
}

// Apply changes p by one record, the next one. An error (a *Refusal, or a payload that isn't the kind's) leaves p unchanged.
func (p *Progress) Apply(r *Record) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := p.chained(r); err != nil {
		return err
	}
	if err := p.admissible(r); err != nil {
		return err
	}
	if err := p.apply(r); err != nil {
		return err
	}
	p.Seq, p.Prev = r.Seq, ""
	return nil
}

func (p *Progress) chained(r *Record) error {
	switch {
	case r.Seq != p.Seq+1:
		return refuseAs(ErrChainBroken, r, "record %d was to follow %d: a line is missing, or stands twice", p.Seq+1, p.Seq)
	case p.Prev == "":
		return refuseAs(ErrChainBroken, r, "the hash of record %d isn't known yet: Chain comes between two Applies", p.Seq)
	case r.Prev != p.Prev:
		return refuseAs(ErrChainBroken, r, "its prev is %.8s…, and the line before it has the hash %.8s…: one of the two was edited", r.Prev, p.Prev)
	}
	return nil
}

// admissible holds what is true of every record: it comes after a whole plan, and not after the end.
func (p *Progress) admissible(r *Record) error {
	if r.Kind != KindPlan {
		if len(p.parts) > 0 {
			return refuse(r, "part %d of %d of the plan was to come: a plan is whole before anything follows", len(p.parts)+1, p.fold.part.Of)
		}
		if p.Plan == nil {
			return refuse(r, "the run has no plan yet: a journal begins with one")
		}
	}
	if p.Phase != PhaseOver {
		return nil
	}
	switch p.Exit {
	case ExitStopped, ExitUnknown, ExitNotVerified:
		if r.Kind == KindCommand || r.Kind == KindRun || (r.Phase != nil && r.Phase.Phase == PhaseBack) {
			return nil
		}
		return refuse(r, "the run is over with exit %d: only a command, a new holder and going back may follow", p.Exit)
	}
	return refuse(r, "the run is over with exit %d: nothing follows; start a new run", p.Exit)
}

func (p *Progress) apply(r *Record) error {
	switch r.Kind {
	case KindPlan:
		return p.applyPlan(r)
	case KindRun:
		return p.applyRun(r)
	case KindStep:
		return p.applyStep(r)
	case KindPhase:
		return p.applyPhase(r)
	case KindCheckpoint:
		return p.applyCheckpoint(r)
	case KindMove, KindWriter, KindAfter:
		return p.applyWriter(r)
	case KindOnly:
		return p.applyOnly(r)
	case KindIntent, KindDone, KindFailed, KindForeign, KindUnknown, KindStray, KindAdopted:
		return p.applyObjects(r)
	}
	return p.applyTalk(r)
}

// foldState is what only Apply reads and changes.
type foldState struct {
	open     []*OpenRequest // by number
	order    []*Object      // sorted; nil: to be sorted again
	seats    map[Seat][]*Object
	waves    map[waveKey]waveSeats
	fences   map[string]RunStart // by place: the newest holder that had its lock
	rung     *rungStart          // of the rung begun last
	freed    bool                // a person has spoken since the last phase began
	landed   bool                // something was written
	foreign  bool                // somebody else's value was found
	part     PlanPart            // the first part of a plan that isn't whole
	seenWall time.Time           // of the newest of Seens

	expect *Sealed
}

// rungStart is what objects were wanted to hold before a rung changed them: what back to "rung" goes to.
type rungStart struct {
	step, rung int
	seq        int64
	want       map[ObjectID]string
}
