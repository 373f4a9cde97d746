package cutover

import (
	"fmt"
	"strings"
	"testing"
)

// actTable is the table of rooms, word for word. Its columns are From's condition: green, amber, red, dark, –.
const actTable = `
red   | back | back | freeze; watch window of a writer moved in this run open: back, writer first | back if its probe answers, else freeze | the same
amber | hold | hold | freeze | hold | hold
green | advance | hold | freeze | hold | advance
–     | hold; advance only out of 0 % | hold | freeze | hold | hold
dark  | back if ≤ 5 % has moved, else freeze | same | freeze | freeze; ≤ 5 % moved and replication seen: back | as green
back  | go on | go on, the next paced rung waits | freeze; go on if to fails outright or the writer's watch window was open when back began | go on if its probe answers, or ≤ 5 % moved and replication seen; else freeze | go on if its probe answers, else freeze
`

var conditions = []Color{Green, Amber, Red, Dark, Unjudged}

var conditionOf = map[string]Color{"red": Red, "amber": Amber, "green": Green, "–": Unjudged, "dark": Dark}

// meaning is what the words of a cell say in a situation.
func meaning(t *testing.T, words string, s Situation) (act Act, writersFirst bool) {
	pick := func(yes bool, a, b Act) Act {
		if yes {
			return a
		}
		return b
	}
	switch words {
	case "back":
		return Back, false
	case "hold":
		return Hold, false
	case "freeze":
		return Freeze, false
	case "advance", "go on":
		return Advance, false
	case "go on, the next paced rung waits":
		return Hold, false
	case "hold; advance only out of 0 %":
		return pick(s.OutOfZero, Advance, Hold), false
	case "freeze; watch window of a writer moved in this run open: back, writer first":
		return pick(s.Watch, Back, Freeze), s.Watch
	case "back if its probe answers, else freeze":
		return pick(s.ProbeAnswers, Back, Freeze), false
	case "back if ≤ 5 % has moved, else freeze":
		return pick(s.Few, Back, Freeze), false
	case "freeze; ≤ 5 % moved and replication seen: back":
		return pick(s.Few && s.ReplicationSeen, Back, Freeze), false
	case "freeze; go on if to fails outright or the writer's watch window was open when back began":
		return pick(s.Fails || s.Watch, Advance, Freeze), false
	case "go on if its probe answers, or ≤ 5 % moved and replication seen; else freeze":
		return pick(s.ProbeAnswers || (s.Few && s.ReplicationSeen), Advance, Freeze), false
	case "go on if its probe answers, else freeze":
		return pick(s.ProbeAnswers, Advance, Freeze), false
	}
	t.Fatalf("the table says %q, which nobody has given a meaning", words)
	return "", false
}

// cells reads the table: To's condition, or "back", then From's.
func cells(t *testing.T) map[string]map[Color]string {
	out := map[string]map[Color]string{}
	for _, line := range strings.Split(strings.TrimSpace(actTable), "\n") {
		parts := strings.Split(line, "|")
		if len(parts) != 6 {
			t.Fatalf("%q has %d columns, want 6", line, len(parts))
		}
		row := map[Color]string{}
		for i, c := range conditions {
			words := strings.TrimSpace(parts[i+1])
			switch words {
			case "the same", "same":
				words = row[conditions[i-1]]
			case "as green":
				words = row[Green]
			}
			row[c] = words
		}
		out[strings.TrimSpace(parts[0])] = row
	}
	return out
}

// everySituation calls f with each combination of the facts that cells ask for, in each place of the writer.
func everySituation(f func(Situation)) {
	for bits := range 64 {
		for _, side := range []Side{SideNone, SideFrom, SideTo, SideUnknown} {
			on := func(k int) bool { return bits>>k&1 == 1 }
			f(Situation{OutOfZero: on(0), Few: on(1), ProbeAnswers: on(2), ReplicationSeen: on(3), Fails: on(4), Watch: on(5),
				Writer: side, Out: Direction{Color: Green}, In: Direction{Color: Green}, RawOut: Direction{Color: Green}, RawIn: Direction{Color: Green}, Line: Green})
		}
	}
}

