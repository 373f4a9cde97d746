package dbsync

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// Moved is a move of the write role that has ended: where the pair's writer is now, and what was fenced for it.
type Moved struct {
	Fenced
	To    cutover.Room
	Epoch int64
	Since time.Duration // how long ago Fenced.Pos was read, at least
}

// afterView is what the checks after a move look at: the fenced master, the writer.
type afterView struct {
	m        Moved
	old, now afterSide
	waited   error  // that the fenced one has what the writer had
	strays   Strays // from the fence on
	straysAs error
}

type afterSide struct {
	*node
	err     error
	d       *dialect
	v       version
	id      string
	st      State
	channel string // "" both threads run
	source  string
	apps    []Client
	uptime  time.Duration
	step    int // auto_increment_increment
	offset  int
	marker  Marker
	events  string
}

// afterChecks are in the order in which a person would look.
var afterChecks = []func(*afterView) []Finding{afterFence, afterOpen, afterSource, afterSets, afterThreads, afterMarker, afterClients, afterEvents, afterParity}

// After judges a pair whose write role has moved, and changes nothing: the old writer is fenced still, and the same; the new one takes
// writes; nothing was born on the old one since; each has what the other has; both directions run; the row that the move wrote came back
// by replication, which shows the way back; no application is left on the old one. Every check gives a finding, in a fixed order. The error is
// ctx's only.
func (r *Ring) After(ctx context.Context, m Moved) ([]Finding, error) {
	v := &afterView{m: m}
	for _, n := range r.nodes {
		side := n.afterSide(ctx, r.timeout, r.name)
		if n.room == m.To {
			v.now = side
		} else {
			v.old = side
		}
	}
	if v.now.err == nil && v.old.err == nil {
		v.waited = r.reachAfter(ctx, v)
	}
	v.strays, v.straysAs = r.Strays(ctx, m.Fenced)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []Finding
	for _, s := range []*afterSide{&v.old, &v.now} {
		if s.err != nil {
			out = append(out, Finding{Check: "answers", Room: s.room, Seen: say(s.err), Wanted: "an answer", Do: "look why it doesn't answer: what follows of the move isn't known"})
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, check := range afterChecks {
		out = append(out, check(v)...)
	}
	return out, nil
}

const afterQuery = "SHOW GLOBAL STATUS LIKE 'Uptime'; SELECT @@global.auto_increment_increment AS step, @@global.auto_increment_offset AS off; " + clientColumns

// afterSide asks one master.
func (n *node) afterSide(ctx context.Context, limit time.Duration, pair string) (s afterSide) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.node = n
	var name, user string
	if s.err = n.db.QueryRowContext(ctx, "SELECT VERSION(), CURRENT_USER()").Scan(&name, &user); s.err != nil {
		return s
	}
	if s.v, s.err = parseVersion(name); s.err == nil {
		s.err = s.v.supported()
	}
	if s.err != nil {
		return s
	}
	s.d = dialectOf(s.v)
	at, args := s.d.verbs.at(Against{})
	tables, err := askAll(ctx, n.db, "SELECT @@global."+s.d.identity+" AS id; "+at+"; "+afterQuery+"; "+s.d.status, args...)
	if err != nil {
		s.err = err
		return s
	}
	s.id = firstRow(tables, 0)["id"]
	if s.err = s.st.variables(s.d, firstRow(tables, 1), Against{}); s.err != nil {
		return s
	}
	s.events = s.st.Events
	seconds, _ := strconv.ParseInt(firstRow(tables, 2)["Value"], 10, 64)
	s.uptime = time.Duration(seconds) * time.Second
	s.step, _ = strconv.Atoi(firstRow(tables, 3)["step"])
	s.offset, _ = strconv.Atoi(firstRow(tables, 3)["off"])
	account, _, _ := strings.Cut(user, "@")
	s.apps = (&Server{node: n}).notOurs(&identity{account: account}, clientsOf(tables[4]))
	if c, err := onlySource(n.room, s.d.channels(tables[5:])); err != nil {
		s.channel = err.Error()
	} else {
		s.channel, s.source = c.running(), c.sourceID()
	}
	if marks, err := askAll(ctx, n.db, markerQuery, pair); err == nil {
		if r := firstRow(marks, 0); r != nil {
			s.marker.Epoch, _ = strconv.ParseUint(r["epoch"], 10, 64)
			s.marker.Writer = r["room"]
		}
	}
	return s
}

// afterWait is how long the fenced master may take to apply what the new writer had.
const afterWait = 5 * time.Second

// reachAfter waits until the fenced master has what the writer had, then reads its marker anew.
func (r *Ring) reachAfter(ctx context.Context, v *afterView) error {
	s, err := v.old.node.compared()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.reach(ctx, v.now.st.Position, afterWait); err != nil {
		return err
	}
	var st State
	at, args := s.d.verbs.at(Against{Other: v.now.st.Position})
	tables, err := s.ask(ctx, at+"; "+markerQuery, append(args, r.name)...)
	if err != nil {
		return err
	}
	err = st.variables(s.d, firstRow(tables, 0), Against{Other: v.now.st.Position})
	v.old.st.Missing, v.old.st.Extra = st.Missing, st.Extra
	if row := firstRow(tables, 1); row != nil {
		v.old.marker.Epoch, _ = strconv.ParseUint(row["epoch"], 10, 64)
		v.old.marker.Writer = row["room"]
	}
	return err
}

func well(check string, room cutover.Room, seen string) []Finding {
	return []Finding{{Check: check, Room: room, Seen: seen, OK: true}}
}

func afterFence(v *afterView) []Finding {
	f := Finding{Check: "fence", Room: v.old.room, Wanted: "both variables on, on the server that was fenced, not restarted since",
		Do: "fence it again (" + v.old.d.verbs.fence + ") and look who opened it: two masters that take writes never become one by themselves"}
	switch {
	case v.old.id != v.m.Server:
		f.Seen = fmt.Sprintf("another server: %s %s, fenced was %s", v.old.d.identity, v.old.id, v.m.Server)
	case !v.old.st.Fenced():
		f.Seen = fmt.Sprintf("read_only %s, super_read_only %v", v.old.st.Level, v.old.st.Super)
	case v.old.uptime+2*time.Second < v.m.Since:
		f.Seen = fmt.Sprintf("fenced, and restarted since: up for %v, fenced %v ago", v.old.uptime, v.m.Since.Round(time.Second))
		f.Do = "look whether its file fences it, for it came up fenced this time, and why it restarted"
	default:
		return well(f.Check, f.Room, "fenced, and not restarted since")
	}
	return []Finding{f}
}

func afterOpen(v *afterView) []Finding {
	if v.now.st.Open() {
		return well("open", v.now.room, "takes writes")
	}
	return []Finding{{Check: "open", Room: v.now.room, Seen: fmt.Sprintf("read_only %s, super_read_only %v", v.now.st.Level, v.now.st.Super), Wanted: "it takes writes",
		Do: "roomshift writer reopen " + v.now.pair}}
}

func afterSource(v *afterView) []Finding {
	switch {
	case v.straysAs != nil:
		return []Finding{{Check: "source", Room: v.m.Room, Seen: say(v.straysAs), Wanted: "what was born there since the fence", Do: "make both masters answer"}}
	case v.strays.IDs != "":
		return []Finding{{Check: "source", Room: v.m.Room, Seen: "born there behind the fence: " + v.strays.IDs, Wanted: "nothing",
			Do: "find who writes there, and look at these transactions in its binlog: what both rooms wrote must be put right by people"}}
	}
	return well("source", v.m.Room, "nothing was born there since the fence")
}

func afterSets(v *afterView) []Finding {
	if v.waited != nil {
		return []Finding{{Check: "gtid", Room: v.old.room, Seen: say(v.waited), Wanted: fmt.Sprintf("what %s had, within %v", v.now.room, afterWait), Do: "look why replication into " + v.old.room + " lags: it is the way back"}}
	}
	if own := bornOf(v.old.st.Extra, v.m.Server); own != "" { // what the writer wrote meanwhile isn't anybody's lack
		return []Finding{{Check: "gtid", Room: v.now.room, Seen: "lacks " + own, Wanted: "all that " + v.old.room + " has", Do: "find what wrote it: nobody may write in " + v.old.room}}
	}
	return well("gtid", "", "each has what the other has")
}

// bornOf is the part of what one server has and another hasn't that a server wrote.
func bornOf(extra, server string) string {
	var own []string
	for _, id := range strings.Split(extra, ", ") {
		if parts := strings.Split(id, "-"); len(parts) == 3 && !strings.Contains(id, ":") && parts[1] == server {
			own = append(own, id)
		}
	}
	return cmp.Or(strings.Join(own, ", "), setsOf(extra, server))
}

func afterThreads(v *afterView) []Finding {
	var out []Finding
	for _, s := range [][2]*afterSide{{&v.old, &v.now}, {&v.now, &v.old}} {
		wrong := s[0].channel
		if wrong == "" && s[0].source != s[1].id {
			wrong = "its source is " + s[0].source
		}
		if wrong == "" {
			out = append(out, Finding{Check: "threads", Room: s[0].room, Seen: "both run", OK: true})
			continue
		}
		out = append(out, Finding{Check: "threads", Room: s[0].room, Seen: wrong, Wanted: "both run, and receive from " + s[1].room, Do: s[0].d.words.start + ", once what stopped it is put right"})
	}
	return out
}

func afterMarker(v *afterView) []Finding {
	want := Marker{uint64(max(v.m.Epoch, 0)), v.m.To} //nolint:gosec // not below 0
	for _, s := range []*afterSide{&v.now, &v.old} {
		if s.marker != want {
			return []Finding{{Check: "marker", Room: s.room, Seen: fmt.Sprintf("epoch %d, %s", s.marker.Epoch, cmp.Or(s.marker.Writer, "no room")), Wanted: fmt.Sprintf("epoch %d, %s", want.Epoch, want.Writer),
				Do: "look whether roomshift.heartbeat can be written in " + v.now.room + " and comes to " + v.old.room}}
		}
	}
	return well("marker", v.old.room, fmt.Sprintf("epoch %d has come back from %s", want.Epoch, v.now.room))
}

func afterClients(v *afterView) []Finding {
	if len(v.old.apps) == 0 {
		return well("connections", v.old.room, "none of an application's")
	}
	oldestFirst(v.old.apps)
	return []Finding{{Check: "connections", Room: v.old.room, Seen: fmt.Sprintf("%d, the oldest: %s", len(v.old.apps), v.old.apps[0]), Wanted: "none of an application's",
		Do: "make that application follow the record, as docs/applications.md says: its writes are refused there"}}
}

func afterEvents(v *afterView) []Finding {
	if v.old.v.mariadb && strings.EqualFold(v.old.events, "ON") {
		return []Finding{{Check: "events", Room: v.old.room, Seen: "event_scheduler ON", Wanted: "OFF: read_only lets events of privileged definers write", Do: "SET GLOBAL event_scheduler=OFF"}}
	}
	return well("events", v.old.room, "event_scheduler "+v.old.events+"; "+v.now.events+" in "+v.now.room)
}

func afterParity(v *afterView) []Finding {
	a, b := &v.old, &v.now
	if b.step >= 2 && a.step == b.step && a.offset%b.step != b.offset%b.step {
		return well("auto-increment", b.room, fmt.Sprintf("each %d from %d, the other from %d", b.step, b.offset, a.offset))
	}
	return []Finding{{Check: "auto-increment", Room: b.room, Seen: fmt.Sprintf("each %d from %d; each %d from %d in %s", b.step, b.offset, a.step, a.offset, a.room),
		Wanted: "the same step, 2 or more, and other numbers in each room", Do: "set auto_increment_increment=2 in both and auto_increment_offset=1 and 2: new rows may meet those of the other room"}}
}
