// Package writer decides who may be the writer of a pair of masters, and what is to be done next to get there. Nothing that is
// acknowledged is lost, never do both masters take writes, and a state without a writer has a name and a way out.
//
// # The record
//
// One Record per pair, in Consul or in a file, is the only decision. It goes
//
//	STABLE(A) ──► FENCING(A→B) ──► COMMIT(A→B) ──► STABLE(B)
//	   ▲               │
//	   └──── ABORT ◄───┘
//
// and each arrow is a compare-and-set that also checks the Consul session of whoever writes. FENCING decides nothing: A is being
// closed. COMMIT and ABORT are both set over the same FENCING, so only one of them can be (R3): after COMMIT A is never opened in this
// epoch, after ABORT B never is. Clients follow the record (Record.Publishes): to A until COMMIT, to B from then on (R11).
//
// # Rounds
//
// Whoever acts, a run, one that takes over from a dead one, a guard, does so in rounds, and knows nothing but what this round saw:
//
//	① the Consul lock: see that it is ours, or take it with a new session
//	② on each server that answers, if ① is ours: KILL the holder of its lock, take the lock (R1); a session of ours that is whole stays
//	③ read the record                                     Fencer.Read
//	④ look at the record's writer  ⑤ and at the other     Fencer.Saw
//	⑥ Decide
//	⑦ do that one thing                                   Fencer.Sending or Opening before, Answered after
//
// A clean answer to ⑦ leads to ③; everything else is unknown, and so is a session that breaks: both lead to ①, and ② makes sure that
// nothing older can still land on a server. Not to ② at once: two processes that have both lost the Consul lock and don't know it would
// end each other's sessions for ever (the explorer found that). Without ① nobody's session is ended: the fencer goes on to ③ with those
// that it has, for its licence; everyone else waits. A compare-and-set without an answer may still land, and is only settled by what
// Fencer.Answered and Fencer.Read say (R6).
//
// Decide is pure, total, and is what real runs, simulated rooms and the explorer in this package's tests all call. It takes the
// record, what was Seen, what is wanted, and what this process remembers of its own doing (Fencer): a process that fenced A itself, on
// two sessions that haven't broken since, may do a little more than the record alone allows. Everything else is decided from the
// record and the servers, so that any process can go on from anywhere.
//
// # Who calls it
//
// dbsync has the verbs (look, fence, kill, wait, open) and fills in Server; positions are opaque here, and the servers compare them
// (BeyondOf). consul stores the record, and refuses what doesn't follow (Record.Follows). The engine hands over a wish, Want: the
// way back, and a budget that is spent before COMMIT, is the wish for the old writer's room. Decide doesn't know the time: Budget is for its
// caller, who changes the wish when Budget.LastCommit is over, or when a fence was answered 1205 too often.
//
// Rules R1 to R16 and rows of the table are those of the specification of the writer move; each is named where it stands:
//
//	R1  lock before anything      guards             R9   wait again before an open  openNew, openOld
//	R2  no open over a pending    guards             R10  ABORT has its row          abort
//	R3  COMMIT or ABORT           undo, Record.next  R12  a restart comes up fenced  stable (its price), nothing here proves it
//	R4  the fencer's licence      Fencer.mayUndo     R13  kill, XA, position         quieten, forward
//	R5  once COMMIT was sent      Fencer.Sending     R14  both variables             Server.Mode
//	R6  what settles              Fencer.Read        R15  A's position, COMMIT first forward, openNew
//	R7  COMMIT blind              mayCommitBlind     R16  markers                    believed
//	R8  COMMIT under both locks   guards
//
// # The explorer
//
// The tests hold a model of two servers, clients, replication, Consul and two tools that call Decide, and walk every state that it can
// get into with one fault of every kind; `make model` does so with every pair of kinds. See MUTANTS.md for what it catches if a rule
// is left out.
package writer
