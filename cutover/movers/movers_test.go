package movers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

var serial atomic.Int64

// newPair is a name that no other test's record has.
func newPair() string { return fmt.Sprintf("pair%d", serial.Add(1)) }

// keeper is a pair's record in the real Consul, as one process has it; dead: what others know of the one that holds the lock.
func keeper(t testing.TB, pair string, dead bool) *consul.RecordKey {
	t.Helper()
	return client(t, "").Record("roomshift", pair, cutover.Claim{Who: "a test", Host: "here", PID: 1}, consul.LockOptions{Dead: func(string, int) bool { return dead }})
}

// TestThereAndBack: under eight writers the role goes to the cloud and comes home, and nothing that was acknowledged is lost. The marker is on
// both sides, and events are on where the writer is.
func TestThereAndBack(t *testing.T) { onBoth(t, thereAndBack) }

func thereAndBack(t *testing.T) {
	pair := newPair()
	k := keeper(t, pair, false)
	x := newTool(t, pairWith(t, pair, k))
	if !onMySQL() {
		run(t, "home", "SET GLOBAL event_scheduler = ON")
		t.Cleanup(func() {
			run(t, "home", "SET GLOBAL event_scheduler = OFF")
			run(t, "cloud", "SET GLOBAL event_scheduler = OFF")
		})
		run(t, "cloud", "SET GLOBAL event_scheduler = OFF")
	}
	w := startLoad(t, 8)
	for i, to := range []string{"cloud", "home"} {
		from := lab.Rooms[i]
		w.flows(t, from)
		began := time.Now()
		ok(t, x.move(within(t, time.Minute), to))
		w.flows(t, to)
		stands(t, k, to)
		t.Logf("%s to %s: nobody took writes for %v: %v", lab.Master(to).Engine, to, w.Silence(began), x.acts)
		for _, room := range lab.Rooms {
			if got := text(t, room, "SELECT CONCAT(epoch, ' ', room) FROM roomshift.heartbeat WHERE pair = ? ORDER BY epoch DESC LIMIT 1", pair); got != fmt.Sprintf("%d %s", i+2, to) {
				t.Errorf("the marker in %s is %q", room, got)
			}
			if got, want := text(t, room, "SELECT @@global.event_scheduler"), map[bool]string{true: "ON", false: "OFF"}[room == to]; !onMySQL() && got != want {
				t.Errorf("events in %s are %s, and the writer is in %s", room, got, to)
			}
		}
	}
	w.nothingLost(t)
	if len(x.said) > 0 || len(x.broke) > 0 {
		t.Errorf("said %q, broke %v", x.said, x.broke)
	}
}

// destroy ends a Consul session, as if it had expired.
func destroy(t testing.TB, session string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, 5*time.Second), http.MethodPut, real.Addr+"/v1/session/destroy/"+session, nil)
	ok(t, err)
	req.Header.Set("X-Consul-Token", real.Management)
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("destroy %q: %s", session, resp.Status)
	}
}

// killLock ends the session that holds a pair's lock on a room's master.
func killLock(t testing.TB, room, pair string) {
	t.Helper()
	run(t, room, "KILL "+text(t, room, "SELECT IS_USED_LOCK(?)", "roomshift/"+pair))
}

// TestOneFault: at each act of a move the Consul session, or that on a master, is lost once. The move goes on or is given up; there is
// one writer, and nothing is lost. What broke was said.
func TestOneFault(t *testing.T) { onBoth(t, oneFault) }

func oneFault(t *testing.T) {
	pair := newPair()
	k := keeper(t, pair, false)
	w := startLoad(t, 8)
	at := "home"
	plain := newTool(t, pairWith(t, pair, k))
	ok(t, plain.move(within(t, time.Minute), "home"))
	plain.m.Drop(t.Context(), pair)
	for _, fault := range []string{"consul", "home", "cloud"} {
		for n := range 6 {
			if testing.Short() && (n%3 != 1 || onMySQL() && n != 4) {
				continue // the fence, and the opening; of MySQL that one only
			}
			x := newTool(t, pairWith(t, pair, keeper(t, pair, false)))
			to := map[string]string{"home": "cloud", "cloud": "home"}[at]
			w.flows(t, at)
			sent, struck := 0, ""
			x.before = func(a writer.Act) {
				if sent++; sent != n+1 {
					return
				}
				struck = a.Do.String() + " " + a.Room + string(a.Next.Phase)
				if fault == "consul" {
					destroy(t, x.last.Session)
				} else {
					killLock(t, fault, pair)
				}
			}
			began := time.Now()
			err := x.move(within(t, time.Minute), to)
			if err == nil {
				at = to
			}
			t.Logf("%s lost at %q: now %s, without a writer for at most %v: %v; %v", fault, struck, at, w.Silence(began), err, x.acts)
			if fault != "consul" && struck != "" && !slices.Equal(x.broke, []string{fault}) {
				t.Errorf("%s lost at %q: said to have broken: %v", fault, struck, x.broke)
			}
			x.m.Close(within(t, 10*time.Second))
			stands(t, k, at)
		}
	}
	w.nothingLost(t)
}

