package cutover_test

import (
	"strings"
	"testing"

	"roomshift/cutover"
)

// roomsTable is ENGINE §4's table of rooms as it is written there, for runs in which no writer moved. A row is the condition of the room
// that gained, a column that of the room that lost: green, amber, red, dark, – (not judged).
const roomsTable = `
red   | back                            | back | freeze | back if its probe answers, else freeze               | the same
amber | hold                            | hold | freeze | hold                                                 | hold
green | advance                         | hold | freeze | hold                                                 | advance
–     | hold; advance only out of 0 %   | hold | freeze | hold                                                 | hold
dark  | back if ≤ 5 % moved, else freeze | same | freeze | freeze; ≤ 5 % moved and replication seen: back     | as green
`

// goingBackRow is its last row: while going back, whatever the condition of the room that gained.
const goingBackRow = `go on | go on, the next paced rung waits | freeze; go on if it fails outright | ` +
	`go on if its probe answers, or ≤ 5 % moved and replication seen; else freeze | go on if its probe answers, else freeze`

var columns = []cutover.Color{cutover.Green, cutover.Amber, cutover.Red, cutover.Dark, cutover.Unjudged}

// cell is one case of the table: the conditions, and what its words ask for besides.
type cell struct {
	to, from cutover.Color
	few      bool // at most 5 % has moved
	zero     bool // the room that gains carries nothing yet
	answers  bool // the probe of the room that lost
	seen     bool // replication from the writer's room
	fails    bool // the room that gained fails outright
}

// forwardAct and backAct read the tables. While replication isn't seen its direction is Unknown, which holds by the row of its own; the
// way back doesn't wait for it.
func (c cell) forwardAct(t testing.TB) cutover.Act {
	act := c.read(t, words(t, roomsTable)[c.to][c.from])
	if act == cutover.Advance && !c.seen {
		return cutover.Hold
	}
	return act
}

func (c cell) backAct(t testing.TB) cutover.Act {
	return c.read(t, words(t, "back | "+goingBackRow)["back"][c.from])
}

// words takes a table apart: its first column, then the columns of the room that lost.
func words(t testing.TB, table string) map[cutover.Color]map[cutover.Color]string {
	t.Helper()
	out := map[cutover.Color]map[cutover.Color]string{}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		parts := strings.Split(line, "|")
		if len(parts) != 1+len(columns) {
			t.Fatalf("%q has %d columns", line, len(parts))
		}
		row := map[cutover.Color]string{}
		for i, c := range columns {
			text := strings.TrimSpace(parts[i+1])
			switch text {
			case "same", "the same":
				text = row[columns[i-1]]
			case "as green":
				text = row[cutover.Green]
			}
			row[c] = text
		}
		name := cutover.Color(strings.TrimSpace(parts[0]))
		if name == "–" {
			name = cutover.Unjudged
		}
		out[name] = row
	}
	return out
}

// read says what the words of a cell ask for. On the way back advance means to go on.
func (c cell) read(t testing.TB, text string) cutover.Act {
	t.Helper()
	either := func(yes bool, then, otherwise cutover.Act) cutover.Act {
		if yes {
			return then
		}
		return otherwise
	}
	switch text {
	case "back":
		return cutover.Back
	case "freeze":
		return cutover.Freeze
	case "hold", "go on, the next paced rung waits":
		return cutover.Hold
	case "advance", "go on":
		return cutover.Advance
	case "hold; advance only out of 0 %":
		return either(c.zero, cutover.Advance, cutover.Hold)
	case "back if its probe answers, else freeze":
		return either(c.answers, cutover.Back, cutover.Freeze)
	case "back if ≤ 5 % moved, else freeze":
		return either(c.few, cutover.Back, cutover.Freeze)
	case "freeze; ≤ 5 % moved and replication seen: back":
		return either(c.few && c.seen, cutover.Back, cutover.Freeze)
	case "freeze; go on if it fails outright":
		return either(c.fails, cutover.Advance, cutover.Freeze)
	case "go on if its probe answers, or ≤ 5 % moved and replication seen; else freeze":
		return either(c.answers || (c.few && c.seen), cutover.Advance, cutover.Freeze)
	case "go on if its probe answers, else freeze":
		return either(c.answers, cutover.Advance, cutover.Freeze)
	}
	t.Fatalf("nobody has given %q a meaning", text)
	return ""
}
