// Package movers moves the write roles of real pairs: two masters by their lock sessions (dbsync.Server), the record in a Consul or in a
// file (consul.RecordKey, consul.RecordFile). It is the one place where both are joined, and holds what a round of package
// cutover/writer asks for; what is done next is decided by the engine.
//
// Laws:
//
//   - One thing is under way for a pair at a time: a round, an act, a letting go.
//   - A session on a master that isn't the one noted at the end of the last round broke, whenever that was, and is reported once. A round
//     that began at ③ goes to ① then, and one in which a session breaks begins again, once.
//   - A session is taken only behind a reading in which the Consul lock was ours (②).
//   - A clean refusal of a server, or of the record's keeper, is Failed. Everything else but an OK is Unknown.
//   - What must be remembered of a move beside its record, whether the writer's events were on, is noted beside the record before FENCING is
//     written. Events are switched off before every fence, and on again, on the writer, before STABLE is written: whoever goes on with a
//     move writes STABLE at last, so none of it rests on the process that began.
//   - The marker row, and that it arrives on the other side, come after STABLE, when the pair is let go. Without them the move is done all
//     the same, and people are told.
package movers
