package dbsync

import (
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestCheckPurged: transactions that the writer has purged and the other never had can't come any more; that is found. They are no lag:
// what is written now is followed by itself.
func TestCheckPurged(t *testing.T) {
	lab = labs[server.MySQL]
	t.Cleanup(func() { lab = labs[server.MariaDB] })
	g := watched(t)
	const gone = "SET GLOBAL gtid_purged='+eeeeeeee-0000-11f1-8000-000000000005:1-7'"
	run(t, "home", gone)
	t.Cleanup(func() { run(t, "cloud", gone) }) // so that it lacks nothing
	f := failed(t, "sets", "cloud")
	if !strings.Contains(f.Seen, "purged in home: eeeeeeee-0000-11f1-8000-000000000005:1-7") {
		t.Errorf("%s, want what is gone named", f)
	}
	g.await(t, g.count(), "cloud", 5*time.Second, "known", later(clock()))
}
