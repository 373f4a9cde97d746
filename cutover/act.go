package cutover

// What a crossing comes to: the tables of ENGINE §4 and DESIGN §4 as data. Deciding is pure; three rows are asked, of the rooms,
// of a pair, of a line, and the strongest act of them is done: freeze over back over hold.

// FewMoved is how much of all requests, in basis points, may have moved so that going back in the dark is the lesser harm.
const FewMoved = 500

// Side is a place as a run sees it.
type Side uint8

// The sides. SideNone: there is no pair, or none between the run's rooms; SideUnknown: nobody takes the writes, or nobody can say who.
const (
	SideNone Side = iota
	SideFrom
	SideTo
	SideUnknown
)

// Direction is the condition of one direction of replication. Unjudged: idle. PastAbort: the newest value is past its abort limit,
// for however short.
type Direction struct {
	Color     Color
	PastAbort bool
}

func (d Direction) unknown() bool { return d.Color == Blind || d.Color == Dark }

// shut: nothing gets through in time, or nobody can say.
func (d Direction) shut() bool { return d.Color == Red || d.Color == Dark }

// Situation is all that the acts of a moment follow from. Of several pairs or lines, each is asked by itself.
type Situation struct {
	Phase    Phase
	Evacuate bool

	To, From        Color // conditions: Green, Amber, Red, Dark, Unjudged
	OutOfZero       bool  // To carries nothing yet
	NoShare         bool  // the run moves no share: where nothing judges either room, pairs and lines do
	Few             bool  // at most FewMoved has moved
	ProbeAnswers    bool  // From's
	ProbeAwaited    bool  // From's probe was asked, and hasn't said anything since this process began
	ReplicationSeen bool
	Fails           bool // To fails outright
	WriterSick      bool // what is past its limit in To is the database of a writer that can return
	Watch           bool // the watch window of a writer moved in this run is open

	Writer  Side      // of the pair
	Out, In Direction // from the writer's room, and to it; of SideUnknown: to To, and to From
	RawOut  Direction // as measured, whatever was muted or answered …
	RawIn   Direction // … for a cut is a cut
	CutOff  bool      // a person answered that the rooms may be cut
	Returns bool      // going back would bring the writer back to From
	OnLost  string    // of the pair: "traffic" lets traffic leave a room that fails while the writer can't follow

	Line       Color // of the line between the rooms
	MostlyTo   bool  // at least half of all requests are in To
	FewerCross bool  // after going back fewer requests and writes would cross
}

// Row names a row of the tables.
type Row uint8

// The rows that can lead to an act.
const (
	RowNone Row = iota
	RowRooms
	RowOut     // replication from the writer's room
	RowIn      // the other direction
	RowCut     // both directions
	RowLine    // the line between the rooms
	RowOnAbort // the gate's own
	RowThird   // another room, pair or line than the run's
)

// Decision is an act and how to do it.
type Decision struct {
	Act          Act
	Row          Row
	WritersFirst bool // going back begins with the writers
	TrafficOnly  bool // going back leaves the writers where they are
}

// Decide is the act of a situation with one pair and one line at most.
func Decide(s Situation) Decision {
	switch s.Phase {
	case PhaseFrozen:
		return Decision{Act: Freeze}
	case PhaseOver:
		return Decision{Act: Hold}
	}
	return stronger(stronger(decideRooms(&s), decidePair(&s)), decideLine(&s))
}

// strength orders acts; what isn't an act is the weakest.
func strength(a Act) int {
	switch a {
	case Freeze:
		return 3
	case Back:
		return 2
	case Hold:
		return 1
	}
	return 0
}

// stronger is the stronger of two decisions. Two that go back leave the writers alone if one of them says so.
func stronger(a, b Decision) Decision {
	sa, sb := strength(a.Act), strength(b.Act)
	if sb > sa {
		return b
	}
	if sa == sb && a.Act == Back {
		a.TrafficOnly = a.TrafficOnly || b.TrafficOnly
		a.WritersFirst = (a.WritersFirst || b.WritersFirst) && !a.TrafficOnly
	}
	return a
}

// cell is what a cell of the table of rooms says.
type cell uint8

const (
	cellHold       cell = iota
	cellAdvance         // while going back: go on
	cellOutOfZero       // advance only out of 0 %, else hold
	cellBack            //
	cellFreeze          //
	cellWatch           // freeze; with an open watch window back, writer first
	cellProbe           // back if From's probe answers, else freeze
	cellFew             // back if few have moved, else freeze
	cellFewSeen         // back if few have moved and replication is seen, else freeze
	cellFailsWatch      // go on if To fails outright or the watch window is open, else freeze
	cellProbeSeen       // go on if From's probe answers, or few have moved and replication is seen; else freeze
	cellProbeGo         // go on if From's probe answers, else freeze
)

// Columns and rows of the table of rooms.
const (
	colGreen = iota
	colAmber
	colRed
	colDark
	colNone
)

// forwardTable is ENGINE §4's table: its rows are To's condition, its columns From's: green, amber, red, dark, –.
var forwardTable = [5][5]cell{
	colRed:   {cellBack, cellBack, cellWatch, cellProbe, cellProbe},
	colAmber: {cellHold, cellHold, cellFreeze, cellHold, cellHold},
	colGreen: {cellAdvance, cellHold, cellFreeze, cellHold, cellAdvance},
	colNone:  {cellOutOfZero, cellHold, cellFreeze, cellHold, cellHold},
	colDark:  {cellFew, cellFew, cellFreeze, cellFewSeen, cellFew},
}

