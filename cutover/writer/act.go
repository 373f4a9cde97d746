package writer

import "fmt"

// Do is what is to be done.
type Do uint8

const (
	Hold   Do = iota // nothing; look again from ①: a person, or the world, must change something first
	Done             // nothing: the record, the servers and the wish agree. A run may end
	Refuse           // the move isn't begun; nothing was changed. A run may end
	Lock             // go to ①: take the Consul lock if it is lost, and the lock of every server that answers; on Room's with a new session
	Look             // go to ③
	Settle           // destroy this process's Consul session, so that nothing that it sent can land; then ①
	Prove            // write something to the record's keeper, so that COMMIT isn't its first
	Kill             // KILL all clients of Room's server but replication, dump threads and ours, bypass accounts first
	Wait             // wait on Room's server, bounded, until it has executed Pos
	Fence            // SET GLOBAL read_only=1 or super_read_only=1 on Room's server, in the session that holds its lock
	Open             // SET GLOBAL read_only=0 on Room's server, in the session that holds its lock
	Write            // compare-and-set of Next over the record that was read
)

func (d Do) String() string {
	names := [...]string{"hold", "done", "refuse", "lock", "look", "settle", "prove", "kill", "wait", "fence", "open", "write"}
	if int(d) < len(names) {
		return names[d]
	}
	return "?"
}

// Act is the one request of a round. A clean answer to it leads to ③, anything else to ①.
type Act struct {
	Do     Do
	Room   string // Kill, Wait, Fence, Open; Lock, perhaps
	Pos    string // Wait
	Next   Record // Write; not signed yet
	Undo   bool   // Open: by the fencer's licence (R4); ABORT isn't written
	Alarm  bool   // something is wrong that people must hear of
	Ask    bool   // Hold: only a person can go on
	Reason Reason
}

// Reason is why, for people: the object, what was seen, what was wanted, what is done or to be done.
type Reason struct {
	Row    string // of the table of WRITER §4: phase, writer / other
	Object string
	Seen   string
	Wanted string
	ToDo   string
}

func (r Reason) String() string {
	return fmt.Sprintf("%s: %s: seen %s; wanted %s: %s", r.Row, r.Object, r.Seen, r.Wanted, r.ToDo)
}

// Want is the wish that the engine hands over.
type Want struct {
	// Room that is to be the writer. The way back, and a budget that is spent before COMMIT, is the old writer's room.
	Room string
	// Create is a person's word that a record may be created where there is none.
	Create bool
	// Reopen is a person's word that the writer of a STABLE record is opened where it came up closed, and that nothing else is done: no
	// record is written, and whatever else would be is refused. Room is that writer's.
	Reopen bool
}
