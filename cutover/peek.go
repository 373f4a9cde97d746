package cutover

import (
	"context"
	"errors"

	"roomshift/cutover/writer"
)

// Peeker looks at a pair and takes nothing: no lock, and nobody's session. What it says may be over when it is read.
type Peeker interface {
	Peek(ctx context.Context, pair string) Peeked
}

// Peeked is a pair as it stands: its record, both servers and who has their locks.
type Peeked struct {
	Record *writer.Record // nil: none, or out of reach
	Index  uint64         // its index
	Err    error          // why the record can't be read
	Keeper string         // where it is kept, for people
	Holder string         // who has its lock, "" nobody
	Claim  string         // the run that the pair belongs to now, "" none
	// Seen is as a round sees it, the record's writer first, but for locks: Preview takes them as had.
	Seen    writer.Seen
	Masters [2]MasterPeek // of Seen.Servers
}

// MasterPeek is what people want to know of a server beside what decides.
type MasterPeek struct {
	Err       error  // why it doesn't answer
	Version   string // engine and number
	Only      string // transactions that only it has, in its own words
	OnlyCount int64  // how many these are, -1: not known
	Pending   []string
	Blockers  []string // who is in the way of what is pending
	Clients   []string // at most a few of them
	Long      []string // transactions that have been open for longer than a second: a move would end them
	Holder    string   // the connection that has its lock, "" none
	Threads   string   // what is wrong with its replication, "" nothing
	Restart   string   // how it comes up, "" not known
	Fenced    writer.Answer
	Weak      string // what of a commit can be lost with its machine, "" nothing
	Events    string // event_scheduler
}

// Answers tells whether the record and both servers could be read.
func (p *Peeked) Answers() bool {
	return !p.Seen.Away && !p.Seen.Servers[0].Away && !p.Seen.Servers[1].Away
}

// Why is what doesn't answer, nil if all does.
func (p *Peeked) Why() error {
	return errors.Join(p.Err, p.Masters[0].Err, p.Masters[1].Err)
}

// Writer is the one room whose server takes writes, "" if none or both do, or one doesn't answer.
func (p *Peeked) Writer() Room {
	at := ""
	for _, s := range p.Seen.Servers {
		switch s.Mode() {
		case writer.ReadWrite:
			if at != "" {
				return ""
			}
			at = s.Room
		case writer.ReadOnly:
		default:
			return ""
		}
	}
	return at
}