// TestTwoProcesses: two processes fight for a pair, and each loses its Consul session again and again. Never do both masters take
// writes; when one is left, it brings the writer home.
func TestTwoProcesses(t *testing.T) { onBoth(t, twoProcesses) }

func twoProcesses(t *testing.T) {
	if testing.Short() && onMySQL() {
		t.Skip("short: as MariaDB's")
	}
	pair := newPair()
	k, k2 := keeper(t, pair, false), keeper(t, pair, false)
	a, b := newTool(t, pairWith(t, pair, k)), newTool(t, pairWith(t, pair, k2))
	w := startLoad(t, 8)
	w.flows(t, "home")
	ctx, stop := context.WithTimeout(t.Context(), 90*time.Second)
	defer stop()
	var lost, moved atomic.Int64
	for i, x := range []*tool{a, b} {
		by := rand.New(rand.NewPCG(1, uint64(i)))
		x.before = func(writer.Act) {
			if by.IntN(6) == 0 && x.last.Session != "" {
				destroy(t, x.last.Session)
				lost.Add(1)
			}
		}
	}
	var both sync.WaitGroup
	for x, want := range map[*tool]string{a: "cloud", b: "home"} {
		both.Go(func() {
			for ctx.Err() == nil {
				if x.move(ctx, want) == nil && moved.Add(1) >= 4 && lost.Load() >= 3 && record(t, k).Epoch >= 3 {
					stop()
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	watched := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			var open int
			for _, room := range lab.Rooms {
				var v int
				if lab.Master(room).DB().QueryRow("SELECT @@global.read_only").Scan(&v) == nil && v == 0 {
					open++
				}
			}
			if open > 1 {
				n++
			}
		}
		watched <- n
	}()
	both.Wait()
	if n := <-watched; n > 0 {
		t.Errorf("both masters took writes in %d samples", n)
	}
	t.Logf("%d ends of moves, %d Consul sessions destroyed, epoch %d; acts %v and %v", moved.Load(), lost.Load(), record(t, k).Epoch, tail(a.acts), tail(b.acts))
	a.m.Close(within(t, 10*time.Second))
	b.before = func(writer.Act) {}
	ok(t, b.move(within(t, time.Minute), "home"))
	stands(t, k, "home")
	w.nothingLost(t)
	if record(t, k).Epoch < 3 || lost.Load() < 3 {
		t.Errorf("nothing moved, or nothing broke: %+v, %d", record(t, k), lost.Load())
	}
}

// TestAnOlderProcess: what a process sends that was taken over from does nothing.
func TestAnOlderProcess(t *testing.T) { onBoth(t, anOlderProcess) }

func anOlderProcess(t *testing.T) {
	pair := newPair()
	k := keeper(t, pair, false)
	old, young := newTool(t, pairWith(t, pair, k)), newTool(t, pairWith(t, pair, keeper(t, pair, true)))
	for _, at := range []string{"fence home", "write COMMIT", "open cloud"} {
		ok(t, old.move(within(t, time.Minute), "home"))
		stopped := errors.New("stop")
		var act writer.Act
		func() {
			defer func() {
				if r := recover(); r != nil && r != stopped { //nolint:errorlint // it is the very one
					panic(r)
				}
			}()
			old.before = func(a writer.Act) {
				if a.Do.String()+" "+a.Room+string(a.Next.Phase) == at {
					act = a
					panic(stopped)
				}
			}
			_ = old.move(within(t, time.Minute), "cloud")
		}()
		old.before = func(writer.Act) {}
		index := old.last.Index
		ok(t, young.move(within(t, time.Minute), "home"))
		stands(t, k, "home")
		if r := old.m.Do(within(t, 10*time.Second), pair, act, index, old.budget); r.What == cutover.Done {
			t.Errorf("%s, by who was taken over from: %+v", at, r)
		}
		stands(t, k, "home")
		old.begin = cutover.RoundBegin{From: cutover.FromLock}
	}
}

// TestRecordInAFile: without a Consul the role moves, too, for one process at a time.
func TestRecordInAFile(t *testing.T) { onBoth(t, recordInAFile) }

func recordInAFile(t *testing.T) {
	pair, dir := newPair(), t.TempDir()
	k := consul.NewRecordFile(dir, pair, "a test")
	x, other := newTool(t, pairWith(t, pair, k)), newTool(t, pairWith(t, pair, consul.NewRecordFile(dir, pair, "another")))
	w := startLoad(t, 4)
	w.flows(t, "home")
	x.before = func(a writer.Act) {
		if a.Do != writer.Fence {
			return
		}
		if got := other.round(within(t, 10*time.Second), "home"); got.Do != writer.Lock || len(other.took) > 0 || other.last.Err == nil {
			t.Errorf("while somebody else moves it: %+v, took %v, %v", got, other.took, other.last.Err)
		}
	}
	ok(t, x.move(within(t, time.Minute), "cloud"))
	w.flows(t, "cloud")
	stands(t, k, "cloud")
	ok(t, other.move(within(t, time.Minute), "home"))
	w.flows(t, "home")
	stands(t, k, "home")
	w.nothingLost(t)
}

// TestNoMoveWithoutAFenceAfterRestart: a master that may come up writable keeps a move from being begun, by name (R12).
func TestNoMoveWithoutAFenceAfterRestart(t *testing.T) { onBoth(t, restartFence) }

func restartFence(t *testing.T) {
	pair := newPair()
	p := pairWith(t, pair, keeper(t, pair, false))
	wanted := "SET PERSIST_ONLY super_read_only = 1"
	if onMySQL() {
		run(t, "cloud", "RESET PERSIST super_read_only")
		defer run(t, "cloud", wanted)
	} else {
		wanted = "`restarts: fenced`"
		p.Declared["cloud"] = false
	}
	x := newTool(t, p)
	ok(t, x.move(within(t, time.Minute), "home"))
	x.round(within(t, 10*time.Second), "home")
	if why := x.last.Unfit; !strings.Contains(why, wanted) || !strings.Contains(why, "cloud") {
		t.Errorf("unfit: %q", why)
	}
}

// TestABacklogIsWaitedFor: a move isn't begun while the other master is late, and may be once it isn't.
func TestABacklogIsWaitedFor(t *testing.T) { onBoth(t, aBacklog) }

func aBacklog(t *testing.T) {
	pair := newPair()
	p := pairWith(t, pair, keeper(t, pair, false))
	p.Near = 300 * time.Millisecond
	x := newTool(t, p)
	ok(t, x.move(within(t, time.Minute), "home"))
	x.round(within(t, 10*time.Second), "home")
	if why := x.last.NotNow; why != "" {
		t.Errorf("not now: %q", why)
	}
	lab.Delay("home", "cloud", 3*time.Second)
	run(t, "home", "INSERT INTO app.tokens (token) VALUES (UUID())")
	x.round(within(t, 10*time.Second), "home")
	if why := x.last.NotNow; !strings.Contains(why, "cloud is more than 300ms behind home") {
		t.Errorf("not now: %q", why)
	}
}

// TestABlockedFence: what blocks a fence is named, and nothing is closed.
func TestABlockedFence(t *testing.T) { onBoth(t, aBlockedFence) }

func aBlockedFence(t *testing.T) {
	pair := newPair()
	k := keeper(t, pair, false)
	x := newTool(t, pairWith(t, pair, k))
	conn, err := lab.Master("home").DB().Conn(t.Context())
	ok(t, err)
	defer conn.Close()
	ctx := within(t, time.Minute)
	for {
		a, r := x.step(ctx, "cloud")
		if a.Do == writer.Write && a.Next.Phase == writer.Fencing {
			_, err := conn.ExecContext(ctx, "LOCK TABLES app.tokens WRITE")
			ok(t, err)
		}
		if a.Do != writer.Fence {
			continue
		}
		var blocked *dbsync.BlockedError
		if r.What != cutover.Failed || !errors.As(r.Err, &blocked) || len(blocked.By) == 0 {
			t.Errorf("%+v", r)
		}
		break
	}
	_, err = conn.ExecContext(ctx, "UNLOCK TABLES")
	ok(t, err)
	ok(t, x.move(ctx, "home"))
	stands(t, k, "home")
}

// slowKeeper is a record that is read slowly, while something happens.
type slowKeeper struct {
	movers.Keeper
	slow     time.Duration
	meantime func()
}

func (k *slowKeeper) Look(ctx context.Context) ([]byte, uint64, bool, error) {
	if k.meantime != nil {
		time.Sleep(k.slow)
		k.meantime()
		k.meantime = nil
	}
	return k.Keeper.Look(ctx)
}

// TestNothingSeenIsOlderThanTheRecord: masters are looked at beside the reading of the record, and anew where that took its time.
func TestNothingSeenIsOlderThanTheRecord(t *testing.T) { onBoth(t, nothingSeenIsOlder) }

func nothingSeenIsOlder(t *testing.T) {
	pair := newPair()
	k := &slowKeeper{Keeper: keeper(t, pair, false)}
	x := newTool(t, pairWith(t, pair, k))
	x.round(within(t, 20*time.Second), "")
	k.slow, k.meantime = 300*time.Millisecond, func() {
		ok(t, errors.Join(lab.Master("home").Fence(t.Context()), lab.Master("cloud").Open(t.Context())))
	}
	x.begin = cutover.RoundBegin{From: cutover.FromRead}
	x.round(within(t, 20*time.Second), "")
	for _, s := range x.last.Seen.Servers {
		if want := map[string]writer.Mode{"home": writer.ReadOnly, "cloud": writer.ReadWrite}[s.Room]; s.Mode() != want {
			t.Errorf("%s is seen as %s; when the record was read it was %s", s.Room, s.Mode(), want)
		}
	}
}
