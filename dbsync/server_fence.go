package dbsync

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
)

// BlockedError: the server didn't get what a fence needs in time, so it isn't fenced (1205). By is who was in its way, the likeliest
// first: an engine that can't tell who holds what names every connection that may.
type BlockedError struct {
	Room   cutover.Room
	Waited time.Duration
	By     []Client
	Unseen error // why it can't be told who, nil: it can
	Err    error // the server's own words
}

func (e *BlockedError) Error() string {
	text := fmt.Sprintf("master in %s: not fenced after %v: %v", e.Room, e.Waited.Round(time.Millisecond), e.Err)
	for i, c := range e.By {
		if i == mostBlockers {
			return text + fmt.Sprintf("; and %d more", len(e.By)-i)
		}
		text += "; in its way: " + c.String()
	}
	if e.Unseen != nil {
		text += "; who is in its way isn't seen: " + e.Unseen.Error()
	}
	return text
}

func (e *BlockedError) Unwrap() error { return e.Err }

// mostBlockers are named in an error.
const mostBlockers = 5

// PendingError: a fence, or an open, of another session is under way. The open wasn't done: a fence that completes later would undo it (R2).
type PendingError struct {
	Room cutover.Room
	By   []Client
}

func (e *PendingError) Error() string {
	text := "master in " + e.Room + ": not opened: a fence is under way"
	for _, c := range e.By {
		text += "; " + c.String()
	}
	return text
}

// HalfError: the server said OK, and its variables don't say the same.
type HalfError struct {
	Room   cutover.Room
	Wanted string
	Level  string
	Super  string
}

func (e *HalfError) Error() string {
	return fmt.Sprintf("master in %s: it was to be %s and says read_only=%s super_read_only=%s: somebody else sets them", e.Room, e.Wanted, e.Level, e.Super)
}

// bothText are both variables as Look reads them.
func (v verbs) bothText() string {
	if v.bypassable() {
		return "SELECT " + readOnlyText + " AS ro, " + readOnlyText + " AS super"
	}
	return "SELECT " + readOnlyText + " AS ro, CAST(@@global.super_read_only AS CHAR) AS super"
}

// bypassable tells whether there are accounts that a fence keeps in: MariaDB has no super_read_only.
func (v verbs) bypassable() bool { return len(v.bypass) > 0 }

// Fence makes the server refuse writes. It waits in the server for write statements that run, for as long as ServerOptions.Fence for each
// of the two locks that this takes. nil: both variables say so. BlockedError, RefusedError: it isn't fenced. ErrOutcomeUnknown: the
// session is gone, and a fence may be pending or come yet.
func (s *Server) Fence(ctx context.Context) error {
	ident, err := s.identified()
	if err != nil {
		return err
	}
	s.raised.Store(nil)
	if s.provider != nil {
		return s.byProvider(ctx, "fence", "1")
	}
	v := ident.d.verbs
	began := time.Now()
	spy := s.spy(ctx, ident)
	tables, err := s.set(ctx, "fence", 2*s.o.Fence+s.o.Margin, v.fenced, v.fence+"; "+newestQuery+"; "+v.bothText())
	by, unseen := spy()
	if isOneOf(err, lockTimedOut) {
		if len(by) == 0 && unseen == nil { // it was too slow to be looked at meanwhile
			by, unseen = s.blockers(ctx, ident)
		}
		return &BlockedError{Room: s.room, Waited: time.Since(began), By: by, Unseen: unseen, Err: ownWords(err)}
	}
	if err != nil {
		return err
	}
	if err := s.both(tables, true); err != nil {
		return err
	}
	s.began(firstRow(tables, 0))
	return nil
}

// both holds both variables against what was wanted.
func (s *Server) both(tables [][]row, fenced bool) error {
	r := firstRow(tables, len(tables)-1)
	ro, err := parseReadOnly(r["ro"])
	super, err2 := parseReadOnly(r["super"])
	if err != nil || err2 != nil || ro != fenced || super != fenced {
		wanted := map[bool]string{true: "fenced", false: "open"}[fenced]
		return &HalfError{Room: s.room, Wanted: wanted, Level: r["ro"], Super: r["super"]}
	}
	return nil
}

// spy looks who is in the way of a fence, shortly before it gives up and for as long as it lasts; what it returns ends that and says who
// was. It must be called.
func (s *Server) spy(ctx context.Context, ident *identity) func() ([]Client, error) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	var last []Client
	var unseen error
	go func() {
		defer close(ended)
		pause := time.NewTimer(s.o.Fence / 2)
		defer pause.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
			by, err := s.blockers(ctx, ident)
			switch {
			case err == nil && len(by) > 0:
				last, unseen = by, nil
			case err != nil && ctx.Err() == nil && last == nil:
				unseen = err
			}
			pause.Reset(s.o.Fence / 4)
		}
	}()
	return func() ([]Client, error) {
		stop()
		<-ended
		return last, unseen
	}
}

