package torture

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover/writer"
	"roomshift/lab/server"
)

var (
	seed      = flag.Uint64("seed", 0, "of the schedule; 0: 1 in the short form, a new one in the long one")
	moves     = flag.Int("moves", 0, "how many moves of each engine; 0: the short form")
	otherTool = flag.String("tool", "", "another build of this test, whose process is put under test")
	tell      = flag.Bool("stories", false, "tell all that is known of each move")
	faulty    = flag.String("faults", "", "kinds of faults that are drawn, with commas; empty: all (see kindsOfFaults), none: no fault")
)

const shortMoves = 20

func TestMain(m *testing.M) {
	if text := os.Getenv(toolEnv); text != "" {
		os.Exit(tool(text))
	}
	flag.Parse()
	if *otherTool != "" {
		program = *otherTool
	}
	os.Exit(m.Run())
}

// TestTorture moves the role to and fro while clients write and everything goes wrong that the schedule says.
func TestTorture(t *testing.T) {
	for _, e := range []server.Engine{server.MariaDB, server.MySQL} {
		t.Run(string(e), func(t *testing.T) {
			if testing.Short() && *moves == 0 {
				t.Skip("in a hurry: half a minute for each engine")
			}
			n, slow := *moves, true
			if n == 0 {
				n, slow = shortMoves, false
			}
			by := *seed
			if by == 0 {
				by = 1
				if slow {
					by = uint64(time.Now().UnixNano()) % 1e9
				}
			}
			s := &session{engine: e, seed: by, moves: n, slow: slow, only: map[string]bool{}}
			for _, k := range strings.FieldsFunc(*faulty, func(r rune) bool { return r == ',' }) {
				s.only[k] = true
			}
			if err := s.run(t.Context(), t.TempDir(), t.Logf); err != nil {
				t.Fatalf("%v\n\nrepeat: go test ./torture -run 'TestTorture/%s' -moves %d -seed %d -faults '%s' -v", err, e, n, by, *faulty)
			}
		})
	}
}

// session is a schedule on one scene.
type session struct {
	engine server.Engine
	seed   uint64
	moves  int
	slow   bool
	only   map[string]bool
	// writable: masters come up writable after a crash, which R12 forbids
	writable bool

	every int // moves between two comparisons of everything; 0: verdictEvery

	done          int // moves that were made
	moved         int // of these, those that came to where they were wished
	drawn, struck int // faults, and those of them that found their place
}

// verdictEvery is how many moves are made between two comparisons of everything, where a session doesn't say.
const verdictEvery = 25

func (x *session) run(ctx context.Context, dir string, logf func(string, ...any)) (err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	began := time.Now()
	s, err := newScene(ctx, dir, x.engine, x.writable)
	if err != nil {
		return err
	}
	defer s.stop()
	logf("%s: the scene stands after %v; seed %d", x.engine, time.Since(began).Round(time.Millisecond), x.seed)
	watch, err := startSampler(s)
	if err != nil {
		return err
	}
	defer watch.end()
	c := startClients(s)
	defer func() { c.end() }()
	for x.done = 0; x.done < x.moves; x.done++ {
		if x.done > 0 && x.done%cmp.Or(x.every, verdictEvery) == 0 {
			if err := x.compare(ctx, s, c, logf); err != nil {
				return err
			}
			c = c.again()
		}
		if err := x.move(ctx, s, c, watch, logf); err != nil {
			return err
		}
	}
	if err := x.compare(ctx, s, c, logf); err != nil {
		return err
	}
	n, wrong := watch.seen()
	logf("%s: %d moves, %d came to where they were wished, %d faults, %d struck at a request, in %v; both masters were looked at %d times", x.engine, x.done, x.moved,
		x.drawn, x.struck, time.Since(began).Round(time.Second), n)
	if len(wrong) > 0 {
		return errors.New(wrong[0])
	}
	return s.knows(x.done)
}

// knows: the requests that faults are aimed at are still known when they go by.
func (s *scene) knows(moves int) error {
	sum := map[string]int{}
	for _, sl := range s.slots {
		sl.watch.seen(sum)
	}
	for _, k := range []string{"lock", "look", "fence", "kill", "open", "wait", "mark", "get", "session", "FENCING", "COMMIT", "STABLE"} {
		if sum[k] == 0 && moves >= shortMoves {
			return fmt.Errorf("in %d moves no request was taken for %q; seen: %v", moves, k, sum)
		}
	}
	return nil
}

func (x *session) compare(ctx context.Context, s *scene, c *clients, logf func(string, ...any)) error {
	c.end()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	said, err := c.verdict(ctx)
	if err != nil {
		return fmt.Errorf("after %d moves: %w", x.done, err)
	}
	logf("%s: after %d moves: %s", s.engine, x.done, said)
	return nil
}

// again starts the clients anew, with what they know.
func (c *clients) again() *clients {
	n := startClients(c.s)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tokens, n.appends, n.ids, n.history = append(c.tokens, n.tokens...), c.appends, c.ids, append(c.history, n.history...)
	n.hidden += c.hidden
	if n.last.Seq == 0 {
		n.last = c.last
	}
	return n
}

