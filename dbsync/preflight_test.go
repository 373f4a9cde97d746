package dbsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// preflown is what a preflight of the lab says, for a move from home to cloud.
func preflown(t *testing.T, r *Ring, o PreflightOptions) []Finding {
	t.Helper()
	if o.To == "" {
		o.To = "cloud"
	}
	if o.Declared == nil {
		o.Declared = map[cutover.Room]bool{"home": true, "cloud": true}
	}
	found, err := r.Preflight(within(t, time.Minute), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		said(f.String())
		if f.OK == (f.Do != "") || f.OK != (f.Severity == "") || (f.Severity == cutover.Breaks) != (f.Rule != "") {
			t.Errorf("%+v: what it means, and what to do, isn't said", f)
		}
	}
	return found
}

// ofTheLab are what stands in the way on every ring of the lab: its own account looks at it, and each master has its own passwords.
var ofTheLab = map[string]bool{"writer.bypass": true, "writer.accounts": true}

// preflightNames are all checks, in order.
func preflightNames() []string {
	var names []string
	for _, c := range preflightChecks() {
		names = append(names, c.name)
	}
	return names
}

// TestPreflightHealthy: on a healthy ring each check gives one finding, in order, in a few seconds, and nothing stands in the way of a move.
func TestPreflightHealthy(t *testing.T) { onBoth(t, testPreflightHealthy) }

func testPreflightHealthy(t *testing.T) {
	heal(t)
	durable(t)
	r := moverRing(t, nil)
	began := time.Now()
	found := preflown(t, r, PreflightOptions{})
	t.Logf("all checks took %v", time.Since(began).Round(time.Millisecond))
	var names []string
	for _, f := range found {
		if f.Stands() && !ofTheLab[f.Rule] {
			t.Errorf("stands in the way on a healthy ring: %s [%s]", f, f.Rule)
		}
		t.Log(f.OK, f.Severity, f)
		if !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	if want := preflightNames(); !slices.Equal(names, want) || len(want) != 21 {
		t.Errorf("checks %v, want %v, 21 of them", names, want)
	}
	began = time.Now()
	found = preflown(t, r, PreflightOptions{Quick: true})
	t.Logf("the last look took %v", time.Since(began).Round(time.Millisecond))
	names = nil
	for _, f := range found {
		if !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	if got, want := strings.Join(names, " "), "topology roles actors threads lag gtid log bypass xa running locks semi-sync"; got != want {
		t.Errorf("a last look is at %s, want %s", got, want)
	}
}

// durable makes both masters of the lab as a move wants them, for the time of a test; the lab's own are quick.
func durable(t *testing.T) {
	t.Helper()
	for _, room := range lab.Rooms {
		run(t, room, "SET GLOBAL sync_binlog=1", "SET GLOBAL innodb_flush_log_at_trx_commit=1")
		if onMySQL() {
			run(t, room, "SET PERSIST_ONLY super_read_only=1")
		}
	}
	t.Cleanup(func() {
		for _, room := range lab.Rooms {
			run(t, room, "SET GLOBAL sync_binlog=0", "SET GLOBAL innodb_flush_log_at_trx_commit=2")
			if onMySQL() {
				run(t, room, "RESET PERSIST IF EXISTS super_read_only")
			}
		}
	})
}

// TestPreflightNamesGrants: without a right the check that needs it says which statement gives it, and every other check answers as before.
func TestPreflightNamesGrants(t *testing.T) { onBoth(t, testPreflightNamesGrants) }

func testPreflightNamesGrants(t *testing.T) {
	heal(t)
	durable(t)
	lacks := []struct{ right, check string }{{"SELECT ON mysql.*", "bypass"}, {"SELECT ON mysql.*", "events"}, {"SELECT ON mysql.*", "schema"}, {"SELECT, TRIGGER ON app.*", "rights"}}
	if onMySQL() {
		lacks = []struct{ right, check string }{{"XA_RECOVER_ADMIN ON *.*", "xa"}, {"SELECT ON mysql.*", "schema"}, {"SELECT ON performance_schema.session_connect_attrs", "actors"},
			{"SELECT ON performance_schema.metadata_locks", "locks"}, {"EVENT ON app.*", "rights"}, {"SHOW_ROUTINE ON *.*", "rights"}}
	}
	r := moverRing(t, nil)
	well := map[string]bool{}
	for _, f := range preflown(t, r, PreflightOptions{}) {
		well[f.Check] = well[f.Check] || f.OK
	}
	for _, l := range lacks {
		t.Run(l.check+" "+l.right, func(t *testing.T) {
			setsTo("home", one("REVOKE "+l.right+" FROM "+moverAt), one("GRANT "+l.right+" TO "+moverAt))(t)
			named := false
			for _, f := range preflown(t, r, PreflightOptions{}) {
				want := "GRANT " + strings.ReplaceAll(l.right, "app.*", "{database}.*") + " TO {user}"
				named = named || f.Check == l.check && f.Room == "home" && slices.Contains(f.Grant, want)
				if well[f.Check] && !f.OK && len(f.Grant) == 0 && !ofTheLab[f.Rule] {
					t.Errorf("it fails, too: %s", f)
				}
			}
			if !named {
				t.Errorf("%s doesn't name %s", l.check, l.right)
			}
		})
	}
}

// TestPreflightHangs: a check that has no answer is a finding after its time, and every other one answers meanwhile.
func TestPreflightHangs(t *testing.T) { onBoth(t, testPreflightHangs) }

func testPreflightHangs(t *testing.T) {
	heal(t)
	durable(t)
	check, table := "events", "mysql.event"
	if onMySQL() {
		check, table = "schema", "mysql.user"
	}
	keeps(server.Admin, "home", "LOCK TABLES "+table+" WRITE")(t)
	began := time.Now()
	hung := 0
	for _, f := range preflown(t, moverRing(t, nil), PreflightOptions{Limit: time.Second}) {
		switch {
		case f.OK || f.Severity == cutover.Warns || ofTheLab[f.Rule]:
		case f.Rule == unansweredRule(check):
			hung++
		case !onMySQL() && f.Rule == unansweredRule("schema"): // it asks for events, too
		case f.Check == "locks" || f.Check == "threads":
		default:
			t.Errorf("it doesn't answer, too: %s", f)
		}
	}
	if hung == 0 {
		t.Errorf("%s isn't seen to hang", check)
	}
	t.Logf("%v in all", time.Since(began).Round(time.Millisecond))
}
