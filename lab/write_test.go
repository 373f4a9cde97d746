package lab

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// TestTold: what an error number, or the end of a connection, says of a write.
func TestTold(t *testing.T) {
	number := func(n uint16) error { return fmt.Errorf("insert: %w", &mysql.MySQLError{Number: n}) }
	for _, c := range []struct {
		err            error
		again, unknown bool
	}{
		{nil, false, false},
		{number(1290), true, false}, {number(1792), true, false}, {number(1836), true, false}, // it takes no writes
		{number(1062), false, false}, {number(1146), false, false}, {number(1213), false, false}, // refused for another reason
		{number(1053), false, true}, {number(1180), false, true}, {number(1317), false, true}, {number(1927), false, true}, {number(3169), false, true},
		{mysql.ErrInvalidConn, false, true}, {io.EOF, false, true}, {context.DeadlineExceeded, false, true}, // 2006, 2013
		{driver.ErrBadConn, true, false}, // nothing was sent
	} {
		again, err := told(c.err)
		if again != c.again || errors.Is(err, errUnknown) != c.unknown || (err == nil) != (c.err == nil) {
			t.Errorf("%v: again %v, %v", c.err, again, err)
		}
	}
}

// TestFollowerNeverGoesBack: a record from a server that has fallen behind changes nothing, whichever phase it is in.
func TestFollowerNeverGoesBack(t *testing.T) {
	f := &follower{news: make(chan struct{})}
	at := func(epoch, seq int64, phase writer.Phase, from, to string) writer.Record {
		return writer.Record{Epoch: epoch, Seq: seq, Phase: phase, Writer: from, To: to}
	}
	for i, c := range []struct {
		r    writer.Record
		want string
		news bool
	}{
		{at(1, 1, writer.Stable, Home, ""), Home, true},
		{at(2, 2, writer.Fencing, Home, Cloud), Home, true},
		{at(2, 3, writer.Commit, Home, Cloud), Cloud, true},
		{at(2, 2, writer.Fencing, Home, Cloud), Cloud, false},
		{at(2, 3, writer.Stable, Home, ""), Cloud, false},
		{at(1, 9, writer.Stable, Home, ""), Cloud, false},
		{at(2, 4, writer.Stable, Cloud, ""), Cloud, true},
		{at(3, 5, writer.Abort, Cloud, Home), Cloud, true},
		{at(4, 1, writer.Commit, Cloud, Home), Home, true}, // a later epoch, whatever its number
	} {
		_, news := f.writer()
		f.take(c.r)
		select {
		case <-news:
			if !c.news {
				t.Errorf("%d: an older record was news", i)
			}
		default:
			if c.news {
				t.Errorf("%d: a newer record was no news", i)
			}
		}
		if got, _ := f.writer(); got != c.want {
			t.Errorf("%d: writes go to %s, want %s", i, got, c.want)
		}
	}
}

