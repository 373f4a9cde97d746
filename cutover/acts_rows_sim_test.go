package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// actRow is a row of replication or of the line between the rooms, and what DESIGN §4 and ENGINE §4 say to it: with few moved, with
// many, and while going back with few and with many. strikes are "FORM @ TIME BEFORE": what takes long to be seen begins earlier.
type actRow struct {
	name      string
	writer    cutover.Room
	strikes   []string
	forward   [2]cutover.Act
	back      [2]cutover.Act // advance: it goes on
	causes    string         // "gate@room color", of the act
	exactness time.Duration
	lands     bool // going back lands, and stands still then
}

const (
	goesOn    = cutover.Advance
	turnsBack = cutover.Back
	holds     = cutover.Hold
	freezes   = cutover.Freeze
)

func all(a cutover.Act) [2]cutover.Act { return [2]cutover.Act{a, a} }

// actRows: lag is measured each half second, the line each second. Amber takes two samples, red 2 s, dark 4 s.
var actRows = []actRow{
	{"to the gainer, the writer at the start", "home", []string{"lag db home→cloud 8s @ 2.25s"}, all(turnsBack), all(goesOn), "lag@cloud red", 0, false},
	{"to the gainer, its applier stopped", "home", []string{"stop db home→cloud @ 7s"}, all(turnsBack), all(goesOn), "lag@cloud red", time.Second, false},
	{"the other direction: its way back is shut", "home", []string{"lag db cloud→home 8s @ 2.25s"}, all(holds), all(goesOn), "lag@home red", 0, false},
	{"both", "home", []string{"lag db home→cloud 8s @ 2.25s", "lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud red", 0, false},
	{"to the gainer, the other past abort just now", "home", []string{"lag db home→cloud 8s @ 2.25s", "lag db cloud→home 8s @ 0.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud red", 0, false},
	{"the other, to the gainer past abort just now", "home", []string{"lag db home→cloud 8s @ 0.25s", "lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud red", 0, false},
	{"to the gainer, the other past hold only", "home", []string{"lag db home→cloud 8s @ 2.25s", "lag db cloud→home 2s @ 1.25s"}, all(turnsBack), all(goesOn), "lag@cloud red", 0, false},
	{"to the gainer, the other Unknown at this moment", "home", []string{"lag db home→cloud 8s @ 2.25s", "break db cloud→home @ 0.25s"}, all(freezes), all(freezes), "lag@home blind, lag@cloud red", 0, false},
	{"the other, to the gainer Unknown at this moment", "home", []string{"break db home→cloud @ 0.25s", "lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud blind", 0, false},
	{"to the gainer, the other idle", "home", []string{"lag db home→cloud 8s @ 2.25s", "idle db cloud→home @ 5s"}, all(turnsBack), all(goesOn), "lag@cloud red", 0, false},
	{"the other idle: nothing to measure", "home", []string{"idle db cloud→home @ 5s"}, all(goesOn), all(goesOn), "", 0, false},
	{"to the gainer idle though the writer writes", "home", []string{"idle db home→cloud @ 1.25s"}, all(holds), all(goesOn), "lag@cloud blind", 0, false},
	{"to the gainer past hold", "home", []string{"lag db home→cloud 2s @ 0.75s"}, all(holds), all(goesOn), "lag@cloud amber", 0, false},
	{"the other past hold", "home", []string{"lag db cloud→home 2s @ 0.75s"}, all(holds), all(goesOn), "lag@home amber", 0, false},
	{"to the gainer Unknown for blindFor", "home", []string{"break db home→cloud @ 4.25s"}, [2]cutover.Act{turnsBack, freezes}, all(goesOn), "lag@cloud dark", 0, false},
	{"the other Unknown for blindFor", "home", []string{"break db cloud→home @ 4.25s"}, all(holds), all(goesOn), "lag@home dark", 0, false},
	{"both Unknown for blindFor", "home", []string{"cut @ 4.25s"}, all(freezes), all(freezes), "lag@home dark, lag@cloud dark", 0, false},
	{"both Unknown, not yet for blindFor", "home", []string{"cut @ 2.25s"}, all(holds), all(goesOn), "lag@home blind, lag@cloud blind", 0, false},

	{"writer moved, to the room that lost", "cloud", []string{"lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red", 0, false},
	{"writer moved, the other direction", "cloud", []string{"lag db home→cloud 8s @ 2.25s"}, all(holds), all(goesOn), "lag@cloud red", 0, false},
	{"writer moved, both", "cloud", []string{"lag db home→cloud 8s @ 2.25s", "lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud red", 0, false},
	{"writer moved, to the room that lost, the other Unknown", "cloud", []string{"break db home→cloud @ 0.25s", "lag db cloud→home 8s @ 2.25s"}, all(freezes), all(freezes), "lag@home red, lag@cloud blind", 0, false},
	{"writer moved, the other, to the room that lost Unknown", "cloud", []string{"lag db home→cloud 8s @ 2.25s", "break db cloud→home @ 0.25s"}, all(freezes), all(freezes), "lag@home blind, lag@cloud red", 0, false},
	{"writer moved, to the room that lost Unknown for blindFor", "cloud", []string{"break db cloud→home @ 4.25s"}, [2]cutover.Act{turnsBack, freezes}, [2]cutover.Act{goesOn, freezes}, "lag@home dark", 0, false},
	{"writer moved, the other Unknown for blindFor", "cloud", []string{"break db home→cloud @ 4.25s"}, all(holds), all(goesOn), "lag@cloud dark", 0, false},
	{"writer moved, both Unknown for blindFor", "cloud", []string{"cut @ 4.25s"}, all(freezes), all(freezes), "lag@home dark, lag@cloud dark", 0, false},
	{"writer moved, to the room that lost, the gainer fails outright", "cloud", []string{"lag db cloud→home 8s @ 2.25s", "value errors@cloud 60% @ 2.5s"}, all(freezes), all(freezes), "lag@home red", 0, false},

	{"the line past hold", "home", []string{"value line-use 65% @ 1.5s"}, all(holds), all(goesOn), "line-use@ amber", 0, false},
	{"the line past abort: less crosses after going back", "home", []string{"value line-use 80% @ 2.5s"}, all(turnsBack), all(goesOn), "line-use@ red", 0, false},
	{"the line dark", "home", []string{"blind line-use @ 4.5s"}, all(holds), all(goesOn), "line-use@ dark", 0, false},
	{"the line, writer moved before this run: more writes cross after going back", "cloud", []string{"value line-use 80% @ 2.5s"}, all(holds), all(goesOn), "line-use@ red", 0, false},

	{"the gainer sick, the way back of the writer shut", "home", []string{"value errors@cloud 5% @ 2.5s", "lag db cloud→home 8s @ 2.25s"}, all(turnsBack), all(goesOn), "errors@cloud red", 0, false},
	{"the gainer sick, the rooms cut", "home", []string{"value errors@cloud 5% @ 2.5s", "cut @ 4.25s"}, all(freezes), all(freezes), "lag@home dark", 0, false},
	{"the line past abort, the loser sick", "home", []string{"value errors@home 5% @ 2.5s", "value line-use 80% @ 2.5s"}, all(freezes), all(freezes), "errors@home red", 0, false},
}

// TestActsOfReplicationAndLine walks the rows of replication and of the line through whole runs, in each state, with the writer at home
// and away.
func TestActsOfReplicationAndLine(t *testing.T) {
	n, left := 0, thin(11, 2)
	for _, writer := range []cutover.Room{"home", "cloud"} {
		for _, p := range placesIn(t, actRooms, writer) {
			if p.share != 4 && p.share != 30 {
				continue
			}
			for _, s := range p.stands(t) {
				for i := range actRows {
					if row := &actRows[i]; row.writer == writer {
						if n++; n%left == 0 {
							walkRow(t, p, s, row)
						}
					}
				}
			}
		}
	}
	t.Logf("%d rows, one in %d of them walked", n, left)
}

func walkRow(t *testing.T, p *place, s stand, row *actRow) {
	t.Helper()
	many := 0
	if !p.few() {
		many = 1
	}
	w := walked{p: p, s: s, want: row.forward[many], atOnce: row.back[many] == cutover.Freeze, slack: row.exactness, colors: map[string]cutover.Color{}}
	// What stands in the way when it has turned does so when nothing has moved any more, too, unless few moved was what it takes.
	w.stays = row.back[0] == cutover.Freeze || row.lands
	if s.back {
		w.want = row.back[many]
	}
	if row.causes != "" && w.want != cutover.Advance {
		for _, c := range strings.Split(row.causes, ", ") {
			key, color, _ := strings.Cut(c, " ")
			w.colors[key] = cutover.Color(color)
		}
	}
	w.r = p.play(t, s, w.want, row.at(t, s.at))
	w.report(t, fmt.Sprintf("%s: %s, %s", row.name, p.name, s.name))
	if w.want == cutover.Back && !w.stays && row.writer == "home" { // it waits for nothing that is left behind
		if over := w.r.when(t, "end", entersPhase(cutover.PhaseOver)); over > s.at+time.Minute {
			t.Errorf("%s: %s, %s: over at %s, what turned it lasts until %s", row.name, p.name, s.name, over, s.at+healsAfter)
		}
	}
}

// at is the row's faults, so that all of them are seen at one moment and last until they are healed.
func (row *actRow) at(t testing.TB, moment time.Duration) []string {
	t.Helper()
	var out []string
	for _, s := range row.strikes {
		form, early, _ := strings.Cut(s, " @ ")
		before, err := time.ParseDuration(early)
		if err != nil {
			t.Fatal(err)
		}
		lasts := healsAfter
		if strings.Contains(row.name, "not yet") || strings.Contains(row.name, "Unknown at this") || strings.Contains(row.name, "though the writer") {
			lasts = time.Second
		}
		out = append(out, fmt.Sprintf("%s at %s for %s", form, moment-before, before+lasts))
	}
	return out
}

// TestLostWriterLetsTrafficGo: the gainer fails outright and the writer can't follow over the direction that lags. With onLost: traffic
// its users leave at once; home's readers are as stale as they were, which people are told when all have landed.
func TestLostWriterLetsTrafficGo(t *testing.T) {
	rooms := strings.Replace(actRooms, "    cloud: {dsnEnv: DB_CLOUD}\n", "    cloud: {dsnEnv: DB_CLOUD}\n    onLost: traffic\n", 1)
	row := actRow{name: "onLost traffic", writer: "cloud", strikes: []string{"lag db cloud→home 8s @ 2.25s", "value errors@cloud 60% @ 2.5s"},
		forward: all(turnsBack), back: all(goesOn), causes: "errors@cloud red", lands: true}
	half := row
	half.strikes = []string{"lag db cloud→home 8s @ 2.25s", "value errors@cloud 40% @ 2.5s"}
	half.forward, half.back, half.causes, half.lands = all(freezes), all(freezes), "lag@home red", false
	for _, p := range placesIn(t, rooms, "cloud") {
		if p.share != 4 && p.share != 30 {
			continue
		}
		for _, s := range p.stands(t) {
			walkRow(t, p, s, &row)
			walkRow(t, p, s, &half)
		}
	}
}

// TestMutedGatesAreNotJudged: what a person muted moves nobody, but for a cut: a cut is a cut.
func TestMutedGatesAreNotJudged(t *testing.T) {
	ps := placesIn(t, actRooms, "home")
	p := ps[slices.IndexFunc(ps, func(p *place) bool { return p.share == 30 })]
	stands := p.stands(t)
	s := stands[slices.IndexFunc(stands, func(s stand) bool { return s.name == "baking" })]
	for _, c := range []struct {
		gate    string
		strikes []string
		want    cutover.Act
	}{
		{"errors", []string{"value errors@cloud 5% @ 2.5s"}, holds},
		{"errors", []string{"value errors@home 5% @ 2.5s"}, holds},
		{"errors", []string{"blind errors@cloud @ 4.5s"}, holds},
		{"lag", []string{"lag db home→cloud 8s @ 2.25s"}, goesOn},
		{"lag", []string{"break db home→cloud @ 4.25s"}, goesOn},
		{"line-use", []string{"value line-use 80% @ 2.5s"}, goesOn},
		{"lag", []string{"lag db home→cloud 8s @ 2.25s", "lag db cloud→home 8s @ 2.25s"}, freezes},
		{"lag", []string{"cut @ 4.25s"}, freezes},
		{"lag", []string{"value errors@cloud 5% @ 2.5s"}, turnsBack},
	} {
		row := actRow{name: c.gate + " muted", strikes: c.strikes, forward: all(c.want), back: all(goesOn)}
		muted := s
		muted.said = append(slices.Clone(s.said), say(cutover.T(s.at-10*time.Second), "mute", "gate", c.gate, "for", "5m", "reason", "a test"))
		walkRow(t, p, muted, &row)
	}
}
