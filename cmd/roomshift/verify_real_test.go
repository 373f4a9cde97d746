package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/dbsync"
	"roomshift/lab/server"
)

// TestVerifyByTheProgram: equal is 0 and kept, drift is 8 and named by its key and column, what can't be read is 1 with the statement that
// gives the right; no value and no secret is said anywhere, and what was kept is what `check: {checksum}` goes by.
func TestVerifyByTheProgram(t *testing.T) {
	dir := t.TempDir()
	var grants []string
	for _, g := range append(append([]string{}, dbsync.Grants...), dbsync.GrantsVerify...) {
		grants = append(grants, strings.ReplaceAll(g, "{database}", "shop"))
	}
	ring, err := server.StartRing(t.Context(), filepath.Join(dir, "ring"), server.RingOptions{Rooms: [2]string{"home", "cloud"}, Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Stop)
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	t.Setenv("HOME_DSN", ring.Master("home").DSN(server.Roomshift))
	t.Setenv("CLOUD_DSN", ring.Master("cloud").DSN(server.Roomshift))
	file := filepath.Join(dir, "rooms.yaml")
	if err := os.WriteFile(file, []byte("version: 1\nenvironment: lab\nrooms:\n  home: {consul: {addr: \"http://127.0.0.1:1\"}}\n  cloud: {}\n"+
		"pairs:\n  feed-db:\n    home: {dsnEnv: HOME_DSN}\n    cloud: {dsnEnv: CLOUD_DSN}\n"+
		"gates:\n  feed-lag: {replication: feed-db, hold: {above: 1s}, abort: {above: 5s, for: 10s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(room string, statements ...string) {
		t.Helper()
		c, err := ring.Master(room).DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, s := range statements {
			if _, err := c.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	var everything strings.Builder
	verify := func(exit int, args ...string) (out, talk string) {
		t.Helper()
		var o, e bytes.Buffer
		got := run(t.Context(), append([]string{"roomshift", "verify", "feed-db", "--rooms", file}, args...), stdio{in: strings.NewReader(""), out: &o, err: &e})
		everything.WriteString(o.String() + e.String())
		if got != exit {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, got, exit, o.String(), e.String())
		}
		return o.String(), e.String()
	}
	do("home", "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, what VARCHAR(40), v INT)", "INSERT INTO shop.orders VALUES (1, 'card 4111', 1), (2, 'card 4222', 2)")
	if err := ring.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, talk := verify(0)
	if !strings.Contains(out, "feed-db: 1 of 1 table equal in home and cloud · 2 rows") || !strings.Contains(talk, "shop.orders · 2 rows · 2 chunks") || !strings.Contains(talk, "kept in "+filepath.Join(dir, "state", "roomshift", "lab", "verify", "feed-db.json")) {
		t.Errorf("%s\n%s", out, talk)
	}
	last, err := comparisons{"lab"}.Compared(t.Context(), "feed-db")
	if err != nil || !last.Equal || time.Since(last.At) > time.Minute || last.Rows != 2 {
		t.Errorf("%+v %v, want it kept", last, err)
	}
	do("cloud", "SET SESSION sql_log_bin=0", "UPDATE shop.orders SET what='card 4333' WHERE id=2")
	out, _ = verify(8)
	if !strings.Contains(out, "✗ shop.orders · 2 rows · 2 chunks · 1 differ\n    2: differs in what\n") {
		t.Errorf("%s", out)
	}
	if last, err := (comparisons{"lab"}).Compared(t.Context(), "feed-db"); err != nil || last.Equal || len(last.Differ) != 1 {
		t.Errorf("%+v %v, want the drift kept", last, err)
	}
	out, _ = verify(8, "--json", "--table", "shop.orders", "--keys", "0")
	var c dbsync.Comparison
	if err := json.Unmarshal([]byte(out), &c); err != nil || c.Verdict() != dbsync.Drifted || len(c.Tables[0].Keys) != 0 || c.Whole() {
		t.Errorf("%v %+v", err, c)
	}
	do("cloud", "SET SESSION sql_log_bin=0", "CREATE DATABASE secret", "CREATE TABLE secret.a (id INT PRIMARY KEY)")
	_, talk = verify(1)
	if !strings.Contains(talk, "its account may not read secret.a: GRANT SELECT ON `secret`.* TO roomshift@'HOST'") {
		t.Errorf("%s", talk)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got := run(ctx, []string{"roomshift", "verify", "feed-db", "--rooms", file}, stdio{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}); got != 1 {
		t.Errorf("exit %d for one that was interrupted, want 1", got)
	}
	for _, secret := range append(ring.Secrets(), "4111", "4222", "4333") {
		if strings.Contains(everything.String(), secret) {
			t.Errorf("%q is said", secret)
		}
	}
}
