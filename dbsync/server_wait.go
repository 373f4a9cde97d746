package dbsync

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
)

// MovingError: a server that is fenced isn't at rest. XA are branches that are prepared and may be committed; To is beyond From where
// something was written behind the fence; By are connections that Kill would end: each may hold a branch that it can still prepare.
type MovingError struct {
	Room  cutover.Room
	XA    []string
	From  Position
	To    Position
	By    []Client
	Fence string // "" it is fenced, else what its variables say
}

func (e *MovingError) Error() string {
	text := "master in " + e.Room + " isn't at rest"
	if e.Fence != "" {
		text += ": " + e.Fence
	}
	if len(e.XA) > 0 {
		text += ": prepared and neither committed nor rolled back: XA " + strings.Join(e.XA, ", XA ")
	}
	if e.From != e.To {
		text += fmt.Sprintf(": something is written behind the fence: %s after %s", e.To, e.From)
	}
	for i, c := range e.By {
		if i == mostBlockers {
			break
		}
		text += "; connected: " + c.String()
	}
	return text
}

// Settle reads the position at which a server that is fenced came to rest, after Kill: both variables, no XA branch, and the same position
// again a round trip later. MovingError says why it isn't.
func (s *Server) Settle(ctx context.Context) (Position, error) {
	first, err := s.Look(ctx, Against{})
	if err != nil {
		return "", err
	}
	if err := s.atRest(first, first.Position); err != nil {
		return "", err
	}
	return first.Position, s.Still(ctx, first.Position)
}

// Still is nil while a server is as Settle found it: fenced, without an XA branch, and at this position.
func (s *Server) Still(ctx context.Context, p Position) error {
	st, err := s.Look(ctx, Against{})
	if err != nil {
		return err
	}
	return s.atRest(st, p)
}

func (s *Server) atRest(st State, p Position) error {
	if st.Fenced() && len(st.XA) == 0 && len(st.Clients) == 0 && st.Position == p {
		return nil
	}
	e := &MovingError{Room: s.room, XA: st.XA, From: p, To: st.Position}
	if !st.Fenced() {
		e.Fence = fmt.Sprintf("read_only is %s and super_read_only %v", st.Level, st.Super)
	}
	e.By = st.Clients
	oldestFirst(e.By)
	return e
}

// BehindError: a server hadn't applied a position in time.
type BehindError struct {
	Room    cutover.Room
	Missing string
	Threads string // of its replication, "" both run
}

func (e *BehindError) Error() string {
	text := "master in " + e.Room + ": not applied yet: " + e.Missing
	if e.Threads != "" {
		text += "; its replication: " + e.Threads
	}
	return text
}

// ErrantError: a server has what the other one hasn't, and nobody allowed it.
type ErrantError struct {
	Room  cutover.Room
	Extra string
}

func (e *ErrantError) Error() string {
	return "master in " + e.Room + " has what the other one hasn't: " + e.Extra
}

// Wait waits until a server has applied all of a position of the other one's, which may stand still or not; ctx bounds it (BehindError).
// It asks on a connection beside the session and is told by the server itself, at once.
func (s *Server) Wait(ctx context.Context, p Position) error {
	if s.tool != nil {
		return s.waitSynced(ctx, p)
	}
	_, err := s.reach(ctx, Against{Other: p})
	return err
}

// Complete is Wait for the position at which the other server came to rest; what this one has beside that and what is allowed is an
// ErrantError.
func (s *Server) Complete(ctx context.Context, a Against) error {
	extra, err := s.reach(ctx, a)
	if err == nil && extra != "" {
		err = &ErrantError{Room: s.room, Extra: extra}
	}
	return err
}

// waitPause keeps a wait that the server ends at once, though something lacks, from being asked too often.
const waitPause = 10 * time.Millisecond

// reach waits, and says what the server has beside the position.
func (s *Server) reach(ctx context.Context, a Against) (extra string, err error) {
	ident, err := s.identified()
	if err != nil {
		return "", err
	}
	var missing string
	var have Position
	if seen := s.applied.Load(); seen != nil {
		have = Position(*seen)
	}
	for {
		slice := longestSlice
		if end, ok := ctx.Deadline(); ok {
			slice = min(slice, max(time.Until(end), waitPause))
		}
		began := time.Now()
		query, args := ident.d.verbs.wait(a, have, ident.id, ident.seconds(slice))
		tables, err := s.aside(ctx, slice+s.o.Margin, query, args...)
		if err == nil {
			var st State
			if err = st.variables(ident.d, firstRow(tables, len(tables)-1), a); err == nil && st.Missing == "" {
				s.saw(st.Position)
				return st.Extra, nil
			}
			missing, have = st.Missing, st.Position
		}
		switch {
		case ctx.Err() != nil && missing != "":
			return "", s.behind(ctx, ident, missing)
		case err != nil:
			return "", s.fail(err)
		}
		if took := time.Since(began); took < waitPause {
			select {
			case <-ctx.Done():
			case <-time.After(waitPause - took):
			}
		}
	}
}

// seconds is a slice as the server's waits take it: older ones know whole seconds only.
func (i *identity) seconds(slice time.Duration) float64 {
	if i.version.mariadb || i.version.since(8, 0, 26) {
		return slice.Seconds()
	}
	return 1
}

// behind is a wait that ended too early, with how replication stands.
func (s *Server) behind(ctx context.Context, ident *identity, missing string) error {
	e := &BehindError{Room: s.room, Missing: missing}
	tables, err := s.aside(context.WithoutCancel(ctx), s.o.Margin, ident.d.status)
	if err != nil {
		return e
	}
	c, err := onlySource(s.room, ident.d.channels(tables))
	if err != nil {
		e.Threads = err.Error()
		return e
	}
	e.Threads = c.running()
	return e
}

// markRow writes a move's row, on a master that isn't fenced at that moment only; an older epoch changes nothing.
const markRow = "INSERT INTO roomshift.heartbeat (pair, room, epoch, seq) SELECT ?, ?, ?, 1 FROM DUAL WHERE " +
	readOnlyText + " IN ('0', 'OFF') ON DUPLICATE KEY UPDATE seq = seq + 1, epoch = GREATEST(epoch, VALUES(epoch))"

// Mark writes the row that says where the write role is since an epoch, on the server that has it now, and returns a position that has
// it: what the other server is waited for, to show that the way back runs.
func (s *Server) Mark(ctx context.Context, m Marker) (Position, error) {
	ident, err := s.identified()
	if err != nil {
		return "", err
	}
	at, args := ident.d.verbs.at(Against{})
	tables, err := s.aside(ctx, s.o.Margin, markRow+"; SELECT ROW_COUNT() AS changed; "+at, append([]any{s.pair, m.Writer, m.Epoch}, args...)...)
	if isOneOf(err, noTable, noDatabase) {
		return "", s.fail(err)
	}
	if err != nil {
		return "", s.refused("write the marker row", err, "INSERT, UPDATE ON roomshift.*")
	}
	if r := firstRow(tables, 0); r["changed"] == "0" {
		return "", s.fail(fmt.Errorf("the marker row isn't written: it takes no writes"))
	}
	if s.tool != nil { // a barrier says when the row has come
		if err := s.raise(ctx, false); err != nil {
			return "", err
		}
		h := s.raised.Load()
		s.raised.Store(nil)
		if h == nil {
			return "", s.fail(ErrNoSession)
		}
		return h.position(s.room), nil
	}
	var st State
	err = st.variables(ident.d, firstRow(tables, len(tables)-1), Against{})
	return st.Position, err
}
