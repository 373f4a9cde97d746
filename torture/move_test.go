package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// move is one wish of a schedule, and what goes wrong meanwhile.
type move struct {
	s        *scene
	c        *clients
	n        int
	from, to string
	faults   []fault
	noWriter time.Duration

	ctx   context.Context
	all   sync.WaitGroup // what the faults do by themselves; each ends soon
	mu    sync.Mutex
	procs []*process
	log   []string
	began time.Time

	struck atomic.Int32 // faults that found their place
	// what a fault has done that some checks must know of
	restarted bool // a master was ended: it comes up fenced, and stays so until somebody opens it
	restored  bool // Consul was: a person must say what is true
	older     bool // a master came back from an older copy of its disk: replication may have to be started again
	ending    bool // no more processes are started
}

// fault is one thing that goes wrong: the text says all of it.
type fault struct {
	text string
	arm  func(m *move)
}

func (m *move) String() string {
	var texts []string
	for _, f := range m.faults {
		texts = append(texts, f.text)
	}
	if len(texts) == 0 {
		texts = []string{"nothing goes wrong"}
	}
	return fmt.Sprintf("move %d, %s to %s: %s", m.n, m.from, m.to, strings.Join(texts, "; "))
}

func (m *move) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, time.Now().UTC().Format("05.000")+" "+fmt.Sprintf(format, args...))
}

// place is where a fault strikes: the nth request of a kind, any if that is "any", of whichever process.
type place struct {
	kind string
	nth  int
}

func (p place) String() string {
	if p.kind == "any" {
		return fmt.Sprintf("request %d", p.nth)
	}
	if p.nth == 1 {
		return p.kind
	}
	return fmt.Sprintf("%s %d", p.kind, p.nth)
}

// kinds are requests that decide something, the more often the more they do.
var kinds = []string{"fence", "fence", "open", "open", "COMMIT", "COMMIT", "FENCING", "STABLE", "ABORT", "kill", "wait", "look", "lock", "get"}

func drawPlace(r *rand.Rand) place {
	if r.IntN(3) == 0 {
		return place{"any", 1 + r.IntN(70)}
	}
	k := kinds[r.IntN(len(kinds))]
	p := place{k, 1}
	if k == "look" || k == "get" {
		p.nth = 1 + r.IntN(12)
	}
	return p
}

// at strikes once, before the request is forwarded.
func (m *move) at(p place, f func(r request) doing) {
	var mu sync.Mutex
	seen := 0
	for _, sl := range m.s.slots {
		sl.watch.add(func(r request) doing {
			if r.kind != p.kind && (p.kind != "any" || r.kind == "renew") {
				return doing{}
			}
			mu.Lock()
			seen++
			now := seen == p.nth
			mu.Unlock()
			if !now || m.ctx.Err() != nil {
				return doing{}
			}
			m.say("%s to %s of process %d", r.kind, r.to, r.slot)
			m.struck.Add(1)
			return f(r)
		})
	}
}

// later does something after a while, or at once when the faults are healed.
func (m *move) later(d time.Duration, f func()) {
	m.all.Go(func() {
		select {
		case <-time.After(d):
		case <-m.ctx.Done():
		}
		f()
	})
}

// launch starts a process in a slot, unless one is there.
func (m *move) launch(slot int, want string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ending {
		return
	}
	for _, p := range m.procs {
		if p.slot == slot && p.alive() {
			return
		}
	}
	p, err := m.s.start(slot, want, m.noWriter, time.Minute)
	if err != nil {
		m.log = append(m.log, err.Error())
		return
	}
	m.log = append(m.log, fmt.Sprintf("%s process %d wants %q", time.Now().UTC().Format("05.000"), slot, want))
	m.procs = append(m.procs, p)
}

// each does something to the processes of a slot that are alive.
func (m *move) each(slot int, f func(*process)) {
	m.mu.Lock()
	procs := m.procs[:len(m.procs):len(m.procs)]
	m.mu.Unlock()
	for _, p := range procs {
		if p.slot == slot && p.alive() {
			f(p)
		}
	}
}

func (m *move) killTool(slot int) {
	m.each(slot, func(p *process) {
		m.say("process %d is killed", slot)
		p.signal(syscall.SIGKILL)
	})
}

// run carries the move out until every process has ended, or patience is over; then all is healed.
func (m *move) run(ctx context.Context, patience time.Duration) error {
	m.began = time.Now()
	var heal context.CancelFunc
	m.ctx, heal = context.WithCancel(ctx)
	for _, f := range m.faults {
		f.arm(m)
	}
	m.launch(0, m.to)
	end := time.Now().Add(patience)
	for time.Now().Before(end) && m.busy() {
		time.Sleep(10 * time.Millisecond)
	}
	m.say("healed")
	heal()
	m.all.Wait()
	if err := m.s.heal(ctx); err != nil {
		return err
	}
	if m.older {
		if err := m.s.mend(ctx); err != nil {
			return err
		}
	}
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end) && m.busy(); {
		time.Sleep(10 * time.Millisecond)
	}
	m.mu.Lock()
	m.ending = true
	m.mu.Unlock()
	for _, p := range m.procs {
		if p.alive() {
			m.say("process %d, who waits still, is killed", p.slot)
			p.kill()
		}
	}
	return nil
}

func (m *move) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.procs {
		if p.alive() {
			return true
		}
	}
	return false
}

// story is all that is known of the move.
func (m *move) story() string {
	var b strings.Builder
	fmt.Fprintln(&b, m)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.log {
		fmt.Fprintln(&b, "    "+l)
	}
	for i, p := range m.procs {
		fmt.Fprintf(&b, "  process %d (slot %d, wants %q):\n", i, p.slot, p.want)
		for _, l := range strings.Split(p.log(), "\n") {
			if len(l) > 400 {
				l = l[:400] + "…"
			}
			fmt.Fprintln(&b, "    "+l)
		}
	}
	return b.String()
}
