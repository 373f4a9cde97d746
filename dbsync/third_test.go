package dbsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestThirdMaster: home receives from a third master in cloud's place, then from both. Positions of one mean nothing to the
// other, so the way back is unknown; the checks name it.
func TestThirdMaster(t *testing.T) { onBoth(t, testThirdMaster) }

func testThirdMaster(t *testing.T) {
	longOnMySQL(t)
	g := watched(t)
	third, err := server.StartMaster(t.Context(), t.TempDir(), server.MasterOptions{Engine: lab.Master("home").Engine, Name: "third", ID: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(third.Close)
	t.Cleanup(func() {
		repoint(t, "home")
		heal(t)
	})
	password, _, _ := strings.Cut(strings.TrimPrefix(third.DSN(server.Repl), "repl:"), "@")
	from := fmt.Sprintf("MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='repl', MASTER_PASSWORD='%s', ", third.Port, password)
	both := []string{"CHANGE MASTER 'third' TO " + from + "MASTER_USE_GTID=slave_pos", "START SLAVE 'third'"}
	alone := []string{"STOP ALL SLAVES", "RESET SLAVE 'third' ALL", "CHANGE MASTER TO " + from + "MASTER_USE_GTID=slave_pos", "START SLAVE"}
	if onMySQL() {
		from += "SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
		both = []string{"CHANGE MASTER TO " + from + " FOR CHANNEL 'third'", "START REPLICA FOR CHANNEL 'third'"}
		alone = []string{"STOP REPLICA", "RESET REPLICA ALL FOR CHANNEL 'third'", "CHANGE MASTER TO " + from, "START REPLICA"}
	}
	id := func(of *server.Master) string {
		if !onMySQL() {
			return fmt.Sprint(of.ID)
		}
		var uuid string
		if err := of.DB().QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&uuid); err != nil {
			t.Fatal(err)
		}
		return uuid
	}
	run(t, "home", both...)
	g.await(t, g.count(), "home", 10*time.Second, "unknown", unknownFor("home replicates from 2 sources"))
	ringSees(t, " "+id(third)+" ", " "+id(lab.Master("cloud"))+" ")
	run(t, "home", alone...)
	g.await(t, g.count(), "home", 10*time.Second, "unknown", unknownFor("the server with id "+id(third), "want "+id(lab.Master("cloud"))))
	ringSees(t, " "+id(third)+" ")
}

// ringSees waits until the ring's check of home, which must not be OK, names these sources: a thread that has just begun doesn't know
// its own yet.
func ringSees(t *testing.T, ids ...string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		bad := failed(t, "ring", "home")
		if !slices.ContainsFunc(ids, func(id string) bool { return !strings.Contains(bad.Seen, id) }) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the ring check saw %q, want%s", bad.Seen, strings.Join(ids, " and"))
		}
	}
}
