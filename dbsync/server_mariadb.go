package dbsync

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verbs is how an engine is asked to do what a move of the write role needs.
type verbs struct {
	fence   string   // the statement
	blocks  string   // asks who may hold a fence up, beside the list of connections: see likely and holders
	kill    string   // the right to end another account's connection
	fenced  string   // the right to fence and open
	process string   // is refused without PROCESS
	status  string   // the right to see how replication stands
	xa      string   // the right to see branches that are prepared, "" none is needed
	xaForm  string   // of XA RECOVER: as text that XA COMMIT takes
	bypass  []string // rights that pass the fence by
	events  string   // the right to switch events, where a fence doesn't stop them

	statusTables int
	// at asks for the variables, the position and what compare needs, in one row.
	at      func(a Against) (string, []any)
	compare func(r row, a Against) (p Position, missing, extra string, err error)
	// wait waits, for so many seconds at most, until the position is applied, as far as what the server has doesn't show that already;
	// then it asks as at does. own is the server's own id.
	wait func(a Against, have Position, own string, seconds float64) (string, []any)
}

// mariadbVerbs. A fence there keeps events and accounts with READ_ONLY ADMIN in: those are switched off, and killed.
var mariadbVerbs = verbs{
	fence:        "SET GLOBAL read_only=1",
	kill:         "CONNECTION ADMIN",
	fenced:       "READ_ONLY ADMIN",
	process:      "SHOW ENGINE INNODB MUTEX", // innodb_trx is empty then, without a word
	status:       "SLAVE MONITOR",
	xaForm:       " FORMAT='SQL'",
	blocks:       "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS age FROM information_schema.innodb_trx",
	bypass:       []string{"READ_ONLY ADMIN"},
	events:       "SUPER",
	statusTables: 1,
	at:           func(Against) (string, []any) { return mariadbAt, nil },
	compare:      mariadbCompare,
	wait: func(a Against, have Position, own string, seconds float64) (string, []any) {
		left := stillToCome(a.Other, have, own)
		if left == "" {
			return mariadbAt, nil
		}
		return "DO MASTER_GTID_WAIT(?, ?); " + mariadbAt, []any{left, seconds}
	},
}

const mariadbAt = "SELECT " + readOnlyText + " AS ro, " + readOnlyText + " AS super, @@gtid_binlog_state AS state, @@gtid_slave_pos AS applied, @@event_scheduler AS events"

// mariadbCompare works sets out here: MariaDB can't.
func mariadbCompare(r row, a Against) (p Position, missing, extra string, err error) {
	own, err := has(r["state"], r["applied"])
	other, err2 := readPosition(a.Other)
	allowed, err3 := readPosition(a.Allowed)
	if err := cmp.Or(err, err2, err3); err != nil {
		return "", "", "", err
	}
	if p = own.position(); a.Other == "" {
		return p, "", "", nil
	}
	return p, strings.Join(other.minus(own), ", "), strings.Join(own.minus(other, allowed), ", "), nil
}

// transactions are what a MariaDB server has: the last number of every stream that is in its binlog and, of streams that aren't in it
// at all, how far it has applied their domain. One that was made from a backup knows no more of what was before.
type transactions struct {
	logged  map[stream]uint64
	applied map[stream]uint64
}

// has is what gtid_binlog_state and gtid_slave_pos say.
func has(state, slavePos string) (transactions, error) {
	logged, err := parseState(state)
	applied, err2 := parseState(slavePos)
	for s := range applied {
		if _, known := logged[s]; known {
			delete(applied, s)
		}
	}
	return transactions{logged, applied}, cmp.Or(err, err2)
}

// position is it as text: the streams that are logged and, behind a semicolon, those that are applied only.
func (t transactions) position() Position {
	p := streams(t.logged)
	if len(t.applied) > 0 {
		p += ";" + streams(t.applied)
	}
	return Position(p)
}

func readPosition(p Position) (transactions, error) {
	logged, applied, _ := strings.Cut(string(p), ";")
	return has(logged, applied)
}

// minus is what these are that none of the others has, as "1-2-14..17".
func (t transactions) minus(others ...transactions) []string {
	there := map[stream]uint64{}
	for _, all := range []map[stream]uint64{t.logged, t.applied} {
		for s := range all {
			for _, o := range others {
				there[s] = max(there[s], o.upTo(s))
			}
		}
	}
	return append(ahead(t.logged, there), ahead(t.applied, there)...)
}

// upTo is how far a stream is there.
func (t transactions) upTo(s stream) uint64 {
	if n, known := t.logged[s]; known {
		return n
	}
	var n uint64
	for at, applied := range t.applied {
		if at.domain == s.domain {
			n = max(n, applied)
		}
	}
	return n
}

// streams is a state as text, sorted.
func streams(state map[stream]uint64) string {
	all := slices.SortedFunc(maps.Keys(state), func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	parts := make([]string, len(all))
	for i, s := range all {
		parts[i] = fmt.Sprintf("%d-%d-%d", s.domain, s.server, state[s])
	}
	return strings.Join(parts, ",")
}

// stillToCome is the GTIDs to wait for, one a domain: the last of what a server with a position of its own hasn't. What it wrote itself
// comes round the ring only, so that is waited for where nothing else lacks.
func stillToCome(want, have Position, own string) string {
	wanted, err := readPosition(want)
	had, err2 := readPosition(have)
	if err != nil || err2 != nil {
		return ""
	}
	last := map[uint64]stream{} // by domain
	lacks := func(ownToo bool) {
		for s, n := range wanted.logged {
			if had.upTo(s) < n && (ownToo || fmt.Sprint(s.server) != own) && n >= wanted.logged[last[s.domain]] {
				last[s.domain] = s
			}
		}
	}
	if lacks(false); len(last) == 0 {
		lacks(true)
	}
	out := map[stream]uint64{}
	for _, s := range last {
		out[s] = wanted.logged[s]
	}
	return streams(out)
}
