package dbsync

// checkIdentity: two servers, with two ids. Events are told apart by server_id: with one id for both each drops the other's.
func checkIdentity(v ringView) []Finding {
	a, b := v.sides[0], v.sides[1]
	f := Finding{Check: "identity", Seen: a.name() + " in " + a.room + ", " + b.name() + " in " + b.room,
		Wanted: "two servers with different server_id", OK: true}
	switch {
	case v.same:
		f.OK = false
		f.Seen = "both DSNs lead to the same server (" + a.name() + ")"
		f.Do = "look at the DSN of " + a.room + " (" + a.addr + ") and of " + b.room + " (" + b.addr + "): one of them names the wrong master"
	case a.id() == b.id() && a.d.identity != "server_id":
		f.OK = false
		f.Do = "one is a copy of the other's folder: remove auto.cnf from one of them and restart it (fenced)"
	case a.vars["server_id"] == b.vars["server_id"]:
		f.OK = false
		f.Seen = "server_id " + a.vars["server_id"] + " on both"
		f.Do = "give one of them another server_id; they can't replicate from each other like this"
	}
	return []Finding{f}
}
