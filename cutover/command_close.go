package cutover

// close ends a run for good: at rest it is done; else it is left as it stands, and the code says so.
func (e *engine) close(c Command) {
	if e.writersOpen() {
		e.refuse(c, "the writer of a pair stands between its sides, and nobody else would bring it to one: wait, or stop this process")
		return
	}
	x := e.closeCode()
	e.obey(c)
	e.closed = true
	e.over(x, []Cause{{Gate: "person", Text: "closed by " + c.Who}})
	e.say(c, true, "closed (exit %d)", x)
}

func (e *engine) closeCode() Exit {
	switch {
	case e.openCount() > 0:
		return ExitUnknown
	case e.p.Phase == PhaseResting && e.p.Exit == ExitResting:
		return ExitDone
	case e.p.Phase == PhaseResting:
		return e.p.Exit
	case !e.p.Changed:
		return ExitNothing
	}
	return ExitStopped
}
