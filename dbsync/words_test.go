package dbsync

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
)

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"10.11.14-MariaDB-0+deb12u2-log": "",
		"5.5.5-10.6.0-MariaDB":           "",
		"11.8.6-MariaDB-log":             "",
		"8.4.3":                          "",
		"5.7.44-log":                     "",
		"26.10.0":                        "",
		"10.5.29-MariaDB":                "MariaDB 10.5.29: not supported: want MariaDB 10.6 or later, or MySQL 5.7.9 or later",
		"5.6.51":                         "MySQL 5.6.51: not supported: want MariaDB 10.6 or later, or MySQL 5.7.9 or later",
		"new":                            `version "new": not supported: want MariaDB 10.6 or later, or MySQL 5.7.9 or later`,
	} {
		v, err := parseVersion(text)
		if err == nil {
			err = v.supported()
		}
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v isn't ErrUnsupported", text, err)
		}
	}
}

func TestReadOnlyText(t *testing.T) {
	for text, want := range map[string]bool{"0": false, "OFF": false, "1": true, "ON": true, "3": true, "NO_LOCK": true, "NO_LOCK_NO_ADMIN": true} {
		if got, err := parseReadOnly(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "NULL", "MAYBE", "4"} {
		if _, err := parseReadOnly(text); err == nil {
			t.Errorf("%q was taken for a value", text)
		}
	}
}

func TestPositions(t *testing.T) {
	order := []position{{"bin.000001", 900}, {"bin.000002", 4}, {"bin.000002", 5}, {"bin.999999", 4}, {"bin.1000000", 4}}
	for i, p := range order {
		for j, q := range order {
			if got, want := p.compare(q), compareInts(i, j); got != want {
				t.Errorf("%v against %v: %d, want %d", p, q, got, want)
			}
		}
	}
	for _, bad := range [][2]string{{"", "4"}, {"bin.000001", "NULL"}, {"bin.000001", ""}} {
		if _, err := parsePosition(bad[0], bad[1]); err == nil {
			t.Errorf("%q was taken for a position", bad)
		}
	}
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestStates(t *testing.T) {
	y, err := parseState("1-1-90,2-2-17,10-1-4")
	if err != nil {
		t.Fatal(err)
	}
	x, err := parseState("1-1-100, 2-2-13")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ahead(y, x), []string{"2-2-14..17", "10-1-1..4"}; !cmp.Equal(got, want) {
		t.Errorf("only on y: %q, want %q", got, want)
	}
	if got, want := ahead(x, y), []string{"1-1-91..100"}; !cmp.Equal(got, want) {
		t.Errorf("only on x: %q, want %q", got, want)
	}
	for _, bad := range []string{"1-1", "1-1-x", "1-1-1-1", "uuid:1-5"} {
		if _, err := parseState(bad); err == nil {
			t.Errorf("%q was taken for a state", bad)
		}
	}
}

func TestMoved(t *testing.T) {
	last := ""
	for _, step := range [][2]string{{"", ""}, {"1-1-5,2-2-7", "1-1-5,2-2-7"}, {"1-1-5,2-2-7", ""}, {"1-1-6,2-2-7", "1-1-6"}} {
		got := moved(last, step[0])
		if last = step[0]; got != step[1] {
			t.Errorf("%q moved %q, want %q", step[0], got, step[1])
		}
	}
}

func TestForeign(t *testing.T) {
	for state, want := range map[string]string{"": "", "1-1-5": "", "2-2-7,1-1-5": "2-2-7", "1-3-4, 1-1-9,1-2-8": "1-2-8,1-3-4"} {
		if got := foreign(state, "1"); got != want {
			t.Errorf("%q: %q, want %q", state, got, want)
		}
	}
	if a, b := foreign("1-1-5,2-2-7", "1"), foreign("2-2-7,1-1-9", "1"); a != b || a == "" {
		t.Errorf("%q and %q, want only X's own to differ", a, b)
	}
	if a, b := foreign("1-1-5,1-2-7", "1"), foreign("1-2-8,1-1-5", "1"); a == b {
		t.Errorf("%q, want Y's to differ", a)
	}
}

func TestReasons(t *testing.T) {
	n := &node{room: "home"}
	for _, c := range []struct {
		err  error
		want cutover.Reason
	}{
		{n.fail(context.DeadlineExceeded), "no answer: master in home: no answer in time"},
		{n.fail(mysql.ErrInvalidConn), "no answer: master in home: the connection was lost"},
		{n.fail(driver.ErrBadConn), "no answer: master in home: the connection was lost"},
		{n.fail(errors.New("bad connection")), "no answer: master in home: the connection was lost"},
		{n.fail(&mysql.MySQLError{Number: 1146, Message: "Table"}), "error: master in home: the table roomshift.heartbeat isn't there: make it with `roomshift check --live --init`"},
		{n.fail(noData("home replicates from nowhere")), "no data: home replicates from nowhere"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestOpenRefuses: whatever is wrong with a DSN, no piece of it is in the error.
func TestOpenRefuses(t *testing.T) {
	good := "roomshift:hush-4711@tcp(127.0.0.1:1)/"
	for _, bad := range []string{
		"", "roomshift:hush-4711@tcp(127.0.0.1:1)", "roomshift:hush-4711@hush-4711(127.0.0.1:1)/", "roomshift:hush-4711@tcp(127.0.0.1:1/",
		good + "?tls=hush-4711", good + "?parseTime=hush-4711", good + "?timeout=hush-4711", good + "?collation=hush-4711&x=%zz",
	} {
		r, err := Open(Pair{Name: "feed-db", Rooms: [2]cutover.Room{"home", "cloud"}, DSN: [2]string{good, bad}})
		if err == nil {
			// Some mistakes show at the first connection only; nothing listens there.
			var seen cutover.Seen
			seen, err = r.Look(t.Context())
			if err == nil {
				err = errors.New(seen.Why["cloud"])
			}
			r.Close()
		} else if !strings.Contains(err.Error(), "feed-db") || !strings.Contains(err.Error(), "cloud") {
			t.Errorf("%v: want the pair and the room named", err)
		}
		if strings.Contains(err.Error(), "hush-4711") {
			t.Errorf("a piece of the DSN is in %q", err)
		}
	}
	if _, err := Open(Pair{Name: "feed-db", Rooms: [2]cutover.Room{"home", "home"}, DSN: [2]string{good, good}}); err == nil {
		t.Error("two masters in one room were taken")
	}
}

func TestSample(t *testing.T) {
	var got []cutover.Sample
	put := Samples(7, func(s cutover.Sample) { got = append(got, s) })
	put(Reading{To: "cloud", Lo: 0.1, Hi: 0.2, From: 5, At: 6})
	put(Reading{To: "home", Idle: true, From: 7, At: 8})
	put(Reading{To: "home", Unknown: "no data: x", From: 9, At: 9})
	want := []cutover.Sample{{Gauge: 7, Room: "cloud", Lo: 0.1, Hi: 0.2, From: 5, At: 6},
		{Gauge: 7, Room: "home", Idle: true, From: 7, At: 8}, {Gauge: 7, Room: "home", Unknown: "no data: x", From: 9, At: 9}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
