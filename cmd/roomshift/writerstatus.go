package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// writerStatus looks at pairs. It takes no lock and ends nobody's session.
func writerStatus(c *cli.Context, io stdio) error {
	name, err := oneArg(c, "pair", false)
	if err != nil {
		return err
	}
	var names []string
	if name != "" {
		names = []string{name}
	}
	l, err := loadPairs(io, c.String("rooms"), names, c.Bool("json"))
	if err != nil {
		return err
	}
	r, err := wireOnlyPairs(l)
	if err != nil {
		return err
	}
	defer r.Close()
	var all []pairStatus
	for i := range l.Rooms.Pairs {
		all = append(all, statusOfPair(l.Rooms.Environment, l.Rooms.Pairs[i].Name, r.world.Peeker.Peek(c.Context, l.Rooms.Pairs[i].Name)))
	}
	worst := cutover.ExitDone
	for i := range all {
		worst = worseStatus(worst, all[i].Exit)
	}
	if c.Bool("json") {
		printJSON(io, map[string]any{"exit": worst, "pairs": all})
		return said(worst)
	}
	for i := range all {
		if i > 0 {
			fmt.Fprintln(io.out)
		}
		pairScreen(sheetOf(io.out), &all[i])
	}
	return said(worst)
}

// statusOrder is how bad a pair's status is, rising.
var statusOrder = []cutover.Exit{cutover.ExitDone, cutover.ExitUnknown, cutover.ExitStopped, cutover.ExitDrift}

func worseStatus(a, b cutover.Exit) cutover.Exit {
	if slices.Index(statusOrder, b) > slices.Index(statusOrder, a) {
		return b
	}
	return a
}

// pairStatus is what `writer status` says of a pair.
type pairStatus struct {
	Pair        string         `json:"pair"`
	Environment string         `json:"environment"`
	Exit        cutover.Exit   `json:"exit"`
	Says        string         `json:"says"`
	Writer      string         `json:"writer"` // the one room that takes writes, "" none or both or not known
	Record      *writer.Record `json:"record"`
	Index       uint64         `json:"index"`
	Keeper      string         `json:"keeper"`
	Published   string         `json:"published"` // where clients send writes by the record
	Lock        string         `json:"lock"`      // who holds the record's
	Claim       string         `json:"claim"`     // the run that the pair belongs to
	Row         string         `json:"row"`       // of the takeover table
	Next        string         `json:"next"`      // what a process with every lock would do, the writer staying
	Unseen      string         `json:"unseen,omitempty"`
	Servers     []serverStatus `json:"servers"`
}

// serverStatus is one server of a pair.
type serverStatus struct {
	Room       string   `json:"room"`
	Mode       string   `json:"mode"` // rw, ro, pending, away
	ID         string   `json:"id"`
	Version    string   `json:"version"`
	Only       string   `json:"only"`      // transactions that only it has
	OnlyCount  int64    `json:"onlyCount"` // -1: not known
	Clients    int      `json:"clients"`
	Long       []string `json:"long"`
	XA         []string `json:"xa"`
	Pending    []string `json:"pending"`
	Blockers   []string `json:"blockers"`
	Marker     string   `json:"marker"`
	Lock       string   `json:"lock"`
	Restart    string   `json:"restart"`
	Receives   bool     `json:"receives"`
	Threads    string   `json:"threads"`
	NotDurable string   `json:"notDurable"`
	Why        string   `json:"why,omitempty"` // it doesn't answer
}

