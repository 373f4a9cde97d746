package torture

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"
)

// kindsOfFaults are drawn from by weight; slow ones only where there is time.
var kindsOfFaults = []struct {
	name   string
	weight int
	slow   bool
	make   func(r *rand.Rand, m *move) fault
}{
	{"kill", 6, false, killFault},
	{"lost", 6, false, lostFault},
	{"late", 6, true, lateFault},
	{"freeze", 4, true, freezeFault},
	{"crash", 4, false, crashFault},
	{"cut", 5, true, cutFault},
	{"link", 3, true, linkFault},
	{"lag", 4, false, lagFault},
	{"session", 3, false, sessionFault},
	{"two", 3, false, twoFault},
	{"stop", 3, true, stopFault},
	{"lock", 3, true, lockFault},
	{"xa", 4, false, xaFault},
	{"old", 1, true, oldFault},
	{"abort", 4, false, abortFault},
	{"restore", 1, true, restoreFault},
}

// only restricts the faults that are drawn to these kinds; empty: all.
func draw(r *rand.Rand, m *move, slow bool, only map[string]bool) {
	n := [...]int{0, 1, 1, 1, 1, 2, 2, 2, 3}[r.IntN(9)]
	for range n {
		sum := 0
		for _, k := range kindsOfFaults {
			if (slow || !k.slow) && (len(only) == 0 || only[k.name]) {
				sum += k.weight
			}
		}
		if sum == 0 {
			return
		}
		at := r.IntN(sum)
		for _, k := range kindsOfFaults {
			if !slow && k.slow || len(only) > 0 && !only[k.name] {
				continue
			}
			if at -= k.weight; at < 0 {
				m.faults = append(m.faults, k.make(r, m))
				break
			}
		}
	}
}

// between is a time, in steps of 10 ms.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return low + time.Duration(r.Int64N(int64((high-low)/step)+1))*step
}

// heir is who goes on after a process was killed: it wants the same, the way back, or the nearer side.
func heir(r *rand.Rand, m *move) string { return [...]string{m.to, m.to, m.from, ""}[r.IntN(4)] }

func named(want string) string {
	if want == "" {
		return "the nearer side"
	}
	return want
}

func killFault(r *rand.Rand, m *move) fault {
	p, executed, want, after := drawPlace(r), r.IntN(2) == 0, heir(r, m), between(r, 0, 300*time.Millisecond)
	how := "before"
	if executed {
		how = "behind"
	}
	return fault{fmt.Sprintf("kill -9 %s %v, %v later one that wants %s", how, p, after, named(want)), func(m *move) {
		m.at(p, func(q request) doing {
			m.later(after, func() { m.launch(1-q.slot, want) })
			if executed {
				m.later(2*time.Millisecond, func() { m.killTool(q.slot) })
				return doing{what: loseReply}
			}
			m.killTool(q.slot)
			m.each(q.slot, func(p *process) { p.wait(time.Second) })
			return doing{}
		})
	}}
}

// answered are requests whose answers matter.
var answered = []string{"fence", "open", "FENCING", "COMMIT", "ABORT", "STABLE", "kill", "wait", "lock", "mark"}

// decisive are those that may do harm when they come late.
var decisive = []string{"fence", "open", "fence", "open", "FENCING", "COMMIT", "COMMIT", "ABORT", "STABLE"}

func lostFault(r *rand.Rand, m *move) fault {
	p := place{answered[r.IntN(len(answered))], 1}
	return fault{fmt.Sprintf("the answer to %v is lost", p), func(m *move) {
		m.at(p, func(request) doing { return doing{what: loseReply} })
	}}
}

func lateFault(r *rand.Rand, m *move) fault {
	p, after, kill, want := place{decisive[r.IntN(len(decisive))], 1}, between(r, 0, 5*time.Second), r.IntN(2) == 0, heir(r, m)
	text := fmt.Sprintf("%v is executed %v after its sender gave it up", p, after)
	if kill {
		text = fmt.Sprintf("%v is executed %v after its sender was killed, one that wants %s goes on", p, after, named(want))
	}
	return fault{text, func(m *move) {
		m.at(p, func(q request) doing {
			if kill {
				m.killTool(q.slot)
				m.later(50*time.Millisecond, func() { m.launch(1-q.slot, want) })
			}
			return doing{late, after}
		})
	}}
}

