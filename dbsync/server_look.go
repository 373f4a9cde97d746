package dbsync

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// State is what a server said of itself on the session that holds its lock, in one round trip. What could change it while it was read
// was read first: pending fences before the variables, XA branches before the position.
type State struct {
	Session  uint64 // see Server.Session
	ReadOnly bool
	Super    bool     // super_read_only; on MariaDB as ReadOnly
	Strong   bool     // super_read_only is on where read_only is all that a fence sets: whoever writes behind the fence can't
	Level    string   // read_only as the server says it: newer ones have more than two values
	Pending  []Client // other connections whose fence, or open, is under way
	Clients  []Client // whom Kill would end: see there; at most a thousand of them
	XA       []string // branches that are prepared, as XA COMMIT names them
	// Position is every transaction that is in its binlog: what a record and Wait take. It is the server's text, or made of that.
	Position Position
	// Missing is what it hasn't of the position that Look was given, Extra what it has and that hasn't, but for what is allowed.
	Missing, Extra string
	Source         string // what tells the server apart that it replicates from, "" none or several
	Received       string // how far it has received what that one executes: MariaDB's Gtid_IO_Pos, MySQL's Retrieved_Gtid_Set
	Threads        string // "" both of its threads run, else what is wrong
	Events         string // event_scheduler
	Marker         Marker
}

// Position is a set of transactions as text: MySQL's gtid_executed; of MariaDB the last number of every stream, from gtid_binlog_state
// and gtid_slave_pos, sorted. Two that are equal are the same text.
type Position string

// Marker is the newest move that a server's row of roomshift.heartbeat knows of.
type Marker struct {
	Epoch  uint64
	Writer cutover.Room // "" none was written
}

// Fenced tells whether it refuses writes: both variables say so (R14).
func (s State) Fenced() bool { return s.ReadOnly && s.Super }

// Open tells whether it takes writes: neither variable says that it doesn't. A server may be neither.
func (s State) Open() bool { return !s.ReadOnly && !s.Super }

// Client is a connection to a server.
type Client struct {
	ID         uint64
	User, Host string
	Command    string        // Query, Sleep …
	Age        time.Duration // in this state, in whole seconds
	Doing      string        // its state
	Statement  string        // "" none is under way
	Why        string        // what is known of it beside that
}

// String is "connection 12, app@10.0.0.7:4711, for 3 s: UPDATE …".
func (c Client) String() string {
	s := fmt.Sprintf("connection %d, %s@%s", c.ID, c.User, c.Host)
	what := shorten(c.Statement)
	if c.Statement == "" {
		what = "no statement under way"
	}
	s += fmt.Sprintf(", for %v: %s", c.Age, what)
	if c.Doing != "" && c.Statement != "" {
		s += " (" + c.Doing + ")"
	}
	if c.Why != "" {
		s += ", " + c.Why
	}
	return s
}