// statusOfPair puts into words what was seen.
func statusOfPair(environment, name string, p cutover.Peeked) pairStatus {
	s := pairStatus{Pair: name, Environment: environment, Writer: p.Writer(), Record: p.Record, Index: p.Index, Keeper: p.Keeper, Lock: p.Holder, Claim: p.Claim}
	stay := s.Writer
	if p.Record != nil {
		s.Published = p.Record.Publishes()
		stay = s.Published
	}
	a := writer.Preview(p.Record, p.Seen, writer.Want{Room: stay})
	s.Row, s.Next = a.Reason.Row, nextText(name, p.Record, a)
	s.Exit, s.Says = verdictOf(name, &p)
	if p.Err != nil {
		s.Unseen = p.Err.Error()
	}
	for i := range p.Masters {
		v, m := &p.Seen.Servers[i], &p.Masters[i]
		st := serverStatus{Room: v.Room, Mode: v.Mode().String(), ID: v.ID, Version: m.Version, Only: m.Only, OnlyCount: m.OnlyCount, Clients: v.Clients, Long: m.Long,
			XA: v.XA, Pending: m.Pending, Blockers: m.Blockers, Lock: m.Holder, Restart: restartText(m), Receives: v.Receives == writer.Yes, Threads: m.Threads, NotDurable: m.Weak}
		if v.Marker.Epoch > 0 {
			st.Marker = fmt.Sprintf("epoch %d of %s", v.Marker.Epoch, v.Marker.Writer)
		}
		if m.Err != nil {
			st.Why = m.Err.Error()
		}
		s.Servers = append(s.Servers, st)
	}
	return s
}

func restartText(m *cutover.MasterPeek) string {
	switch {
	case m.Fenced == writer.Yes:
		return m.Restart
	case m.Fenced == writer.No:
		return "NOT fenced: " + m.Restart
	case m.Restart != "":
		return m.Restart
	}
	return "not known: declare it in rooms.yaml as restarts: fenced, and show it by a drill"
}

// verdictOf is the exit code of a pair's status, and why.
func verdictOf(name string, p *cutover.Peeked) (cutover.Exit, string) {
	w, x, r := p.Seen.Servers[0], p.Seen.Servers[1], p.Record
	wm, xm := w.Mode(), x.Mode()
	switch {
	case wm == writer.ReadWrite && xm == writer.ReadWrite:
		return cutover.ExitDrift, "both servers take writes"
	case p.Seen.Away:
		return cutover.ExitUnknown, "the record can't be read"
	case r == nil:
		return noRecord(name, p)
	}
	if drift := driftOf(r, p); drift != "" {
		return cutover.ExitDrift, drift
	}
	switch {
	case r.Phase != writer.Stable:
		return cutover.ExitStopped, fmt.Sprintf("a move stands in between: %s, %s → %s", r.Phase, r.Writer, r.To)
	case wm == writer.Pending || xm == writer.Pending:
		return cutover.ExitStopped, "a fence is under way, or half done"
	case wm == writer.ReadOnly:
		return cutover.ExitStopped, "no writer: " + w.Room + " is it by the record, and is read-only"
	case wm == writer.ModeAway || xm == writer.ModeAway:
		return cutover.ExitUnknown, "not every server answers"
	}
	return cutover.ExitDone, r.Writer + " is the writer, and all agree"
}

// noRecord is the verdict of a pair that nobody has moved yet.
func noRecord(name string, p *cutover.Peeked) (cutover.Exit, string) {
	a, b := p.Seen.Servers[0].Mode(), p.Seen.Servers[1].Mode()
	switch {
	case a == writer.ModeAway || b == writer.ModeAway:
		return cutover.ExitUnknown, "no record yet, and not every server answers"
	case p.Writer() == "":
		return cutover.ExitStopped, "no record yet, and no writer"
	}
	return cutover.ExitDone, fmt.Sprintf("%s is the writer by both servers; no record yet: the first move of %s creates it", p.Writer(), name)
}

// driftOf is what the record says and the servers don't.
func driftOf(r *writer.Record, p *cutover.Peeked) string {
	w, x := p.Seen.Servers[0], p.Seen.Servers[1]
	for _, s := range []writer.Server{w, x} {
		switch id := r.Servers[s.Room]; {
		case s.Away:
		case s.ID != id:
			return fmt.Sprintf("the server in %s is %s, and the record names %s", s.Room, s.ID, orNone(id))
		case s.Marker.Epoch > r.Epoch || s.Marker.Epoch == r.Epoch && s.Marker.Writer != r.Publishes():
			return fmt.Sprintf("the record is older than the marker on %s: epoch %d of %s (a restored Consul?)", s.Room, s.Marker.Epoch, s.Marker.Writer)
		case r.IsClosed(s.Room) && s.Mode() == writer.ReadWrite:
			return s.Room + " is closed since it was lost, and takes writes"
		}
	}
	open := x.Mode() == writer.ReadWrite && w.Mode() != writer.ReadWrite
	if open && r.Phase != writer.Commit {
		return fmt.Sprintf("%s takes writes, and the record names %s", x.Room, r.Writer)
	}
	return ""
}

