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
	// Clients counts connections from before the fence that aren't replication's or ours. A process that didn't see the fence
	// count all of them.
	Clients int
	XA      []string // prepared transactions
	// Still: its position was read twice, a round trip apart, after Clients and XA, and is the same.
	Still bool
	Pos   string // executed position, opaque
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

// Sets compares positions; dbsync has one per dialect.
type Sets interface {
	// Minus is what a has and b hasn't; empty if nothing.
	Minus(a, b string) (string, error)
	// Born reports whether a server, by its identity, is the origin of all of it.
	Born(pos, id string) (bool, error)
}

// BeyondOf says what of a position, executed on the server id, isn't in the other's, leaving out what is allowed to differ.
func BeyondOf(sets Sets, id, pos, other, allowed string) Beyond {
	rest, err := sets.Minus(pos, other)
	if err == nil && rest != "" && allowed != "" {
		rest, err = sets.Minus(rest, allowed)
	}
	if err != nil || pos == "" {
		return BeyondUnknown
	}
	if rest == "" {
		return BeyondNone
	}
	own, err := sets.Born(rest, id)
	switch {
	case err != nil:
		return BeyondUnknown
	case own:
		return BeyondOwn
	default:
		return BeyondLost
	}
}

// CoversOf says whether an executed position has all of another.
func CoversOf(sets Sets, executed, pos string) Answer {
	if pos == "" {
		return NotKnown
	}
	rest, err := sets.Minus(pos, executed)
	switch {
	case err != nil:
		return NotKnown
	case rest == "":
		return Yes
	default:
		return No
	}
}