// TestLedgerBalances: each way in which a write may not be what its client was told is found, and nothing else.
func TestLedgerBalances(t *testing.T) {
	l := newLedger()
	began := time.Now()
	for n, o := range []outcome{acknowledged, acknowledged, refused, unknown, unknown} {
		l.wrote(n, began, o, Home)
	}
	good := map[string]int{l.token(0): 1, l.token(1): 1, l.token(4): 1}
	with := func(n, times int) map[string]int {
		m := map[string]int{l.token(n): times}
		for k, v := range good {
			if k != l.token(n) {
				m[k] = v
			}
		}
		return m
	}
	_, all := l.since(0, 0)
	for _, c := range []struct {
		name        string
		home, cloud map[string]int
		want        string
	}{
		{"as it was told", good, good, ""},
		{"lost", good, with(1, 0), "1 writes are acknowledged, and lost in cloud: " + l.token(1)},
		{"lost everywhere", with(0, 0), with(0, 0), "lost in home"},
		{"doubled", with(0, 2), with(0, 2), "more than once in home"},
		{"refused and there", with(2, 1), with(2, 1), "refused, and there in home"},
		{"unknown, and none", with(4, 0), with(4, 0), ""},
		{"unknown, doubled", with(3, 2), with(3, 2), "more than once in cloud"},
		{"unknown, in one room", with(3, 1), good, "unknown, and in one room only"},
	} {
		err := l.balance(all, [2]map[string]int{c.home, c.cloud})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if w, _ := l.since(1, 0); w.Acknowledged != 1 || w.Refused != 1 || w.Unknown != 2 {
		t.Errorf("since the first: %s", w)
	}
}

// TestLedgerSwitches: a switch is where another master goes on, and not an answer of the old one that comes late.
func TestLedgerSwitches(t *testing.T) {
	l := newLedger()
	old := time.Now()
	l.wrote(0, old, acknowledged, Home)
	l.wrote(1, old, acknowledged, Cloud)
	l.wrote(2, old, acknowledged, Home) // sent before the switch
	l.wrote(3, old, refused, "")
	l.wrote(4, time.Now(), acknowledged, Cloud)
	w, _ := l.since(0, 0)
	if len(w.Switches) != 1 || w.Switches[0].From != Home || w.Switches[0].To != Cloud {
		t.Fatalf("switches: %+v", w.Switches)
	}
	l.wrote(5, time.Now(), acknowledged, Home)
	if w, _ = l.since(0, 1); len(w.Switches) != 1 || w.Switches[0].To != Home {
		t.Errorf("switches since the first: %+v", w.Switches)
	}
}

// role moves the write role by hand, as WRITER's steps do, under a record.
type role struct {
	t      *testing.T
	record *consul.RecordKey
	r      writer.Record
	index  uint64
}

func newRole(t *testing.T) *role {
	t.Helper()
	c, err := consul.New(consul.Config{Name: Home, Addr: lab.Consuls[Home].Addr, TokenFile: lab.Consuls[Home].TokenFile})
	if err != nil {
		t.Fatal(err)
	}
	m := &role{t: t, record: c.Record("roomshift", Pair, cutover.Claim{Who: "test", Host: "lab", Since: "2026-01-01T00:00:00Z"}, consul.LockOptions{})}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := m.record.Release(ctx); err != nil {
			t.Error(err)
		}
		if _, _, err := lab.ask(ctx, http.MethodDelete, Home, "/v1/kv/roomshift/?recurse", nil); err != nil {
			t.Error(err)
		}
		for room, open := range map[string]bool{Home: true, Cloud: false} { // no other test has a record
			if open {
				err = lab.Ring.Master(room).Open(ctx)
			} else {
				err = lab.Ring.Master(room).Fence(ctx)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := lab.Forget(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

// put writes the next record.
func (m *role) put(phase writer.Phase, from, to string) {
	m.t.Helper()
	r := writer.Record{V: writer.Version, Epoch: m.r.Epoch, Seq: m.r.Seq + 1, Phase: phase, Writer: from, To: to,
		Servers: map[string]string{Home: "a", Cloud: "b"}, Run: "run", By: "test", At: time.Now().UTC()}
	if phase == writer.Fencing || r.Epoch == 0 {
		r.Epoch++
	}
	if phase == writer.Commit {
		r.Pos = "0-1-1"
	}
	text, err := r.Encode()
	if err == nil {
		m.index, err = m.record.Write(m.t.Context(), m.record.Session(), text, m.index)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.r = r
}

// move is a whole move.
func (m *role) move(from, to string) {
	m.t.Helper()
	ctx := m.t.Context()
	m.put(writer.Fencing, from, to)
	if err := lab.Ring.Master(from).Fence(ctx); err != nil {
		m.t.Fatal(err)
	}
	if err := lab.Ring.Await(ctx); err != nil {
		m.t.Fatal(err)
	}
	m.put(writer.Commit, from, to)
	if err := lab.Ring.Master(to).Open(ctx); err != nil {
		m.t.Fatal(err)
	}
	m.put(writer.Stable, to, "")
}

// TestServicesFollowTheRecord: with a record, writes of both rooms go to the writer that it names, there and back, and not one request
// fails by the moves; a write that no record lets through is refused, and told so; the ledger balances.
func TestServicesFollowTheRecord(t *testing.T) {
	heal(t)
	number(t, 30)
	mark, before := lab.Mark(), lab.Counts()
	m := newRole(t)
	if _, err := m.record.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.put(writer.Stable, Home, "")
	follows := func(to string) {
		t.Helper()
		eventually(t, "both services follow the record", func() bool { return lab.Followed(Home) == to && lab.Followed(Cloud) == to })
	}
	follows(Home)
	for i, step := range [][2]string{{Home, Cloud}, {Cloud, Home}, {Home, Cloud}} {
		m.move(step[0], step[1])
		follows(step[1])
		eventually(t, "the new writer acknowledges", func() bool {
			w := lab.Written(mark)
			return len(w.Switches) == i+1 && w.Switches[i].To == step[1]
		})
	}
	if c := lab.Counts().Since(before); c.Failed > 0 || c.Writes == 0 {
		t.Errorf("%d of %d failed, %d writes: %q", c.Failed, c.Sent, c.Writes, c.Why)
	}
	w, err := lab.Balance(t.Context(), mark)
	if err != nil {
		t.Error(err)
	}
	if w.LongestGap <= 0 || w.Refused+w.Unknown > 0 {
		t.Errorf("told: %s", w)
	}
	if said := lab.status(t.Context()); !strings.Contains(said, "moves of the writer") ||
		!strings.Contains(said, "the service of home writes to cloud, the cloud's to cloud") {
		t.Errorf("status says %s", said)
	}
	t.Log(w)
	// The record says who the writer is, whoever takes writes: a fenced one is waited for, and the other never asked.
	if err := lab.Ring.Master(Cloud).Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lab.Ring.Master(Home).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	mark = lab.Mark()
	eventually(t, "writes are refused", func() bool { return lab.Written(mark).Refused > 0 })
	if err := lab.Ring.Master(Home).Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lab.Ring.Master(Cloud).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w, err = lab.Balance(t.Context(), mark); err != nil || w.Refused == 0 || w.Unknown > 0 {
		t.Errorf("told: %s; %v", w, err)
	}
	if len(w.Switches) > 0 || w.LongestWait < writePatience {
		t.Errorf("a write went elsewhere, or wasn't waited for: %+v", w)
	}
}

// TestUnknownIsTold: a write whose connection is ended while its statement runs is neither acknowledged nor refused.
func TestUnknownIsTold(t *testing.T) {
	heal(t)
	mark := lab.Mark()
	db := lab.Ring.Master(Home).DB()
	lock, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLES app.posts WRITE"); err != nil {
		t.Fatal(err)
	}
	waiting := "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO posts%' LIMIT 1"
	eventually(t, "a write is under way, and is ended", func() bool {
		var id int
		if db.QueryRowContext(t.Context(), waiting).Scan(&id) != nil {
			return false
		}
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id))
		return err == nil
	})
	if _, err := lock.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	w, err := lab.Balance(t.Context(), mark)
	if err != nil || w.Unknown == 0 || w.Refused > 0 {
		t.Errorf("told: %s; %v", w, err)
	}
	heal(t)
}