// nextText is what a process that has every lock would do.
func nextText(name string, r *writer.Record, a writer.Act) string {
	why := a.Reason
	switch a.Do {
	case writer.Done:
		return "nothing; a move may begin"
	case writer.Hold:
		text := fmt.Sprintf("nothing by itself: %s: %s; wanted %s: %s", why.Object, why.Seen, why.Wanted, why.ToDo)
		if !a.Ask {
			text += "; it looks again"
		}
		return text
	case writer.Refuse:
		return fmt.Sprintf("refused: %s: %s; wanted %s: %s", why.Object, why.Seen, why.Wanted, why.ToDo)
	}
	who := "a run that takes over would "
	if r != nil && r.Phase == writer.Stable {
		who = "a run of this pair that is alive would "
	}
	switch a.Do {
	case writer.Write:
		return who + "write " + string(a.Next.Phase) + ": " + why.ToDo
	case writer.Open:
		return who + "open " + a.Room + ": " + strings.TrimPrefix(why.ToDo, "open it: ")
	case writer.Wait:
		return who + "wait until " + a.Room + " has all: it has " + why.Seen
	case writer.Look:
		return who + "look again: " + why.Seen
	}
	return fmt.Sprintf("%s%s in %s: %s", who, a.Do, a.Room, why.Seen)
}

// pairScreen prints a pair's status.
func pairScreen(w io.Writer, s *pairStatus) {
	const at = 13
	fmt.Fprintf(w, "%s   %s\n", s.Pair, strings.ToUpper(s.Environment))
	mark := "■ "
	if s.Exit == cutover.ExitDone {
		mark = ""
	}
	wrapped(w, at, "WRITER", mark+s.Says)
	switch r := s.Record; {
	case r != nil:
		to := ""
		if r.To != "" {
			to = " → " + r.To
		}
		wrapped(w, at, "RECORD", fmt.Sprintf("%s of %s%s, epoch %d, seq %d, by %s in run %s at %s", r.Phase, r.Writer, to, r.Epoch, r.Seq, r.By, r.Run, r.At.Format("2006-01-02 15:04:05Z")))
		if r.Forced != nil {
			wrapped(w, at, "", fmt.Sprintf("forced by %s: %s; at most lost: %s", r.Forced.By, r.Forced.Reason, r.Forced.Bound))
		}
		if len(r.Closed) > 0 {
			wrapped(w, at, "", "closed until it rejoins: "+strings.Join(r.Closed, ", "))
		}
		wrapped(w, at, "CLIENTS", "are sent to "+s.Published)
		wrapped(w, at, "KEPT", fmt.Sprintf("%s, index %d", s.Keeper, s.Index))
	case s.Unseen != "":
		wrapped(w, at, "RECORD", s.Unseen)
	default:
		wrapped(w, at, "RECORD", "none at "+s.Keeper)
	}
	wrapped(w, at, "LOCK", cmp.Or(s.Lock, "nobody has the record's"))
	wrapped(w, at, "CLAIMED", "by "+cmp.Or(s.Claim, "no run"))
	fmt.Fprintln(w)
	serversTable(w, s)
	fmt.Fprintln(w)
	wrapped(w, at, "NOW", s.Row+": "+s.Next)
	if reopens(s) {
		wrapped(w, at, "YOU", "roomshift writer reopen "+s.Pair)
	}
	fmt.Fprintf(w, "exit %d: %s\n", s.Exit, statusMeans[s.Exit])
}

