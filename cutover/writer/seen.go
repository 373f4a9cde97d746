package writer

// Seen is what one round saw (WRITER §1, ② to ⑤). Nothing in it is older than the round.
type Seen struct {
	// Away: the record couldn't be read, consistently, from its keeper (Consul, or a file).
	Away bool
	// Lock: this process's Consul session is alive and holds the pair's lock.
	Lock bool
	// Proven: a write to the keeper was answered OK in this attempt, or a consistent reading had its leader's quorum.
	Proven  bool
	Servers [2]Server
}

// Server is what one server said.
type Server struct {
	Room string
	ID   string // identity; as the record's Servers
	// Away: it doesn't answer. The rest is then as if it hadn't been asked.
	Away bool
	// Locked: an unbroken session of this process holds the server-side lock (R1). Fresh: since this very round, so that whatever
	// was under way in a session of an older holder is gone.
	Locked, Fresh bool
	// ReadOnly and SuperReadOnly are both variables. Where there is only one (MariaDB) both are that one.
	ReadOnly, SuperReadOnly bool
	// Pending names the connection in which a SET of these waits; empty: none is known.
	Pending string
	// Clients counts connections that aren't replication's or ours, were there when this process first saw the fence in place, and
	// still are. Those that came later carry nothing from before it: readers that come back don't hold up a move.
	Clients int
	XA      []string // prepared transactions
	// Still: its position was read twice, a round trip apart, after Clients and XA, and is the same.
	Still bool
	Pos   string // executed position, opaque
	// Received is how far it has received what the other executes, opaque: for people, nothing is decided by it.
	Received string
	// Beyond says what it has executed that the other hasn't. Meaningless for a server that takes writes.
	Beyond Beyond
	// Covers: it has executed the position that PosFor names.
	Covers Answer
	// Receives: it gets and applies what the other executes; both its replication threads run.
	Receives Answer
	Marker   Marker
}

// Marker is the row that the last finished move wrote (R16).
type Marker struct {
	Epoch  int64
	Writer string
}

// Answer is yes, no, or not known.
type Answer uint8

const (
	NotKnown Answer = iota
	Yes
	No
)

// Beyond is what a server has executed that the other hasn't, but for what is allowed to differ.
type Beyond uint8

const (
	BeyondUnknown Beyond = iota
	BeyondNone           // the other has all of it
	BeyondOwn            // transactions born on this server: on their way, or errant
	BeyondLost           // transactions born on the other server, which the other has lost
)

// Mode is what a server lets clients do.
type Mode uint8

const (
	ModeAway Mode = iota
	ReadWrite
	Pending // a fence has been asked for and isn't in place, or only half of it is
	ReadOnly
)

// Mode is fenced only when both variables say so (R14).
func (s Server) Mode() Mode {
	switch {
	case s.Away:
		return ModeAway
	case s.Pending != "" || s.ReadOnly != s.SuperReadOnly:
		return Pending
	case s.ReadOnly:
		return ReadOnly
	default:
		return ReadWrite
	}
}

func (m Mode) String() string {
	switch m {
	case ModeAway:
		return "away"
	case ReadWrite:
		return "rw"
	case Pending:
		return "pending"
	case ReadOnly:
		return "ro"
	}
	return "?"
}

// Quiet: nothing can add to its position any more (R13).
func (s Server) Quiet() bool {
	return s.Mode() == ReadOnly && s.Locked && s.Clients == 0 && len(s.XA) == 0 && s.Still && s.Pos != ""
}

// BeyondOf names a difference of positions, which servers work out themselves: rest is what a server has executed and the other hasn't,
// without what is allowed to differ; born says whether all of it was born on that server, by the origin in each GTID.
func BeyondOf(rest string, born Answer) Beyond {
	switch {
	case rest == "":
		return BeyondNone
	case born == Yes:
		return BeyondOwn
	case born == No:
		return BeyondLost
	default:
		return BeyondUnknown
	}
}