// shorten cuts a statement for people.
func shorten(statement string) string {
	const most = 120
	runes := []rune(strings.Join(strings.Fields(statement), " "))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

const clientColumns = "SELECT " + clientNames + " FROM information_schema.processlist"

const clientNames = "id AS id, user AS user, host AS host, command AS command, time AS time, state AS state, info AS info"

// settingFence is what the statement of a fence, or of an open, under way in another session looks like.
const settingFence = `LOWER(info) REGEXP '(^|[;/(])[[:space:]]*set[[:space:]]+((global|persist)[[:space:]]+|@@(global|persist)[.])[^;]*read_only' AND id <> CONNECTION_ID()`

func clientOf(r row) Client {
	c := Client{User: r["user"], Host: r["host"], Command: r["command"], Doing: notNull(r["state"]), Statement: notNull(r["info"])}
	c.ID, _ = strconv.ParseUint(r["id"], 10, 64) // the column is a number
	age, _ := strconv.ParseInt(r["time"], 10, 64)
	c.Age = time.Duration(max(0, age)) * time.Second
	return c
}

func notNull(text string) string {
	if text == null {
		return ""
	}
	return text
}

func clientsOf(rows []row) []Client {
	cs := make([]Client, len(rows))
	for i, r := range rows {
		cs[i] = clientOf(r)
	}
	return cs
}

// clients are all connections of a server.
func clients(ctx context.Context, q querier) ([]Client, error) {
	tables, err := askAll(ctx, q, clientColumns)
	if err != nil {
		return nil, err
	}
	return clientsOf(tables[0]), nil
}

// Against is what Look compares a server's position with. Allowed is what may be on this server alone: transactions of its own that
// somebody has looked at, in the server's words; of MariaDB up to these numbers.
type Against struct {
	Other   Position
	Allowed Position
}

// markerQuery is the newest move of a pair.
const markerQuery = "SELECT epoch, room FROM roomshift.heartbeat WHERE pair = ? ORDER BY epoch DESC LIMIT 1"

// Look reads the server on the session that holds its lock. An error that ended the session shows in Session.
func (s *Server) Look(ctx context.Context, a Against) (State, error) {
	ident, err := s.identified()
	if err != nil {
		return State{}, err
	}
	return s.lookBy(ident, a, func(query string, args ...any) ([][]row, error) { return s.askLook(ctx, query, args...) })
}

// lookBy looks by some way to ask.
func (s *Server) lookBy(ident *identity, a Against, ask func(string, ...any) ([][]row, error)) (State, error) {
	v := ident.d.verbs
	at, args := v.at(a)
	who, whom := s.whoCounts(ident)
	// One look through the connections: a server's list of them is what takes the longest.
	query := "SELECT " + clientNames + ", (" + settingFence + ") AS sets, (" + who + ") AS counts FROM information_schema.processlist HAVING sets = 1 OR counts = 1" +
		" ORDER BY sets DESC, " + replicasFirst + "; XA RECOVER" + v.xaForm + "; " + at
	asked := s.newest.Load() == 0
	if asked {
		query += "; " + newestQuery
	}
	query += "; " + ident.d.status + "; " + markerQuery
	session, args := s.Session(), append(whom, args...)
	tables, err := ask(query, append(args, s.pair)...)
	if isOneOf(err, noTable, noDatabase) { // no marker can be there, and the rest is asked for again without it
		tables, err = ask(strings.TrimSuffix(query, "; "+markerQuery), args...)
	}
	if err != nil {
		right := v.status
		if isOneOf(err, noXARight) {
			right = v.xa
		}
		if clean(err) {
			err = s.refused("look at the server", err, right)
		}
		return State{}, err
	}
	return s.state(ident, session, tables, asked, a)
}

// state reads the answers of Look, in its order; asked: the newest connection is among them.
func (s *Server) state(ident *identity, session uint64, tables [][]row, asked bool, a Against) (State, error) {
	const at = 2 // the table of the variables
	st := State{Session: session}
	status := at + 1
	if asked {
		status++
	}
	n := status + ident.d.verbs.statusTables
	if len(tables) < n || len(tables[at]) != 1 {
		return st, s.fail(fmt.Errorf("a look had %d answers", len(tables)))
	}
	var counts []Client
	for _, r := range tables[0] {
		if r["sets"] == "1" {
			st.Pending = append(st.Pending, clientOf(r))
		}
		if r["counts"] == "1" {
			counts = append(counts, clientOf(r))
		}
	}
	st.Clients = s.notOurs(ident, counts)
	for _, r := range tables[1] {
		st.XA = append(st.XA, xid(r))
	}
	var err error
	if err = st.variables(ident.d, tables[at][0], a); err != nil {
		return st, s.fail(err)
	}
	s.saw(st.Position)
	if asked && st.Fenced() {
		s.began(firstRow(tables, at+1))
	}
	if r := firstRow(tables, n); r != nil {
		st.Marker.Epoch, err = strconv.ParseUint(r["epoch"], 10, 64)
		if st.Marker.Epoch > 0 {
			st.Marker.Writer = r["room"]
		}
	}
	c, wrong := onlySource(s.room, ident.d.channels(tables[status:n]))
	if wrong != nil {
		st.Threads = wrong.Error()
		return st, err
	}
	st.Source, st.Threads, st.Received = c.sourceID(), c.running(), c.receivedPos()
	return st, err
}

// variables reads the row of verbs.at.
func (st *State) variables(d *dialect, r row, a Against) error {
	st.Level, st.Events = r["ro"], r["events"]
	st.Strong = r["strong"] == "1" || r["strong"] == "ON"
	var err error
	if st.ReadOnly, err = parseReadOnly(r["ro"]); err != nil {
		return err
	}
	if st.Super, err = parseReadOnly(r["super"]); err != nil {
		return err
	}
	st.Position, st.Missing, st.Extra, err = d.verbs.compare(r, a)
	return err
}

// newestQuery is the newest connection, and so the bound of those that began before a fence that stands now.
const newestQuery = "SELECT MAX(id) AS newest FROM information_schema.processlist"

// began notes that bound where none is known: what comes later comes behind the fence.
func (s *Server) began(r row) {
	if newest, err := strconv.ParseUint(r["newest"], 10, 64); err == nil {
		s.newest.CompareAndSwap(0, newest)
	}
}

// saw notes where the server was, for Wait.
func (s *Server) saw(p Position) {
	text := string(p)
	s.applied.Store(&text)
}

// xid is a branch of XA RECOVER as XA COMMIT takes it: MariaDB says it so, MySQL in bytes.
func xid(r row) string {
	data := r["data"]
	gtrid, err := strconv.Atoi(r["gtrid_length"])
	raw, err2 := hex.DecodeString(strings.TrimPrefix(data, "0x"))
	if err != nil || err2 != nil || !strings.HasPrefix(data, "0x") || gtrid > len(raw) {
		return data
	}
	id := xidPart(raw[:gtrid])
	if bqual := raw[gtrid:]; len(bqual) > 0 || r["formatID"] != "1" {
		id += "," + xidPart(bqual) + "," + r["formatID"]
	}
	return id
}

func xidPart(raw []byte) string {
	for _, b := range raw {
		if b < ' ' || b > '~' || b == '\'' || b == '\\' {
			return "X'" + hex.EncodeToString(raw) + "'"
		}
	}
	return "'" + string(raw) + "'"
}
