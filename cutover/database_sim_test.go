package cutover_test

import (
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// databaseGate is judged where feed-db has its writer.
const databaseGate = `gates:
  commits: {database: feed-db, prometheus: 'histogram_quantile(0.99, sum by (le) (rate(mysql_commit_seconds_bucket[$window])))',
    every: 5s, hold: {above: 50ms}, abort: {above: 500ms, for: 15s}}
`

// writesOf runs movesWriter in rooms with a gate of the writer's database.
func writesOf(t *testing.T, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	name := book(t, movesWriter)
	changeRooms(t, name, "gates:\n", databaseGate)
	s := simOf(t, name, o, faults...)
	out, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range out.Problems {
		t.Error(p.Error())
	}
	return s, out
}

// TestSickDatabase: past the limit of a gate of the writer's database the writer goes home first, then the traffic; past any other of the
// cloud's the traffic does.
func TestSickDatabase(t *testing.T) {
	plain, out := writesOf(t, sim.Options{})
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d %s\n%s", out.Exit, out.Why, allOf(out))
	}
	vs := plain.Verbs()
	after := vs[len(vs)-1].At + cutover.Minute
	at := func(d cutover.T) string { return " at " + (after + d).Duration().String() }
	const sick, tier = "value commits@cloud 2s", "errors cloud 20%"
	for _, c := range []struct {
		name   string
		faults []string
		want   string
		text   string
	}{
		{"the cloud's database", []string{sick + at(0)}, "back to start first, writer home, wrote, over",
			"the database that takes the writes of feed-db, in cloud, is past its limit: its writer goes back first, then the traffic"},
		{"the cloud's tier", []string{tier + at(0)}, "back to start, wrote, writer home, over", "cloud, which gained traffic, is past its limit"},
		{"both at once", []string{sick + at(0), tier + at(0)}, "back to start first, writer home, wrote, over", ""},
		{"the database while the traffic can't be written", []string{tier + at(0), "consul home down" + at(5*cutover.Second) + " for 2m", sick + at(10*cutover.Second)},
			"back to start, writer home, wrote, over", ""},
		{"the database, and a little lag on the way home", []string{sick + at(0), "lag feed-db cloud→home 2s" + at(0) + " for 3m"},
			"back to start, wrote, writer home, over", "the traffic goes first, for the writer can't follow now"},
		{"the database, and nobody can say who is the writer", []string{sick + at(0), "consul cloud down" + at(10*cutover.Second) + " for 2m"},
			"back to start first, wrote, writer home, over", ""},
		{"the database, and lag on the way home", []string{sick + at(0), "lag feed-db cloud→home 10s" + at(-5*cutover.Second)}, "frozen", ""},
		{"the database that the writer left", []string{"value commits@home 2s" + at(0)}, "resting", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := writesOf(t, sim.Options{}, c.faults...)
			oneWriter(t, s, c.name)
			ms := moments(out)
			ms = ms[slices.Index(ms, "writer cloud")+1:]
			if c.want == "resting" { // its last rung was written before
				ms = ms[len(ms)-1:]
			}
			if got := strings.Join(ms, ", "); got != c.want {
				t.Errorf("exit %d: %s\nwant %s\n%s", out.Exit, got, c.want, allOf(out))
			}
			says := func(r cutover.Record) bool {
				return r.Phase != nil && slices.ContainsFunc(r.Phase.Causes, func(x cutover.Cause) bool { return strings.Contains(x.Text, c.text) })
			}
			if c.text != "" && !slices.ContainsFunc(out.Records, says) {
				t.Errorf("nobody says %q\n%s", c.text, allOf(out))
			}
		})
	}
}

// TestSickDatabaseElsewhere: a database that takes no writes is judged by nobody, and one that took them before the run sends the traffic
// home and stays.
func TestSickDatabaseElsewhere(t *testing.T) {
	plain, _ := writesOf(t, sim.Options{})
	before := plain.Verbs()[0].At - cutover.Minute
	sick := "value commits@cloud 2s at " + before.Duration().String() + " for 30s"
	if _, out := writesOf(t, sim.Options{}, sick); out.Exit != cutover.ExitDone || slices.ContainsFunc(out.Records, isVerdictOf("commits@cloud")) {
		t.Errorf("exit %d: a database without a writer is judged\n%s", out.Exit, allOf(out))
	}
	s, out := writesOf(t, sim.Options{Writers: map[string]cutover.Room{"feed-db": "cloud"}}, "value commits@cloud 2s at 2m")
	if got := strings.Join(moments(out), ", "); out.Exit == cutover.ExitDone || strings.Contains(got, "first") || s.Writers("feed-db")[0] != "cloud" {
		t.Errorf("exit %d: %s, the writer is in %v", out.Exit, got, s.Writers("feed-db"))
	}
}

// isVerdictOf: a gate in a room has part in a verdict.
func isVerdictOf(key string) func(cutover.Record) bool {
	return func(r cutover.Record) bool {
		return r.Verdict != nil && slices.ContainsFunc(r.Verdict.Causes, func(c cutover.Cause) bool { return c.Key() == key })
	}
}
