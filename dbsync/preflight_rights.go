package dbsync

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"roomshift/cutover"
)

// preRights, 20: roomshift's account may do every step, its table is there, and the way to each master is short.
func preRights() preCheck {
	return preCheck{
		name:  "rights",
		rests: []rest{{check: checkTable, severity: cutover.Refuses}},
		ask: func(*flight, int) []question {
			return []question{{query: "SHOW GRANTS"}, variablesQuery("event_scheduler")}
		},
		more:  measureTrips,
		judge: judgeRights,
	}
}

// trips is how many round trips are measured: the shortest counts.
const trips = 5

func measureTrips(ctx context.Context, _ *Ring, f *flight, conns [2]querier) error {
	var both sync.WaitGroup
	var errs [2]error
	for i := range conns {
		both.Go(func() {
			for range trips {
				began := time.Now()
				if _, errs[i] = askAll(ctx, conns[i], "SELECT 1"); errs[i] != nil {
					return
				}
				if took := time.Since(began); f.rtt[i] == 0 || took < f.rtt[i] {
					f.rtt[i] = took
				}
			}
		})
	}
	both.Wait()
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}

// longestTrip is how long a round trip to a master may take without a word: a move makes some ten of them while nobody is the writer.
const longestTrip = 100 * time.Millisecond

func judgeRights(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		have := rightsIn(f.rows(i, 0))
		needs, sees := slices.Concat(s.d.grants, writerGrants(s.version)), preflightGrants(s.version)
		events := variables(f.rows(i, 1))["event_scheduler"]
		if lack := have.lacking(needs, func(right string) bool { return right == "SUPER" && events != "ON" }); len(lack) > 0 {
			found = append(found, Finding{Room: s.room, Seen: "roomshift's account lacks " + strings.Join(lack, "; "), Wanted: "the rights that a move needs", Severity: cutover.Refuses,
				Do: "give roomshift's account its rights", Grant: lack})
		}
		if lack := have.lacking(sees, nil); len(lack) > 0 {
			found = append(found, Finding{Room: s.room, Seen: "roomshift's account doesn't see all that should be equal in both rooms: it lacks " + strings.Join(lack, "; "), Wanted: "the rights to see it",
				Severity: cutover.Warns, Do: "give them to it, or have it compared elsewhere", Grant: lack})
		}
		if f.rtt[i] > longestTrip {
			found = append(found, Finding{Room: s.room, Seen: "a round trip takes " + f.rtt[i].Round(time.Millisecond).String(), Wanted: "at most " + longestTrip.String(), Severity: cutover.Warns,
				Do: "run roomshift nearer to it: some ten round trips are made while nobody is the writer"})
		}
		found = append(found, good(s.room, "%v away", f.rtt[i].Round(10*time.Microsecond)))
	}
	return found
}

// accountRights are what an account may do, by object: *.*, DATABASE.* or DATABASE.TABLE.
type accountRights map[string]map[string]bool

// grantLine is a line of SHOW GRANTS.
var grantLine = regexp.MustCompile(`^GRANT (.+) ON (?:TABLE )?(\S+) TO `)

// rightsIn reads SHOW GRANTS.
func rightsIn(rows []row) accountRights {
	out := accountRights{}
	for _, r := range rows {
		for _, text := range r { // its only column has the account in its name
			m := grantLine.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			object := strings.ReplaceAll(strings.ReplaceAll(m[2], "`", ""), "\\_", "_")
			if out[object] == nil {
				out[object] = map[string]bool{}
			}
			for _, p := range strings.Split(m[1], ",") {
				out[object][strings.ToUpper(strings.TrimSpace(p))] = true
			}
		}
	}
	return out
}

// has tells whether a right to an object is there, or one to more.
func (a accountRights) has(right, object string) bool {
	database, _, _ := strings.Cut(object, ".")
	for _, on := range []string{"*.*", database + ".*", object} {
		if a[on][right] || a[on]["ALL PRIVILEGES"] {
			return true
		}
	}
	return false
}

// anywhere tells whether a right to any database's objects is there.
func (a accountRights) anywhere(right string) bool {
	for on, rights := range a {
		if (rights[right] || rights["ALL PRIVILEGES"]) && on != "roomshift.*" && on != "performance_schema.*" && on != "mysql.*" {
			return true
		}
	}
	return false
}

// lacking are those statements, with the rights only that aren't there. {database} stands for each of the application's: a right to one of
// them is taken for one to all. But CREATE, which is for making the table.
func (a accountRights) lacking(grants []string, but func(right string) bool) []string {
	var out []string
	for _, g := range grants {
		list, on, _ := strings.Cut(strings.TrimPrefix(g, "GRANT "), " ON ")
		on = strings.TrimSuffix(on, " TO {user}")
		var lack []string
		for _, right := range strings.Split(list, ", ") {
			has := a.has(right, on)
			if strings.HasPrefix(on, "{database}") {
				has = a.anywhere(right)
			}
			if !has && right != "CREATE" && (but == nil || !but(right)) {
				lack = append(lack, right)
			}
		}
		if len(lack) > 0 {
			out = append(out, "GRANT "+strings.Join(lack, ", ")+" ON "+on+" TO {user}")
		}
	}
	return out
}

// writerGrants are what a server's account needs beside its dialect's grants to move the write role.
func writerGrants(v version) []string {
	if v.mariadb {
		return GrantsWriter
	}
	return GrantsWriterMySQL
}

// preflightGrants are what it needs to see all that a preflight compares.
func preflightGrants(v version) []string {
	if v.mariadb {
		return GrantsPreflight
	}
	return GrantsPreflightMySQL
}
