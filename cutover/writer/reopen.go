package writer

// onlyReopen lets through what opening a writer takes that came up closed (STABLE, both fenced), and refuses the rest: who said that it
// may be opened hasn't said that anything else may be done.
func onlyReopen(rec *Record, a Act) Act {
	stable := rec != nil && rec.Phase == Stable
	switch a.Do {
	case Done, Refuse, Lock, Look, Settle:
		return a
	case Open, Wait:
		if stable && a.Room == rec.Writer {
			return a
		}
	case Hold:
		if !a.Ask {
			return a
		}
	}
	toDo := "nothing of that is done by reopening"
	switch {
	case a.Do == Hold:
		toDo = a.Reason.ToDo
	case rec != nil && !stable:
		toDo = "a move is in between: take its run over, or move the writer to where it is to be"
	}
	r := a.Reason
	return Act{Do: Refuse, Alarm: a.Alarm, Reason: Reason{Row: r.Row, Object: r.Object, Seen: r.Seen, Wanted: "a writer that came up closed, and nothing else", ToDo: toDo}}
}
