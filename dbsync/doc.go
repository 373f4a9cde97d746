// Package dbsync reads what two MySQL masters that replicate from each other say: who takes the writes, whether the ring is
// sound, and how far each direction lags.
//
// Laws of this package:
//
//  1. It writes nothing but rows of roomshift.heartbeat, on the master that takes the writes, and only while that master says
//     that it does. On the fenced master nothing is ever written, but barriers and beats of a move of a pair that a tool keeps (synced.go). Server alone changes anything else: it fences, opens, ends
//     connections, switches events, makes a master come up fenced; each where a method says so, and only when it is called.
//  2. Every stamp is this process's own. Clocks of servers are never compared with each other or with ours; only a span
//     within one statement is taken from a server.
//  3. Not knowing is never a number. An error, NULL, a stopped thread or silence is Unknown with its reason.
//  4. A DSN is in no error, and neither is any part of one but its address.
//
// Along the data: ring.go opens both masters, look.go asks who is writable, check.go and check_*.go judge the ring, watch.go
// measures: beat.go writes a heartbeat, wait.go asks the masters to wait for it, bounds.go turns stamps into lag, leg.go
// follows one heartbeat round the ring, idle.go tells a quiet direction from a cut one, track.go decides what is said.
//
// A move of the write role: server.go has the session that holds a master's lock (its laws stand at Server), server_ask.go what an
// answer means, server_look.go reads a master in one round trip, server_fence.go fences and opens, server_kill.go ends its clients,
// synced.go has pairs that a tool keeps, with what a move of one rests on, fencedby.go masters that their provider fences;
// server_wait.go is the position at which it came to rest and the wait for it, server_seen.go what writer.Decide is told.
//
// Whether both masters hold the same: verify.go goes through the tables in chunks, verify_side.go asks one master and may write nothing there,
// verify_tables.go lists what there is, verify_sql.go has the statements and how each type is read, verify_rows.go finds the rows that
// differ, comparison.go is what came of it and where that is kept.
package dbsync
