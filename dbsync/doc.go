// Package dbsync reads what two MySQL masters that replicate from each other say: who takes the writes, whether the ring is
// sound, and how far each direction lags.
//
// Laws of this package:
//
//  1. It writes nothing but rows of roomshift.heartbeat, on the master that takes the writes, and only while that master says
//     that it does. On the fenced master nothing is ever written.
//  2. Every stamp is this process's own. Clocks of servers are never compared with each other or with ours; only a span
//     within one statement is taken from a server.
//  3. Not knowing is never a number. An error, NULL, a stopped thread or silence is Unknown with its reason.
//  4. A DSN is in no error, and neither is any part of one but its address.
//
// Along the data: ring.go opens both masters, look.go asks who is writable, check.go and check_*.go judge the ring, watch.go
// measures: beat.go writes a heartbeat, wait.go asks the masters to wait for it, bounds.go turns stamps into lag, leg.go
// follows one heartbeat round the ring, idle.go tells a quiet direction from a cut one, track.go decides what is said.
package dbsync
