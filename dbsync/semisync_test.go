package dbsync

import (
	"strings"
	"testing"
	"time"
)

// TestSemiSync: whether commits wait for a replica is shown; that they wait for one that isn't there is a bad finding.
func TestSemiSync(t *testing.T) { onBoth(t, testSemiSync) }

func testSemiSync(t *testing.T) {
	heal(t)
	master, replica := "rpl_semi_sync_master", "rpl_semi_sync_slave"
	if onMySQL() {
		master, replica = "rpl_semi_sync_source", "rpl_semi_sync_replica"
		passFence(t)
		install(t, "home", "rpl_semi_sync_source", "semisync_source.so")
		install(t, "cloud", "rpl_semi_sync_replica", "semisync_replica.so")
	}
	t.Cleanup(func() {
		run(t, "home", "SET GLOBAL "+master+"_enabled=0")
		run(t, "cloud", "SET GLOBAL "+replica+"_enabled=0", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD")
		heal(t)
	})
	run(t, "home", "SET GLOBAL "+master+"_timeout=200", "SET GLOBAL "+master+"_enabled=1")
	f := failed(t, "semi-sync", "home")
	if !strings.Contains(f.Seen, "0 replicas answer, a commit waits 200ms at most") {
		t.Errorf("%s, want nobody to answer", f)
	}
	run(t, "cloud", "SET GLOBAL "+replica+"_enabled=1", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD")
	if err := lab.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, "home", "CREATE TABLE IF NOT EXISTS app.acked (id INT)", "INSERT INTO app.acked VALUES (1)") // it begins to wait again with a commit
	deadline := time.Now().Add(15 * time.Second)
	for {
		for _, f := range findings(t, labPair()) {
			if f.Check == "semi-sync" && f.Room == "home" && f.OK && strings.Contains(f.Seen, "on, ON, 1 replicas answer") {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("a replica that answers isn't shown")
		}
	}
}

// install gives a MySQL master a plugin that it hasn't got yet; it keeps it.
func install(t *testing.T, room, plugin, file string) {
	t.Helper()
	var n int
	if err := lab.Master(room).DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name=?", plugin).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		run(t, room, "INSTALL PLUGIN "+plugin+" SONAME '"+file+"'")
	}
}
