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
	own, err := parseState(r["state"])
	applied, err2 := parseState(r["applied"])
	other, err3 := parseState(string(a.Other))
	allowed, err4 := parseState(string(a.Allowed))
	if err := cmp.Or(err, err2, err3, err4); err != nil {
		return "", "", "", err
	}
	full := with(own, applied, other)
	for s, n := range applied {
		own[s] = max(own[s], n)
	}
	p = positionOf(own)
	if a.Other == "" {
		return p, "", "", nil
	}
	missing = strings.Join(ahead(other, full), ", ")
	for s, n := range allowed {
		other[s] = max(other[s], n)
	}
	return p, missing, strings.Join(ahead(own, other), ", "), nil
}

// with is what a server has: its binlog's state and, of the streams of another server that aren't in that at all, how far it has applied
// their domain. One that was made from a backup knows no more of what was before.
func with(state, applied, other map[stream]uint64) map[stream]uint64 {
	domains := map[uint64]uint64{}
	for s, n := range applied {
		domains[s.domain] = max(domains[s.domain], n)
	}
	full := maps.Clone(state)
	for s, n := range other {
		if _, known := state[s]; !known && domains[s.domain] >= n {
			full[s] = n
		}
	}
	return full
}

// positionOf is a state as text, sorted.
func positionOf(state map[stream]uint64) Position {
	streams := make([]stream, 0, len(state))
	for s := range state {
		streams = append(streams, s)
	}
	slices.SortFunc(streams, func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	parts := make([]string, len(streams))
	for i, s := range streams {
		parts[i] = fmt.Sprintf("%d-%d-%d", s.domain, s.server, state[s])
	}
	return Position(strings.Join(parts, ","))
}

// stillToCome is the GTIDs to wait for, one a domain: the last of what a server with a position of its own hasn't. What it wrote itself
// comes round the ring only, so that is waited for where nothing else lacks.
func stillToCome(want, have Position, own string) string {
	wanted, err := parseState(string(want))
	had, err2 := parseState(string(have))
	if err != nil || err2 != nil {
		return ""
	}
	last := map[uint64]uint64{} // by domain
	lacks := func(ownToo bool) {
		for s, n := range wanted {
			if had[s] < n && (ownToo || fmt.Sprint(s.server) != own) {
				last[s.domain] = max(last[s.domain], n)
			}
		}
	}
	if lacks(false); len(last) == 0 {
		lacks(true)
	}
	out := map[stream]uint64{}
	for s, n := range wanted {
		if last[s.domain] == n {
			out[s] = n
		}
	}
	return string(positionOf(out))
}
