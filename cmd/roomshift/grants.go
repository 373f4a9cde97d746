package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"roomshift/consul"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// What roomshift's accounts need, worked out of rooms.yaml alone: whoever makes them has no account yet.

// account is what one server's account needs.
type account struct {
	Consul string   `json:"consul,omitempty"` // the room whose Consul it is
	DNS    string   `json:"dns,omitempty"`    // the provider of names
	Cloud  string   `json:"cloud,omitempty"`  // the provider's product: DTS, RDS
	Pair   string   `json:"pair,omitempty"`
	Room   string   `json:"room,omitempty"` // of a master
	Where  string   `json:"where"`          // its address, or the environment variable that holds its DSN
	Secret string   `json:"secret,omitempty"`
	Needs  []string `json:"needs"` // lines of a policy, or statements; of a master, MariaDB's
	MySQL  []string `json:"mysql,omitempty"`
	Verify []string `json:"verify,omitempty"` // beside them, where what both masters hold is compared, for each DATABASE
}

// accounts are those that the rooms need, in the order of the file, and for what the runbook does with pairs.
func accounts(rooms *runbooks.Rooms, book *runbooks.Runbook) []account {
	var out []account
	for i := range rooms.Rooms {
		room := &rooms.Rooms[i]
		if room.Consul == nil {
			continue
		}
		out = append(out, account{Consul: room.Name, Where: room.Consul.Addr, Secret: room.Consul.TokenFile, Needs: policyLines(rooms, room.Name)})
	}
	if a, ok := alidnsAccount(rooms); ok {
		out = append(out, a)
	}
	out = append(out, cloudAccounts(rooms)...)
	for i := range rooms.Pairs {
		needs, mysql := dbsync.Grants, dbsync.GrantsMySQL
		if slices.Contains(movedPairs(book), rooms.Pairs[i].Name) {
			needs, mysql = slices.Concat(needs, dbsync.GrantsWriter, dbsync.GrantsPreflight), slices.Concat(mysql, dbsync.GrantsWriterMySQL, dbsync.GrantsPreflightMySQL)
			if weaklyFenced(&rooms.Pairs[i]) {
				mysql = slices.Concat(mysql, dbsync.GrantsTool)
			}
		}
		for _, m := range rooms.Pairs[i].Masters {
			out = append(out, account{Pair: rooms.Pairs[i].Name, Room: m.Room, Where: m.DSNEnv, Needs: statements(needs), MySQL: statements(mysql), Verify: statements(dbsync.GrantsVerify)})
		}
	}
	return out
}

// movedPairs are the pairs whose write role a runbook moves, sorted.
func movedPairs(book *runbooks.Runbook) []string {
	var pairs []string
	for i := range book.Steps {
		if w := book.Steps[i].Writer; w != nil {
			pairs = append(pairs, w.Pairs...)
		}
	}
	slices.Sort(pairs)
	return slices.Compact(pairs)
}