func TestEveryCellHasExactlyOneAct(t *testing.T) {
	table := cells(t)
	walked := 0
	for _, phase := range []Phase{PhaseForward, PhaseResting, PhaseBack, PhaseFrozen, PhaseOver} {
		for to, words := range conditionOf {
			for _, from := range conditions {
				everySituation(func(s Situation) {
					s.Phase, s.To, s.From = phase, words, from
					row := to
					if phase == PhaseBack {
						row = "back"
					}
					want, first := meaning(t, table[row][from], s)
					switch phase {
					case PhaseFrozen:
						want, first = Freeze, false
					case PhaseOver:
						want, first = Hold, false
					}
					got := Decide(s)
					if got.Act != want || got.WritersFirst != first || got.TrafficOnly {
						t.Fatalf("%s, to %s, from %s, %+v: %+v, want %s (writers first %v)", phase, to, from, s, got, want, first)
					}
					s.Evacuate = true
					if want = underEvacuate(want, phase); Decide(s).Act != want {
						t.Fatalf("evacuating: %s, to %s, from %s: %s, want %s", phase, to, from, Decide(s).Act, want)
					}
					walked++
				})
			}
		}
	}
	if walked != 5*5*5*64*4 {
		t.Fatalf("%d cells walked", walked)
	}
}

// underEvacuate: "in this table back reads hold and freeze reads go on".
func underEvacuate(a Act, p Phase) Act {
	switch {
	case p == PhaseFrozen || p == PhaseOver:
		return a
	case a == Back:
		return Hold
	case a == Freeze:
		return Advance
	}
	return a
}

// TestAProbeThatIsAwaited: what a probe decides isn't decided before its first word.
func TestAProbeThatIsAwaited(t *testing.T) {
	for _, s := range []Situation{
		{Phase: PhaseForward, To: Red, From: Dark}, {Phase: PhaseForward, To: Red, From: Unjudged},
		{Phase: PhaseBack, To: Red, From: Dark}, {Phase: PhaseBack, To: Red, From: Unjudged},
	} {
		yes := Back
		if s.Phase == PhaseBack {
			yes = Advance
		}
		for i, want := range []Act{Freeze, Hold, yes, yes} {
			s.ProbeAwaited, s.ProbeAnswers = i&1 > 0, i&2 > 0
			if got := Decide(s).Act; got != want {
				t.Errorf("%+v: %s, want %s", s, got, want)
			}
		}
	}
}

func dir(c Color) Direction     { return Direction{Color: c} }
func dirPast(c Color) Direction { return Direction{Color: c, PastAbort: true} }