func freezeFault(r *rand.Rand, m *move) fault {
	p, room, d, kill, want := drawPlace(r), rooms[r.IntN(2)], between(r, 100*time.Millisecond, 4*time.Second), r.IntN(2) == 0, heir(r, m)
	text := fmt.Sprintf("the master in %s is frozen for %v at %v", room, d, p)
	if kill {
		text += ", its sender killed, one that wants " + named(want) + " goes on"
	}
	return fault{text, func(m *move) {
		m.at(p, func(q request) doing {
			m.freeze(room, d)
			if kill {
				m.later(30*time.Millisecond, func() {
					m.killTool(q.slot)
					m.launch(1-q.slot, want)
				})
			}
			return doing{}
		})
	}}
}

func (m *move) freeze(room string, d time.Duration) {
	master := m.s.ring.Master(room)
	if !master.Alive() || master.Freeze() != nil {
		return
	}
	m.say("%s is frozen", room)
	m.later(d, func() {
		_ = master.Thaw()
		m.say("%s goes on", room)
	})
}

func crashFault(r *rand.Rand, m *move) fault {
	p, room, d := drawPlace(r), rooms[r.IntN(2)], between(r, 0, 800*time.Millisecond)
	return fault{fmt.Sprintf("the master in %s crashes at %v, and comes back after %v", room, p, d), func(m *move) {
		m.at(p, func(request) doing {
			m.crash(room, d, nil)
			return doing{}
		})
	}}
}