// backTable is its last row: while going back, whatever To's condition is.
var backTable = [5]cell{cellAdvance, cellHold, cellFailsWatch, cellProbeSeen, cellProbeGo}

func column(c Color) int {
	switch c {
	case Green:
		return colGreen
	case Amber, Blind:
		return colAmber
	case Red:
		return colRed
	case Dark:
		return colDark
	}
	return colNone
}

func decideRooms(s *Situation) Decision {
	c := forwardTable[column(s.To)][column(s.From)]
	if s.Phase == PhaseBack {
		c = backTable[column(s.From)]
	}
	d := Decision{Act: c.act(s), Row: RowRooms}
	if s.NoShare && column(s.From) == colNone && (s.Phase == PhaseBack || d.Act == Hold && column(s.To) == colNone) {
		d.Act = Advance
	}
	d.WritersFirst = d.Act == Back && (c == cellWatch || s.WriterSick)
	if s.Evacuate {
		d = evacuated(d)
	}
	return d
}

func (c cell) act(s *Situation) Act {
	few, seen := s.Few, s.Few && s.ReplicationSeen
	switch c {
	case cellAdvance:
		return Advance
	case cellOutOfZero:
		return choose(s.OutOfZero, Advance, Hold)
	case cellBack:
		return Back
	case cellFreeze:
		return Freeze
	case cellWatch:
		return choose(s.Watch, Back, Freeze)
	case cellProbe:
		return choose(s.ProbeAnswers, Back, choose(s.ProbeAwaited, Hold, Freeze))
	case cellFew:
		return choose(few, Back, Freeze)
	case cellFewSeen:
		return choose(seen, Back, Freeze)
	case cellFailsWatch:
		return choose(s.Fails || s.Watch, Advance, Freeze)
	case cellProbeSeen:
		return choose(s.ProbeAnswers || seen, Advance, choose(s.ProbeAwaited, Hold, Freeze))
	case cellProbeGo:
		return choose(s.ProbeAnswers, Advance, choose(s.ProbeAwaited, Hold, Freeze))
	}
	return Hold
}

func choose(yes bool, a, b Act) Act {
	if yes {
		return a
	}
	return b
}

// evacuated: nothing sends traffic back into the room that is left for good, and nothing stops it from leaving.
func evacuated(d Decision) Decision {
	switch d.Act {
	case Back:
		return Decision{Act: Hold, Row: d.Row}
	case Freeze:
		return Decision{Act: Advance, Row: d.Row}
	}
	return d
}

// decidePair is the rows of replication.
func decidePair(s *Situation) Decision {
	if s.Evacuate || s.Writer == SideNone {
		return Decision{Act: Advance}
	}
	if cut(s.RawOut, s.RawIn) && !s.CutOff {
		return Decision{Act: Freeze, Row: RowCut}
	}
	back := s.Phase == PhaseBack
	switch {
	case s.Writer == SideUnknown:
		if s.Out.shut() || s.In.shut() { // nobody can say whose readers are stale
			return Decision{Act: Freeze, Row: RowOut}
		}
	case s.Out.shut():
		return decideOut(s)
	}
	switch {
	case back: // the way home doesn't wait for what is left behind, nor for heartbeats
		return Decision{Act: Advance}
	case troubled(s.Out):
		return Decision{Act: Hold, Row: RowOut}
	case troubled(s.In):
		return Decision{Act: Hold, Row: RowIn}
	}
	return Decision{Act: Advance}
}

func troubled(d Direction) bool { return d.Color != Green && d.Color != Unjudged }

// cut: one direction is red and the other past its abort limit or not known at this moment, or both are dark.
func cut(a, b Direction) bool {
	if a.Color == Dark && b.Color == Dark {
		return true
	}
	return (a.Color == Red && (b.PastAbort || b.Color == Red || b.unknown())) ||
		(b.Color == Red && (a.PastAbort || a.unknown()))
}

// decideOut: the direction from the writer's room is red or dark.
func decideOut(s *Situation) Decision {
	d := Decision{Row: RowOut}
	goOn := Back
	if s.Phase == PhaseBack {
		goOn = Advance
	}
	switch {
	case s.Writer == SideTo && s.Fails && s.OnLost == "traffic":
		d.Act, d.TrafficOnly = goOn, true
	case s.Out.Color == Dark && s.In.unknown() && s.Phase != PhaseBack:
		d.Act = Hold // both may be dark soon: then it is a cut
	case s.Out.Color == Dark && s.Few, s.Out.Color == Red && s.Writer == SideFrom, s.Writer == SideFrom && s.Phase == PhaseBack:
		d.Act, d.TrafficOnly = goOn, s.Writer == SideFrom
	default:
		d.Act = Freeze
	}
	if d.Act == Advance {
		d.TrafficOnly = false
	}
	return d
}

// decideLine is the row of the line between the rooms.
func decideLine(s *Situation) Decision {
	switch {
	case s.Evacuate || s.Phase == PhaseBack || s.Line == Green || s.Line == Unjudged || s.Line == "":
		return Decision{Act: Advance}
	case s.Line != Red:
	case s.Writer == SideTo && s.Returns && !s.MostlyTo && s.Out.Color == Green:
		return Decision{Act: Back, Row: RowLine, WritersFirst: true}
	case s.Writer != SideTo && s.FewerCross:
		return Decision{Act: Back, Row: RowLine}
	}
	return Decision{Act: Hold, Row: RowLine}
}