// move makes one move and checks what is to be so after it.
func (x *session) move(ctx context.Context, s *scene, c *clients, watch *sampler, logf func(string, ...any)) error {
	before, err := s.settled(ctx)
	if err != nil {
		return fmt.Errorf("before move %d: %w", x.done, err)
	}
	m := &move{s: s, c: c, n: x.done, from: before.Writer, to: other(before.Writer), noWriter: 3 * time.Second}
	patience := 6 * time.Second
	draw(drawn(x.seed, x.done), m, x.slow, x.only)
	if x.slow {
		patience = 10 * time.Second
	}
	if err := m.run(ctx, patience); err != nil {
		return fmt.Errorf("%w\n%s", err, m.story())
	}
	if err := x.after(ctx, m, before); err != nil {
		return fmt.Errorf("%w\n%s", err, m.story())
	}
	now, _, err := s.record(ctx)
	if err != nil {
		return err
	}
	x.drawn, x.struck = x.drawn+len(m.faults), x.struck+int(m.struck.Load())
	if now.Writer == m.to {
		x.moved++
	}
	if _, wrong := watch.seen(); len(wrong) > 0 {
		return fmt.Errorf("%s\n%s", wrong[0], m.story())
	}
	since := time.Now()
	for c.acknowledged(now.Writer, since) == 0 {
		if time.Since(since) > 15*time.Second {
			return fmt.Errorf("no client's write is taken in %s\n%s", now.Writer, m.story())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if *tell {
		logf("%s", m.story())
	}
	word, why := m.procs[0].said()
	logf("%s %s → %s, epoch %d, %v (%s %s)", m.began.UTC().Format("15:04:05"), m, now.Writer, now.Epoch, time.Since(m.began).Round(10*time.Millisecond), word, cutTo(why, 80))
	return nil
}

// drawn is what a move's faults are drawn from.
func drawn(seed uint64, n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(n))) }

func cutTo(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// after: all is healed and no process is alive. One that takes over comes to an end.
func (x *session) after(ctx context.Context, m *move, before writer.Record) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if !m.restarted && !m.restored {
		if err := m.s.stuck(ctx); err != nil {
			return err
		}
	}
	if m.restored {
		if err := x.person(ctx, m, before); err != nil {
			return err
		}
	}
	p, err := m.s.start(0, "", m.noWriter, time.Minute)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.procs = append(m.procs, p)
	m.mu.Unlock()
	if !p.wait(75 * time.Second) {
		p.kill()
	}
	if word, why := p.said(); word != saidDone {
		return fmt.Errorf("all is healed, and who takes over comes to no end in 60 s: %s %s", word, why)
	}
	if m.s.held() && m.n%2 == 0 { // else it comes in the next move
		for m.s.held() {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if err := m.s.stuck(ctx); err != nil {
			return fmt.Errorf("behind what came late: %w", err)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // a lost line is seen after 5 s, and tried again each second
		if err = m.s.receiving(ctx); err == nil || time.Now().After(end) {
			break
		}
	}
	if err == nil {
		_, err = m.s.settled(ctx)
	}
	return err
}

// held: a request that nobody waits for any more may still be executed.
func (s *scene) held() bool { return s.slots[0].watch.held.Load()+s.slots[1].watch.held.Load() > 0 }

// person says what is true after Consul was restored: who takes over without that must ask, if the record is older than the servers know.
func (x *session) person(ctx context.Context, m *move, before writer.Record) error {
	now, index, err := m.s.record(ctx)
	if err != nil {
		return err
	}
	epoch, room, err := m.s.marker(ctx)
	if err != nil || epoch <= now.Epoch {
		return err
	}
	p, err := m.s.start(0, "", m.noWriter, 5*time.Second)
	if err != nil {
		return err
	}
	p.wait(20 * time.Second)
	if word, why := p.said(); word != saidHold || !strings.Contains(why, "the record is old") {
		return fmt.Errorf("the record is of epoch %d, a marker of epoch %d of %s, and who looks says: %s %s\n%s", now.Epoch, epoch, room, word, why, p.log())
	}
	true := now
	true.Epoch, true.Seq, true.Phase, true.Writer, true.To, true.Pos = epoch, now.Seq+10, writer.Stable, room, "", ""
	text, err := true.Signed("a person", "a person", time.Now()).Encode()
	if err != nil {
		return err
	}
	ok, _, err := m.s.kv.KV().CAS(&api.KVPair{Key: keyOf(pairName), Value: text, ModifyIndex: index}, nil)
	if err == nil && !ok {
		err = errors.New("somebody writes the record beside a person")
	}
	return err
}

// marker is the newest move that either master's row knows of.
func (s *scene) marker(ctx context.Context) (epoch int64, room string, err error) {
	for _, r := range rooms {
		var e int64
		var w string
		if err := s.ring.Master(r).DB().QueryRowContext(ctx, "SELECT epoch, room FROM roomshift.heartbeat WHERE pair = ? ORDER BY epoch DESC LIMIT 1", pairName).Scan(&e, &w); err != nil {
			continue // no row yet
		}
		if e > epoch {
			epoch, room = e, w
		}
	}
	return epoch, room, nil
}