// crash ends a master; before it is started again something may be done to its files.
func (m *move) crash(room string, d time.Duration, down func() error) {
	m.mu.Lock()
	m.restarted = true
	m.mu.Unlock()
	m.s.ring.Master(room).Kill()
	m.say("%s is killed", room)
	m.later(d, func() {
		if down != nil {
			if err := down(); err != nil {
				m.say("%v", err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := m.s.revive(ctx, room); err != nil {
			m.say("%v", err)
		}
		m.say("%s is back", room)
	})
}

func cutFault(r *rand.Rand, m *move) fault {
	p, line, d := drawPlace(r), [...]string{"home", "cloud", "consul"}[r.IntN(3)], between(r, 200*time.Millisecond, 6*time.Second)
	return fault{fmt.Sprintf("who sends %v is cut off from %s for %v", p, line, d), func(m *move) {
		m.at(p, func(q request) doing {
			sl := m.s.slots[q.slot]
			g := &sl.kv.gate
			if line != "consul" {
				g = &sl.sql[line].gate
			}
			g.cut()
			m.say("process %d is cut off from %s", q.slot, line)
			m.later(d, func() {
				g.heal()
				m.say("process %d reaches %s again", q.slot, line)
			})
			return doing{}
		})
	}}
}

func linkFault(r *rand.Rand, m *move) fault {
	p, from, d := drawPlace(r), rooms[r.IntN(2)], between(r, 100*time.Millisecond, 4*time.Second)
	return fault{fmt.Sprintf("replication out of %s is cut for %v at %v", from, d, p), func(m *move) {
		m.at(p, func(request) doing {
			m.s.ring.Cut(from, other(from))
			m.say("replication out of %s is cut", from)
			m.later(d, func() {
				m.s.ring.Heal()
				m.say("replication is whole")
			})
			return doing{}
		})
	}}
}

func lagFault(r *rand.Rand, m *move) fault {
	d := between(r, 0, 2*time.Second)
	if r.IntN(2) == 0 {
		d /= 10
	}
	jitter := r.IntN(2) == 0
	text := fmt.Sprintf("replication is %v late", d)
	if jitter {
		text += ", more or less"
	}
	return fault{text, func(m *move) {
		set := func(d time.Duration) {
			for _, room := range rooms {
				m.s.ring.Delay(room, other(room), d)
			}
		}
		set(d)
		if !jitter {
			return
		}
		m.all.Go(func() {
			for m.ctx.Err() == nil {
				time.Sleep(30 * time.Millisecond)
				set(d/2 + time.Duration(rand.Int64N(int64(d)+1))/2)
			}
		})
	}}
}

func sessionFault(r *rand.Rand, m *move) fault {
	p := drawPlace(r)
	return fault{fmt.Sprintf("the Consul session is destroyed at %v", p), func(m *move) {
		m.at(p, func(request) doing {
			m.s.endSession()
			return doing{}
		})
	}}
}

// endSession destroys the session that holds the pair's lock.
func (s *scene) endSession() {
	pair, _, err := s.kv.KV().Get(prefix+"/lock/writer."+pairName, nil)
	if err == nil && pair != nil && pair.Session != "" {
		_, _ = s.kv.Session().Destroy(pair.Session, nil)
	}
}

func twoFault(r *rand.Rand, m *move) fault {
	p, want, steal := drawPlace(r), heir(r, m), r.IntN(2) == 0
	text := fmt.Sprintf("another process that wants %s starts at %v", named(want), p)
	if steal {
		text += " and the first one's Consul session ends"
	}
	return fault{text, func(m *move) {
		m.at(p, func(q request) doing {
			m.launch(1-q.slot, want)
			if steal {
				m.s.endSession()
			}
			return doing{}
		})
	}}
}

func stopFault(r *rand.Rand, m *move) fault {
	p, want, d := drawPlace(r), heir(r, m), between(r, 500*time.Millisecond, 4*time.Second)
	return fault{fmt.Sprintf("the process is frozen for %v at %v, its Consul session ends, one that wants %s goes on", d, p, named(want)), func(m *move) {
		m.at(p, func(q request) doing {
			m.each(q.slot, func(p *process) { p.signal(syscall.SIGSTOP) })
			m.s.endSession()
			m.launch(1-q.slot, want)
			m.later(d, func() { m.each(q.slot, func(p *process) { p.signal(syscall.SIGCONT) }) })
			return doing{}
		})
	}}
}

func lockFault(r *rand.Rand, m *move) fault {
	room, d := m.from, between(r, 200*time.Millisecond, 4*time.Second)
	return fault{fmt.Sprintf("a client of %s holds LOCK TABLES for %v", room, d), func(m *move) {
		conn, err := m.s.apps[room].Conn(m.ctx)
		if err != nil {
			return
		}
		_, _ = conn.ExecContext(m.ctx, "LOCK TABLES app.beside WRITE")
		m.later(d, func() {
			_ = conn.Raw(func(any) error { return errBadConn })
		})
	}}
}

// xaFault: a branch is opened before the fence, and goes as far as it can behind it.
func xaFault(r *rand.Rand, m *move) fault {
	p, prepare, commit := place{"fence", 1}, r.IntN(3) > 0, r.IntN(2) == 0
	wait, late := between(r, 0, 60*time.Millisecond), between(r, 0, time.Second)
	text := fmt.Sprintf("an XA branch of %s is ended %v behind the fence", m.from, wait)
	if prepare {
		text += ", prepared"
	}
	if commit {
		text += fmt.Sprintf(", committed %v later if that works", late)
	}
	return fault{text, func(m *move) {
		name := fmt.Sprintf("xa-%d-%d", m.n, time.Now().UnixNano())
		xid := "'" + name + "'"
		room := m.from
		conn, err := m.s.apps[room].Conn(m.ctx)
		if err != nil {
			return
		}
		if execAll(conn, "XA START "+xid, "INSERT INTO app.tokens (token) VALUES ('"+name+"')") != nil {
			_ = conn.Raw(func(any) error { return errBadConn })
			return
		}
		struck := make(chan struct{})
		m.at(p, func(request) doing {
			close(struck)
			return doing{}
		})
		m.all.Go(func() {
			// The connection is nobody else's afterwards: the branch may still be open.
			defer func() {
				_ = conn.Raw(func(any) error { return errBadConn })
				m.c.all.Go(func() { m.c.forget(room, xid) })
			}()
			select {
			case <-struck:
			case <-m.ctx.Done():
				return
			}
			time.Sleep(wait)
			err := execAll(conn, "XA END "+xid)
			if err == nil && prepare {
				err = execAll(conn, "XA PREPARE "+xid)
			}
			m.say("the XA branch: %v", err)
			if err == nil && prepare && commit {
				time.Sleep(late)
				m.commitXA(conn, room, name)
			}
		})
	}}
}

// commitXA commits a prepared branch, on its own connection or another one, for a while.
func (m *move) commitXA(conn *sql.Conn, room, name string) {
	for range 20 {
		err := execAll(conn, "XA COMMIT '"+name+"'")
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			_, err = m.s.apps[room].ExecContext(ctx, "XA COMMIT '"+name+"'")
			cancel()
		}
		if err == nil {
			m.say("the XA branch is committed in %s", room)
			m.c.ack(name, room, 0, nil)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func execAll(conn *sql.Conn, queries ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, q := range queries {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// oldFault: the new writer loses what it applied last, as one does that isn't durable, or whose disk is an older copy.
func oldFault(r *rand.Rand, m *move) fault {
	room, kind := m.to, [...]string{"COMMIT", "open"}[r.IntN(2)]
	return fault{fmt.Sprintf("the master in %s comes back from an older copy of its disk at %s", room, kind), func(m *move) {
		master := m.s.ring.Master(room)
		data := filepath.Join(m.s.dir, "ring", room, "data")
		copied := data + ".old"
		if err := master.Freeze(); err != nil {
			return
		}
		err := copyData(copied, data)
		_ = master.Thaw()
		if err != nil {
			m.say("%v", err)
			return
		}
		time.Sleep(300 * time.Millisecond) // it goes on applying
		m.at(place{kind, 1}, func(request) doing {
			m.mu.Lock()
			m.older = true
			m.mu.Unlock()
			m.crash(room, 0, func() error {
				if err := os.RemoveAll(data); err != nil {
					return err
				}
				return os.Rename(copied, data)
			})
			return doing{}
		})
	}}
}

func copyData(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return filepath.Walk(from, func(path string, info os.FileInfo, err error) error {
		rel, err2 := filepath.Rel(from, path)
		if err != nil || err2 != nil || rel == "." {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case info.IsDir():
			return os.MkdirAll(target, 0o700)
		case !info.Mode().IsRegular(): // sockets, links
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

func abortFault(r *rand.Rand, m *move) fault {
	p := drawPlace(r)
	return fault{fmt.Sprintf("a person wants it undone at %v", p), func(m *move) {
		m.at(p, func(q request) doing {
			if *real != "" {
				m.all.Go(func() { m.say("back: %v", m.s.word(q.slot)) })
				return doing{}
			}
			m.each(q.slot, func(p *process) { p.signal(syscall.SIGUSR1) })
			return doing{}
		})
	}}
}

// restoreFault: Consul forgets the end of a move, and everything since.
func restoreFault(r *rand.Rand, m *move) fault {
	p := place{[...]string{"mark", "open", "STABLE"}[r.IntN(3)], 1}
	return fault{fmt.Sprintf("at %v Consul is put back to what it was before the move", p), func(m *move) {
		snap, _, err := m.s.kv.Snapshot().Save(nil)
		if err != nil {
			m.say("%v", err)
			return
		}
		file, err := os.CreateTemp(m.s.dir, "snapshot")
		if err != nil {
			return
		}
		_, err = file.ReadFrom(snap)
		_ = snap.Close()
		if err != nil {
			return
		}
		m.at(p, func(request) doing {
			m.later(100*time.Millisecond, func() {
				m.mu.Lock()
				m.restored = true
				m.mu.Unlock()
				_, _ = file.Seek(0, 0)
				m.say("Consul is restored: %v", m.s.kv.Snapshot().Restore(&api.WriteOptions{}, file))
				_ = file.Close()
			})
			return doing{}
		})
	}}
}
