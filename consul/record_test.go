package consul_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/lab/server"
)

// recordStore is what both stores of a record do.
type recordStore interface {
	Take(ctx context.Context) (session string, err error)
	Session() string
	Release(ctx context.Context) error
	Read(ctx context.Context) (value []byte, index uint64, err error)
	Write(ctx context.Context, session string, value []byte, index uint64) (uint64, error)
}

// TestRecord: one contract for the record in Consul and for the one in a file.
func TestRecord(t *testing.T) {
	t.Run("consul", func(t *testing.T) {
		pair := unique()
		recordContract(t, func() recordStore { return record(t, "", pair) })
	})
	t.Run("file", func(t *testing.T) {
		dir := t.TempDir()
		recordContract(t, func() recordStore { return consul.NewRecordFile(dir, "feed-db", "zhang@ops") })
	})
}

func record(t *testing.T, through, pair string) *consul.RecordKey {
	t.Helper()
	r := client(t, through, func(c *consul.Config) { c.TimeOut = 2 * time.Second }).
		Record("roomshift", pair, cutover.Claim{Who: "zhang", Host: "ops", PID: os.Getpid(), Since: "2026-01-01T00:00:00Z"}, consul.LockOptions{})
	t.Cleanup(func() { _ = r.Release(context.WithoutCancel(t.Context())) })
	return r
}

// recordContract is given another process's store each time.
func recordContract(t *testing.T, another func() recordStore) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b := another(), another()
	reads := func(r recordStore, want string, at uint64) {
		t.Helper()
		value, index, err := r.Read(ctx)
		if err != nil || string(value) != want || index != at {
			t.Fatalf("read %q at %d, %v; want %q at %d", value, index, err, want, at)
		}
	}
	reads(a, "", 0)
	if _, err := a.Write(ctx, "", []byte("x"), 0); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("a write without a session: %v", err)
	}
	one, err := a.Take(ctx)
	must(err)
	if one == "" || a.Session() != one || b.Session() != "" {
		t.Errorf("session %q, and %q and %q said", one, a.Session(), b.Session())
	}
	if _, err := b.Take(ctx); !errors.Is(err, cutover.ErrHeld) || !strings.Contains(err.Error(), "zhang") {
		t.Errorf("the lock of somebody who has it: %v", err)
	}
	first, err := a.Write(ctx, one, []byte(`{"v":1}`), 0)
	must(err)
	reads(b, `{"v":1}`, first)
	if _, err := a.Write(ctx, one, []byte("again"), 0); !errors.Is(err, consul.ErrRecordMoved) {
		t.Errorf("made anew: %v", err)
	}
	second, err := a.Write(ctx, one, []byte(`{"v":2}`), first)
	must(err)
	for _, at := range []uint64{0, first, second + 1} {
		if _, err := a.Write(ctx, one, []byte("late"), at); !errors.Is(err, consul.ErrRecordMoved) || errors.Is(err, cutover.ErrOutcomeUnknown) {
			t.Errorf("over %d, and it is at %d: %v", at, second, err)
		}
	}
	reads(a, `{"v":2}`, second)
	if second <= first {
		t.Errorf("indices %d, then %d", first, second)
	}

	// A session is the process's own and never comes back: what checks an older one is refused.
	two, err := a.Take(ctx)
	must(err)
	if two == one {
		t.Error("the same session twice")
	}
	if _, err := a.Write(ctx, one, []byte("old session"), second); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("with an older session: %v", err)
	}
	if _, err := b.Write(ctx, two, []byte("stolen"), second); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("with somebody else's session: %v", err)
	}
	must(a.Release(ctx))
	must(a.Release(ctx))
	if _, err := a.Write(ctx, two, []byte("after release"), second); !errors.Is(err, cutover.ErrLeaseLost) || a.Session() != "" {
		t.Errorf("after release: %v, session %q", err, a.Session())
	}
	three, err := b.Take(ctx)
	must(err)

	// Any bytes, as long as a record may be.
	long := bytes.Repeat([]byte("0123456789abcde\n"), 256<<10/16)
	copy(long, "\x00\xff\n\nroomshift writer record, change 7\n")
	third, err := b.Write(ctx, three, long, second)
	must(err)
	reads(a, string(long), third)
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.Write(over, three, []byte("never sent"), third); err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("a write that was never sent: %v", err)
	}
	reads(b, string(long), third)
	fourth, err := b.Write(ctx, three, nil, third)
	must(err)
	reads(a, "", fourth)
	must(b.Release(ctx))
}