// policyLines is the policy of the token for a room's Consul: a lock, claims, and what is written there.
func policyLines(rooms *runbooks.Rooms, room string) []string {
	var keys []string
	for _, spec := range keysIn(rooms, room) {
		keys = append(keys, spec.Key)
	}
	keys = append(keys, onlyKeys(rooms, room)...)
	lines := strings.Split(strings.TrimSpace(consul.Policy(rooms.Control.Prefix, keys...)), "\n")
	lines = slices.Concat(lines, upstreamPolicy(rooms, room), serviceRights(rooms, room))
	lines = append(lines, publishRights(rooms)...)
	for _, l := range slices.Concat(readerRights(rooms, room), onlyRights(rooms)) {
		if !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return lines
}

// grantUser stands for the account in statements; where roomshift runs, only its owner knows.
const grantUser = "roomshift@'HOST'"

// statements are those of dbsync as they can be copied; nil stays nil.
func statements(grants []string) []string {
	var out []string
	for _, g := range grants {
		out = append(out, strings.NewReplacer("{user}", grantUser, "{database}", "DATABASE").Replace(g)+";")
	}
	return out
}

// grantsPage prints every account for the people who make them: what can be copied is indented by four.
func grantsPage(w io.Writer, rooms *runbooks.Rooms, book *runbooks.Runbook) {
	all := accounts(rooms, book)
	for _, a := range all {
		if a.Consul == "" {
			continue
		}
		file := a.Secret
		if file == "" {
			file = "none: without tokenFile roomshift asks as nobody"
		}
		fmt.Fprintf(w, "CONSUL   %s, %s · token: %s\n", a.Consul, a.Where, file)
		indented(w, a.Needs)
	}
	for _, a := range all {
		if a.DNS != "" {
			alidnsGrants(w, a)
		}
	}
	for _, a := range all {
		if a.Cloud != "" {
			cloudGrants(w, a)
		}
	}
	masters := 0
	for _, a := range all {
		if a.Pair != "" {
			fmt.Fprintf(w, "%-8s %s in %s · DSN: $%s\n", first(masters, "MASTER"), a.Pair, a.Room, a.Where)
			masters++
		}
	}
	if masters == 0 {
		return
	}
	moved := movedPairs(book)
	never := "never SUPER, READ_ONLY ADMIN or CONNECTION_ADMIN"
	if len(moved) > 0 {
		never += " but where the write role is moved"
	}
	fmt.Fprintln(w, "on each of them, HOST being where roomshift runs; "+never+":")
	indented(w, []string{"CREATE USER " + grantUser + " IDENTIFIED BY '…';"})
	fmt.Fprintln(w, "on MariaDB:")
	indented(w, statements(dbsync.Grants))
	fmt.Fprintln(w, "on MySQL:")
	indented(w, statements(dbsync.GrantsMySQL))
	if len(moved) > 0 {
		fmt.Fprintf(w, "beside these on both masters of %s, whose write role is moved; on MariaDB (SUPER switches events off: leave it out where event_scheduler is off):\n", strings.Join(moved, ", "))
		indented(w, statements(dbsync.GrantsWriter))
		fmt.Fprintln(w, "on MySQL:")
		indented(w, statements(dbsync.GrantsWriterMySQL))
		fmt.Fprintln(w, "and these, so that definitions and accounts of both are compared before a move; leave them out, and that it isn't compared is said; on MariaDB:")
		indented(w, statements(dbsync.GrantsPreflight))
		fmt.Fprintln(w, "on MySQL:")
		indented(w, statements(dbsync.GrantsPreflightMySQL))
		weakGrants(w, rooms, moved)
	}
	fmt.Fprintln(w, "where `roomshift verify` compares what both masters hold, for each DATABASE, on both kinds:")
	indented(w, statements(dbsync.GrantsVerify))
	fmt.Fprintln(w, "CREATE is for `roomshift check --live --init`, which makes this table; leave it out where you make it:")
	var table []string
	for _, s := range dbsync.HeartbeatTable {
		table = append(table, strings.Split(s+";", "\n")...)
	}
	indented(w, table)
	barrierTable(w, rooms)
}

// weakGrants prints what moves need beside where read_only is all of the fence.
func weakGrants(w io.Writer, rooms *runbooks.Rooms, moved []string) {
	if !slices.ContainsFunc(rooms.Pairs, func(p runbooks.Pair) bool { return slices.Contains(moved, p.Name) && weaklyFenced(&p) }) {
		return
	}
	fmt.Fprintln(w, "and on MySQL where a tool keeps the pair or a provider fences the master, to see who passes read_only by:")
	indented(w, statements(dbsync.GrantsTool))
}

// barrierTable prints the other table of a pair that a tool keeps.
func barrierTable(w io.Writer, rooms *runbooks.Rooms) {
	if !slices.ContainsFunc(rooms.Pairs, func(p runbooks.Pair) bool { return p.DTS != nil }) {
		return
	}
	fmt.Fprintln(w, "and, on both masters of a pair that a tool keeps, this one; its tasks carry the database roomshift both ways:")
	indented(w, strings.Split(dbsync.BarrierTable+";", "\n"))
}

// weaklyFenced: read_only is all of the fence, for a tool writes behind it or a provider sets nothing else.
func weaklyFenced(p *runbooks.Pair) bool {
	return p.DTS != nil || p.Masters[0].Fence != nil || p.Masters[1].Fence != nil
}

func indented(w io.Writer, lines []string) {
	for _, l := range lines {
		fmt.Fprintln(w, "    "+l)
	}
}
