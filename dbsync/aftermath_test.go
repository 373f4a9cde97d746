package dbsync

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestAfterAMove: after a move every check is well; each finds what it is for, and no other does but those that it brings with it.
func TestAfterAMove(t *testing.T) { onBoth(t, testAfterAMove) }

func testAfterAMove(t *testing.T) {
	x, m := movedToCloud(t)
	r := openLab(t, labPair())
	apps, left := 0, 0
	wrong := func() string {
		t.Helper()
		found, err := r.After(within(t, 30*time.Second), m)
		ok(t, err)
		var all []string
		for _, f := range found {
			said(f.String())
			if f.Check == "connections" { // the lab's own are there, too
				apps = strings.Count(f.Seen, ":") // which is 0 for none
				left, _ = strconv.Atoi(strings.Split(f.Seen, ",")[0])
				continue
			}
			if !f.OK {
				all = append(all, f.Check+"@"+f.Room)
				if f.Do == "" || f.Wanted == "" {
					t.Errorf("%s says neither what is wanted nor what to do", f)
				}
			}
		}
		return strings.Join(all, " ")
	}
	if got := wrong(); got != "marker@cloud" {
		t.Errorf("before the marker is written: %q", got)
	}
	_, err := x["cloud"].Mark(within(t, 10*time.Second), Marker{7, "cloud"})
	ok(t, err)
	if got := wrong(); got != "" {
		t.Fatalf("%q, want all well", got)
	}
	for _, c := range []struct {
		name, want    string
		change, after func()
	}{
		{"events", "events@home", func() { run(t, "home", "SET GLOBAL event_scheduler=ON") }, func() { run(t, "home", "SET GLOBAL event_scheduler=OFF") }},
		{"parity", "auto-increment@cloud", func() { run(t, "cloud", "SET GLOBAL auto_increment_offset=1") }, func() { run(t, "cloud", "SET GLOBAL auto_increment_offset=2") }},
		{"closed", "open@cloud", func() { ok(t, lab.Master("cloud").Fence(t.Context())) }, func() { ok(t, lab.Master("cloud").Open(t.Context())) }},
		{"epoch", "marker@cloud", func() { m.Epoch = 8 }, func() { m.Epoch = 7 }},
		{"another server", "fence@home", func() { m.Server += "9" }, func() { m.Server = strings.TrimSuffix(m.Server, "9") }},
		{"restarted", "fence@home", func() { m.Since = 24 * time.Hour }, func() { m.Since = 0 }},
		{"threads", "threads@cloud", func() { run(t, "cloud", "STOP ALL SLAVES") }, func() { run(t, "cloud", "START ALL SLAVES") }},
		{"way back", "gtid@home threads@home", func() {
			ok(t, lab.Master("home").Applier(t.Context(), false))
			do(t, guest(t, server.App, "cloud"), "INSERT INTO app.other (v) VALUES (1)")
		}, func() { ok(t, lab.Master("home").Applier(t.Context(), true)) }},
		{"opened", "fence@home", func() { ok(t, lab.Master("home").Open(t.Context())) }, func() { ok(t, lab.Master("home").Fence(t.Context())) }},
	} {
		want := c.want
		if onMySQL() && c.name == "events" {
			want = "" // none runs under super_read_only
		}
		c.change()
		if got := wrong(); got != want {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
		c.after()
	}
	until(t, "all is well again", func() bool { return wrong() == "" })
	before := left
	app := guest(t, server.App, "home")
	do(t, app, "DO 1")
	if got := wrong(); got != "" || left != before+1 || apps == 0 {
		t.Errorf("%q, %d connections, want the application's beside %d", got, left, before)
	}
	_ = app.Close()
	passFenceIn(t, "home")
	do(t, guest(t, server.Admin, "home"), "INSERT INTO app.other (v) VALUES (1)")
	if got := wrong(); !strings.Contains(got, "source@home") {
		t.Errorf("%q, want what was born in home", got)
	}
	_, err = r.After(within(t, time.Nanosecond), m)
	if err == nil {
		t.Error("no error, and there was no time")
	}
}

// passFenceIn lets admin write on a fenced master.
func passFenceIn(t *testing.T, room string) {
	t.Helper()
	if onMySQL() {
		run(t, room, "SET GLOBAL super_read_only=0")
	}
}