func TestReplicationRows(t *testing.T) {
	type row struct {
		name    string
		s       Situation
		want    Act
		traffic bool // traffic only
	}
	rows := []row{
		{"writer at the start, to the gainer: back, traffic only", Situation{Writer: SideFrom, Out: dirPast(Red)}, Back, true},
		{"the same, heartbeats idle", Situation{Writer: SideFrom, Out: dirPast(Red), In: dir(Unjudged)}, Back, true},
		{"writer moved, to the room that lost: freeze", Situation{Writer: SideTo, Out: dirPast(Red)}, Freeze, false},
		{"the other direction: hold", Situation{Writer: SideFrom, In: dirPast(Red)}, Hold, false},
		{"the other direction, writer moved: hold", Situation{Writer: SideTo, In: dirPast(Red)}, Hold, false},
		{"amber: hold", Situation{Writer: SideFrom, Out: dir(Amber)}, Hold, false},
		{"the other direction amber: hold", Situation{Writer: SideFrom, In: dir(Amber)}, Hold, false},
		{"blind: hold", Situation{Writer: SideFrom, Out: dir(Blind)}, Hold, false},
		{"the other direction idle: not judged", Situation{Writer: SideFrom, In: dir(Unjudged)}, Advance, false},
		{"both red: freeze", Situation{Writer: SideFrom, Out: dirPast(Red), In: dirPast(Red)}, Freeze, false},
		{"one red, the other past abort just now: freeze", Situation{Writer: SideFrom, Out: dirPast(Red), In: dirPast(Green)}, Freeze, false},
		{"the other red, this one past abort just now: freeze", Situation{Writer: SideFrom, Out: dirPast(Amber), In: dirPast(Red)}, Freeze, false},
		{"one red, the other unknown at this moment: freeze", Situation{Writer: SideFrom, Out: dirPast(Red), In: dir(Blind)}, Freeze, false},
		{"the other red, this one unknown: freeze", Situation{Writer: SideFrom, Out: dir(Blind), In: dirPast(Red)}, Freeze, false},
		{"one red, the other amber: not cut", Situation{Writer: SideFrom, Out: dirPast(Red), In: dir(Amber)}, Back, true},
		{"both dark: freeze, few or not", Situation{Writer: SideFrom, Out: dir(Dark), In: dir(Dark), Few: true}, Freeze, false},
		{"both blind, neither long enough: hold", Situation{Writer: SideFrom, Out: dir(Blind), In: dir(Blind)}, Hold, false},
		{"one dark, the other blind: hold until it is a cut", Situation{Writer: SideFrom, Out: dir(Dark), In: dir(Blind), Few: true}, Hold, false},
		{"one dark from the writer's room, few moved: back", Situation{Writer: SideFrom, Out: dir(Dark), Few: true}, Back, true},
		{"the same, more moved: freeze", Situation{Writer: SideFrom, Out: dir(Dark)}, Freeze, false},
		{"the same beside idle: freeze", Situation{Writer: SideFrom, Out: dir(Dark), In: dir(Unjudged)}, Freeze, false},
		{"the same, writer moved, few: back", Situation{Writer: SideTo, Out: dir(Dark), Few: true}, Back, false},
		{"the same, writer moved: freeze", Situation{Writer: SideTo, Out: dir(Dark)}, Freeze, false},
		{"the other direction dark: hold", Situation{Writer: SideFrom, In: dir(Dark)}, Hold, false},
		{"to fails outright, way back shut: freeze", Situation{Writer: SideTo, Out: dirPast(Red), To: Red, Fails: true, OnLost: "freeze"}, Freeze, false},
		{"the same, onLost traffic: back, traffic only", Situation{Writer: SideTo, Out: dirPast(Red), To: Red, Fails: true, OnLost: "traffic"}, Back, true},
		{"onLost traffic, but to doesn't fail outright: freeze", Situation{Writer: SideTo, Out: dirPast(Red), To: Red, OnLost: "traffic"}, Freeze, false},
		{"onLost traffic, but cut: freeze", Situation{Writer: SideTo, Out: dirPast(Red), In: dir(Blind), To: Red, Fails: true, OnLost: "traffic"}, Freeze, false},
		{"nobody can say who writes, red: freeze", Situation{Writer: SideUnknown, In: dirPast(Red)}, Freeze, false},
		{"nobody can say who writes, amber: hold", Situation{Writer: SideUnknown, In: dir(Amber)}, Hold, false},
		{"muted, and cut all the same: freeze", Situation{Writer: SideFrom, Out: dir(Unjudged), In: dir(Unjudged), RawOut: dirPast(Red), RawIn: dirPast(Red)}, Freeze, false},
		{"cut, and answered: hold", Situation{Writer: SideFrom, Out: dirPast(Amber), In: dirPast(Amber), RawOut: dirPast(Red), RawIn: dirPast(Red), CutOff: true}, Hold, false},

		{"going back, lag into the room being left: go on", Situation{Phase: PhaseBack, Writer: SideFrom, Out: dirPast(Red)}, Advance, false},
		{"going back, the same dark: go on", Situation{Phase: PhaseBack, Writer: SideFrom, Out: dir(Dark)}, Advance, false},
		{"going back, writer moved: freeze", Situation{Phase: PhaseBack, Writer: SideTo, Out: dirPast(Red)}, Freeze, false},
		{"going back, heartbeats: go on", Situation{Phase: PhaseBack, Writer: SideFrom, In: dirPast(Red)}, Advance, false},
		{"going back, cut: freeze", Situation{Phase: PhaseBack, Writer: SideFrom, Out: dirPast(Red), In: dir(Dark)}, Freeze, false},
		{"going back, fails and onLost traffic: go on", Situation{Phase: PhaseBack, Writer: SideTo, Out: dirPast(Red), Fails: true, OnLost: "traffic"}, Advance, false},
		{"evacuating: go on, cut or not", Situation{Evacuate: true, Writer: SideFrom, Out: dirPast(Red), In: dirPast(Red)}, Advance, false},
	}
	for _, r := range rows {
		s := r.s
		if s.Phase == "" {
			s.Phase = PhaseForward
		}
		fill := func(d *Direction, c Direction) {
			if d.Color == "" {
				*d = c
			}
		}
		fill(&s.Out, dir(Green))
		fill(&s.In, dir(Green))
		fill(&s.RawOut, s.Out)
		fill(&s.RawIn, s.In)
		if s.To == "" {
			s.To = Green
		}
		s.From = Green
		if got := Decide(s); got.Act != r.want || got.TrafficOnly != r.traffic || got.WritersFirst {
			t.Errorf("%s: %+v, want %s, traffic only %v", r.name, got, r.want, r.traffic)
		}
	}
}