// TestRecordLostReply: a write that landed and whose answer was lost is unknown; its index shows it. One that is held on its way lands
// later, whatever was read meanwhile, as long as its session lives; once that has ended it never does (R6).
func TestRecordLostReply(t *testing.T) {
	line, err := server.NewProxy(realHost())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	pair := unique()
	a, direct := record(t, line.Addr(), pair), record(t, "", pair)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() (string, uint64) {
		t.Helper()
		value, index, err := direct.Read(t.Context())
		must(err)
		return string(value), index
	}
	session, err := a.Take(t.Context())
	must(err)
	at, err := a.Write(t.Context(), session, []byte("FENCING"), 0)
	must(err)

	line.Delay(time.Hour, 0)
	_, err = a.Write(t.Context(), session, []byte("COMMIT"), at)
	if !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Fatalf("a lost answer: %v", err)
	}
	line.Reset()
	line.Heal()
	value, now := read()
	if value != "COMMIT" || now <= at {
		t.Errorf("%s at %d after %d: a newer index shows that it landed", value, now, at)
	}

	for _, ended := range []bool{false, true} {
		_, before := read()
		line.Cut()
		_, err = a.Write(t.Context(), session, []byte("LATE"), before)
		if !errors.Is(err, cutover.ErrOutcomeUnknown) {
			t.Fatalf("a write that is held on its way: %v", err)
		}
		if value, at := read(); value == "LATE" || at != before {
			t.Fatalf("%s at %d: it wasn't held", value, at)
		}
		if ended { // by somebody who may: it is what Release does where it can reach Consul
			m := management(t)
			if _, err := m.Session().Destroy(session, nil); err != nil {
				t.Fatal(err)
			}
		}
		line.Heal()
		landed := false
		for end := time.Now().Add(time.Second); time.Now().Before(end) && !landed; time.Sleep(10 * time.Millisecond) {
			value, _ := read()
			landed = value == "LATE"
		}
		if landed == ended {
			t.Errorf("its session ended: %v; a late write landed: %v", ended, landed)
		}
		if !ended {
			_, now := read()
			_, err = a.Write(t.Context(), session, []byte("on"), now)
			must(err)
		}
	}
	// An own session that died is no obstacle.
	again, err := takeSoon(t, a)
	must(err)
	_, now = read()
	_, err = a.Write(t.Context(), again, []byte("STABLE"), now)
	must(err)
}

// takeSoon takes a lock whose last session has died: it is free after its lock-delay.
func takeSoon(t *testing.T, r *consul.RecordKey) (session string, err error) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if session, err = r.Take(t.Context()); !errors.Is(err, cutover.ErrHeld) {
			return session, err
		}
	}
	return session, err
}

// TestRecordForbidden: the right that lacks is named, and nothing is written.
func TestRecordForbidden(t *testing.T) {
	pair := unique()
	r := record(t, "", pair)
	session, err := r.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := "roomshift/writer/" + pair
	setRules(t, rules+"key \""+key+"\" { policy = \"read\" }\n")
	_, err = r.Write(t.Context(), session, []byte("x"), 0)
	if !errors.Is(err, consul.ErrForbidden) || !strings.Contains(err.Error(), `needs key "`+key+`" { policy = "write" }`) {
		t.Errorf("without the right to write: %v", err)
	}
	setRules(t, rules+"key \""+key+"\" { policy = \"deny\" }\n")
	put(t, management(t), key, "x", 0)
	if _, _, err := r.Read(t.Context()); !errors.Is(err, consul.ErrForbidden) {
		t.Errorf("without the right to read: %v; a record that can't be read isn't one that isn't there", err)
	}
}

// TestRecordDeadHolder: the lock of a process that is known to be dead on this machine is had at once.
func TestRecordDeadHolder(t *testing.T) {
	pair := unique()
	dead := record(t, "", pair)
	old, err := dead.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	heir := client(t, "", nil).Record("roomshift", pair, cutover.Claim{Who: "li", Host: "ops", PID: 1, Since: "2026-01-01T00:00:00Z"},
		consul.LockOptions{Dead: func(host string, pid int) bool { return host == "ops" && pid == os.Getpid() }})
	session, err := heir.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heir.Release(context.WithoutCancel(t.Context())) })
	if _, err := dead.Write(t.Context(), old, []byte("x"), 0); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("a write of the one that was thought dead: %v", err)
	}
	if _, err := heir.Write(t.Context(), session, []byte("y"), 0); err != nil {
		t.Error(err)
	}
}

// TestRecordFileDamage: what isn't a record is an error, never a record that isn't there; a half-made one beside it is nothing; a lock
// file that was taken away is noticed.
func TestRecordFileDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "writer.feed-db")
	r := consul.NewRecordFile(dir, "feed-db", "zhang@ops")
	session, err := r.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.Write(t.Context(), session, []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path+".new", "roomshift writer record, change 9\nnever")
	if value, index, err := r.Read(t.Context()); err != nil || string(value) != "one" || index != at {
		t.Errorf("%q at %d, %v beside a half-made one", value, index, err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "one", "roomshift writer record, change 0\none", "roomshift writer record, change x\none", "roomshift writer record, change 1"} {
		write(path, bad)
		if _, _, err := r.Read(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q is read: %v", bad, err)
		}
		if _, err := r.Write(t.Context(), session, []byte("two"), 0); err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) {
			t.Errorf("%q is written over: %v", bad, err)
		}
	}
	write(path, string(good))
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(t.Context(), session, []byte("two"), at); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("without its lock file: %v", err)
	}
	other := consul.NewRecordFile(dir, "feed-db", "li@ops")
	if _, err := other.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(t.Context(), session, []byte("two"), at); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("with somebody else's lock file: %v", err)
	}
}