// reopens tells whether the writer came up closed, and may be opened by a person's word.
func reopens(s *pairStatus) bool {
	return s.Record != nil && s.Record.Phase == writer.Stable && s.Servers[0].Mode == "ro" && s.Servers[1].Mode == "ro"
}

// statusMeans is what an exit code says here.
var statusMeans = map[cutover.Exit]string{
	cutover.ExitDone:    "one writer, and all agree",
	cutover.ExitStopped: "no writer, or a move in between",
	cutover.ExitUnknown: "not known: something doesn't answer",
	cutover.ExitDrift:   "the record and the servers differ",
}

// serversTable is both servers side by side; what takes more than a cell stands below.
func serversTable(w io.Writer, s *pairStatus) {
	a, b := &s.Servers[0], &s.Servers[1]
	rows := [][]string{{"", a.Room, b.Room}}
	row := func(name string, of func(*serverStatus, *serverStatus) string) {
		rows = append(rows, []string{name, cellOf(a, of(a, b)), cellOf(b, of(b, a))})
	}
	row("SERVER", func(m, _ *serverStatus) string { return modeText[m.Mode] + ", " + m.Version + ", id " + clip(m.ID, 12) })
	row("HAS", func(m, o *serverStatus) string { return hasText(o) })
	row("RECEIVES", func(m, o *serverStatus) string {
		if m.Receives {
			return "from " + o.Room + ", both threads run"
		}
		return "NOTHING from " + o.Room
	})
	row("CONNECTIONS", func(m, _ *serverStatus) string {
		return fmt.Sprintf("%d, %s", m.Clients, countedOrNone(len(m.Long), "old transaction"))
	})
	row("PREPARED", func(m, _ *serverStatus) string { return orNone(strings.Join(m.XA, ", ")) })
	row("FENCE", func(m, _ *serverStatus) string { return countedOrNone(len(m.Pending), "pending statement") })
	row("MARKER", func(m, _ *serverStatus) string { return orNone(m.Marker) })
	row("ITS LOCK", func(m, _ *serverStatus) string {
		if m.Lock == "" {
			return "nobody's"
		}
		return "held"
	})
	for _, line := range columns(rows, "lll") {
		fmt.Fprintln(w, clip(line, widthOf(w)))
	}
	for _, m := range []*serverStatus{a, b} {
		serverNotes(w, m)
	}
}

// serverNotes is what takes more than a cell.
func serverNotes(w io.Writer, m *serverStatus) {
	note := func(text string) { flowed(w, 4, "  ", "in "+m.Room+": "+text) }
	if m.Why != "" {
		note("no answer: " + m.Why)
		return
	}
	note("after a restart: " + m.Restart)
	if m.Threads != "" {
		note(m.Threads)
	}
	if m.NotDurable != "" {
		note("an acknowledged write may be lost with the machine: " + m.NotDurable)
	}
	if m.Only != "" {
		note("only there: " + clip(m.Only, 200))
	}
	if m.Lock != "" {
		note("its lock: " + m.Lock)
	}
	for _, kind := range []struct {
		word string
		all  []string
	}{{"pending", m.Pending}, {"in its way", m.Blockers}, {"open for long", m.Long}} {
		for _, text := range kind.all {
			note(kind.word + ": " + text)
		}
	}
}

// cellOf is a cell of a server that answers.
func cellOf(m *serverStatus, text string) string {
	if m.Mode == "away" {
		return "–"
	}
	return text
}

var modeText = map[string]string{"rw": "takes writes", "ro": "read-only", "pending": "half fenced", "away": "away"}

// hasText is what a server has of the other one's.
func hasText(other *serverStatus) string {
	switch {
	case other.Mode == "away" || other.OnlyCount < 0:
		return "not known"
	case other.OnlyCount == 0:
		return "all of " + other.Room + "'s"
	}
	return fmt.Sprintf("all of %s's but %s", other.Room, counted(int(other.OnlyCount), "transaction"))
}

func countedOrNone(n int, what string) string {
	if n == 0 {
		return "no " + what + "s"
	}
	return counted(n, what)
}