// Blockers are the connections that hold up a fence now, or may, the likeliest first.
func (s *Server) Blockers(ctx context.Context) ([]Client, error) {
	ident, err := s.identified()
	if err != nil {
		return nil, err
	}
	return s.blockers(ctx, ident)
}

func (s *Server) blockers(ctx context.Context, ident *identity) ([]Client, error) {
	tables, err := s.aside(ctx, s.o.Margin, clientColumns+"; "+ident.d.verbs.blocks)
	if err != nil {
		return nil, s.refused("look who blocks", err, blockRight(err))
	}
	all := s.notOurs(ident, clientsOf(tables[0]))
	if len(tables) < 4 {
		return likely(all, tables[1]), nil
	}
	return holders(all, tables[1], tables[2], tables[3]), nil
}

// blockRight is the right to the table that was refused: the server's own words name it.
func blockRight(err error) string {
	for _, table := range []string{"metadata_locks", "threads", "events_statements_current"} {
		if strings.Contains(err.Error(), "'"+table+"'") {
			return "SELECT ON performance_schema." + table
		}
	}
	return ""
}

// likely are those that may hold a fence up, where the server can't tell: first who runs a statement that isn't a read, the oldest first,
// and the transactions that one of them may wait for; if nothing runs, who does nothing now and may hold LOCK TABLES.
func likely(all []Client, transactions []row) []Client {
	var active, idle, open []Client
	waits := false
	since := map[string]string{}
	for _, r := range transactions {
		since[r["id"]] = r["age"]
	}
	for _, c := range all {
		age, has := since[fmt.Sprint(c.ID)]
		switch {
		case c.Statement != "" && !reads(c.Statement):
			active = append(active, c)
			waits = waits || strings.Contains(c.Doing, "metadata lock")
		case has:
			c.Why = "has a transaction open for " + age + " s, and what waits may wait for it"
			open = append(open, c)
		case c.Command == "Sleep":
			c.Why = "may hold LOCK TABLES"
			idle = append(idle, c)
		}
	}
	oldestFirst(active)
	oldestFirst(open)
	oldestFirst(idle)
	switch {
	case waits:
		return append(active, open...)
	case len(active) > 0:
		return active
	}
	return append(idle, open...)
}

func reads(statement string) bool {
	first, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(statement)), " ")
	return first == "SELECT" || first == "SHOW" || first == "KILL"
}

// holders are those that have what a fence waits for, and whom they wait for themselves.
func holders(all []Client, has, waits, did []row) []Client {
	at := map[string]int{}
	for i, c := range all {
		at[fmt.Sprint(c.ID)] = i
	}
	for _, r := range did {
		if i, ok := at[r["id"]]; ok && all[i].Statement == "" {
			all[i].Statement = r["text"]
			all[i].Why = "which has ended, and keeps its locks"
		}
	}
	var out []Client
	named := map[int]bool{}
	add := func(id, why string) {
		i, ok := at[id]
		if !ok || named[i] {
			return
		}
		named[i] = true
		c := all[i]
		if why != "" {
			c.Why = why
		}
		out = append(out, c)
	}
	for _, r := range has {
		add(r["id"], "")
	}
	oldestFirst(out)
	for _, r := range waits {
		if i, ok := at[r["id"]]; ok && named[i] {
			add(r["holder"], fmt.Sprintf("for which connection %s waits: it uses %s.%s", r["id"], r["db"], r["name"]))
		}
	}
	return out
}

// Open makes the server take writes, unless a fence of somebody else's is under way (PendingError). nil: both variables say so.
// ErrOutcomeUnknown: the session is gone, and it may be open, or become so. Whether it may be opened at all is the caller's to know.
func (s *Server) Open(ctx context.Context) error {
	ident, err := s.identified()
	if err != nil {
		return err
	}
	s.newest.Store(0)
	s.raised.Store(nil)
	if s.provider != nil {
		return s.byProvider(ctx, "open", "0")
	}
	pending := "(SELECT COUNT(*) FROM information_schema.processlist WHERE " + settingFence + ")"
	// One statement looks and acts: what is pending by then isn't opened over. It sets what it is otherwise, which changes nothing.
	query := "SET GLOBAL read_only = IF(" + pending + " = 0, 0, @@global.read_only); " + clientColumns + " WHERE " + settingFence + "; " + ident.d.verbs.bothText()
	tables, err := s.set(ctx, "open", 2*s.o.Fence+s.o.Margin, ident.d.verbs.fenced, query)
	if err != nil {
		return err
	}
	if by := clientsOf(tables[0]); len(by) > 0 {
		return &PendingError{Room: s.room, By: by}
	}
	return s.both(tables, false)
}