func TestLineRow(t *testing.T) {
	for _, r := range []struct {
		name  string
		s     Situation
		want  Act
		first bool
	}{
		{"red, fewer cross: back", Situation{Line: Red, Writer: SideFrom, FewerCross: true}, Back, false},
		{"red, as many cross: hold", Situation{Line: Red, Writer: SideFrom}, Hold, false},
		{"red, no pair, fewer cross: back", Situation{Line: Red, FewerCross: true}, Back, false},
		{"writer and most users in to: hold", Situation{Line: Red, Writer: SideTo, MostlyTo: true, FewerCross: true}, Hold, false},
		{"writer in to, users mostly in from, its way green: back, writer first", Situation{Line: Red, Writer: SideTo, Returns: true}, Back, true},
		{"the same, its way not green: hold", Situation{Line: Red, Writer: SideTo, Returns: true, Out: dir(Amber)}, Hold, false},
		{"writer in to since before the run: its users' writes would cross, hold", Situation{Line: Red, Writer: SideTo, FewerCross: true}, Hold, false},
		{"amber: hold", Situation{Line: Amber, FewerCross: true}, Hold, false},
		{"blind: hold", Situation{Line: Blind, FewerCross: true}, Hold, false},
		{"dark: hold", Situation{Line: Dark, FewerCross: true}, Hold, false},
		{"not judged: advance", Situation{Line: Unjudged}, Advance, false},
		{"going back: go on", Situation{Phase: PhaseBack, Line: Red, FewerCross: true}, Advance, false},
		{"evacuating: go on", Situation{Evacuate: true, Line: Red, FewerCross: true}, Advance, false},
	} {
		s := r.s
		s.To, s.From, s.In, s.RawIn, s.RawOut = Green, Green, dir(Green), dir(Green), dir(Green)
		if s.Out.Color == "" {
			s.Out = dir(Green)
		}
		if got := Decide(s); got.Act != r.want || got.WritersFirst != r.first {
			t.Errorf("%s: %+v, want %s, writers first %v", r.name, got, r.want, r.first)
		}
	}
}

func TestStrongestActWins(t *testing.T) {
	s := Situation{Phase: PhaseForward, To: Red, From: Green, Writer: SideTo, Out: dirPast(Red), In: dir(Green), RawOut: dirPast(Red), RawIn: dir(Green), Line: Red}
	if got := Decide(s).Act; got != Freeze {
		t.Errorf("to red (back), replication from the moved writer red (freeze), line red (hold): %s, want freeze", got)
	}
	s.Writer = SideFrom
	if got := Decide(s); got.Act != Back || !got.TrafficOnly {
		t.Errorf("to red and the writer's direction red: %+v, want back, traffic only", got)
	}
	s.Out, s.RawOut, s.To = dir(Green), dir(Green), Green
	if got := Decide(s).Act; got != Hold {
		t.Errorf("line red: %s, want hold", got)
	}
	order := fmt.Sprint(strength(Advance) < strength(Hold), strength(Hold) < strength(Back), strength(Back) < strength(Freeze))
	if order != "true true true" {
		t.Error("the acts aren't ordered:", order)
	}
}

// TestWriterSickRow: past the limit of the writer's database going back begins with it, and nothing else becomes of that.
func TestWriterSickRow(t *testing.T) {
	for _, phase := range []Phase{PhaseForward, PhaseResting, PhaseBack} {
		for _, to := range conditions {
			for _, from := range conditions {
				everySituation(func(s Situation) {
					s.Phase, s.To, s.From = phase, to, from
					was := Decide(s)
					s.WriterSick = true
					if got := Decide(s); got.Act != was.Act || got.WritersFirst != (got.Act == Back) {
						t.Fatalf("%s, to %s, from %s: %+v, was %+v", phase, to, from, got, was)
					}
				})
			}
		}
	}
}

// TestNoShare: where no share moves, and nothing judges either room, pairs and lines decide. Once anything judges one, the table does.
func TestNoShare(t *testing.T) {
	for _, c := range []struct {
		to, from Color
		noShare  bool
		want     Act
	}{{Unjudged, Unjudged, true, Advance}, {Unjudged, Unjudged, false, Hold}, {Unjudged, Amber, true, Hold}, {Unjudged, Red, true, Freeze}, {Amber, Unjudged, true, Hold}} {
		if d := decideRooms(&Situation{Phase: PhaseForward, To: c.to, From: c.from, NoShare: c.noShare}); d.Act != c.want {
			t.Errorf("%s / %s, no share %v: %s, want %s", c.to, c.from, c.noShare, d.Act, c.want)
		}
	}
	for noShare, want := range map[bool]Act{true: Advance, false: Freeze} { // going back sends nobody anywhere either
		if d := decideRooms(&Situation{Phase: PhaseBack, To: Unjudged, From: Unjudged, NoShare: noShare}); d.Act != want {
			t.Errorf("back, no share %v: %s, want %s", noShare, d.Act, want)
		}
	}
}
