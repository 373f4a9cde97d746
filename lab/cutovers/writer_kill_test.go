package cutovers

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"roomshift/cutover/writer"
	"roomshift/lab"
	"roomshift/lab/server"
)

// killPoints are the requests of a move at which its process is killed; each is struck before its server has it, and after it was executed.
var killPoints = []string{"FENCING", "fence", "kill", "COMMIT", "open", "STABLE"}

// oneWriterStep moves the writer, and nothing else.
const oneWriterStep = `version: 1
name: book
move: {from: FROM, to: TO}
bake: 1s
steps:
  - name: feed writes
    writer: {to: TO, pairs: [app-db], noWriter: 20s}
  - checkpoint: moved
`

// TestKilledMove: kill -9 at every request of a move, on a real ring. What takes over on the same machine does so at once; there is exactly
// one writer then, as the record says, nothing that was acknowledged is lost, and the time without a writer is told.
func TestKilledMove(t *testing.T) {
	t.Run("mariadb", func(t *testing.T) { killedMoves(t, labs, []string{"fence after", "COMMIT after", "open before"}) })
	t.Run("mysql", func(t *testing.T) { killedMoves(t, mysqlLabs, []string{"COMMIT before"}) })
}

func killedMoves(t *testing.T, p *pool, quick []string) {
	w := beginWriter(t, p)
	at := lab.Home
	for _, point := range killPoints {
		for _, when := range []string{"before", "after"} {
			if testing.Short() && !strings.Contains(strings.Join(quick, ", "), point+" "+when) {
				continue
			}
			at = w.killedAt(point, when, at)
			if t.Failed() {
				return
			}
		}
	}
	w.nothingLost()
}

// killedAt moves the writer away from where it is, with a process that is killed on the way, and returns where it is then.
func (w *writerScene) killedAt(point, when, from string) string {
	w.t.Helper()
	to := map[string]string{lab.Home: lab.Cloud, lab.Cloud: lab.Home}[from]
	all := &taps{point: point, after: when == "after"}
	env, rooms := w.tapped(all)
	book := w.file("book.yaml", strings.NewReplacer("FROM", from, "TO", to).Replace(oneWriterStep))
	w.flows(from)
	began := time.Now()
	run := w.startIn(env, "run", "--rooms", rooms, book)
	all.mu.Lock()
	all.strike = func() { _ = run.cmd.Process.Kill() }
	all.mu.Unlock()
	select {
	case <-run.end:
	case <-time.After(patience):
		w.t.Fatalf("%s %s: it isn't killed:\n%s", when, point, run.text())
	}
	if all.mu.Lock(); !all.struck {
		w.t.Errorf("%s %s: it ended by itself:\n%s", when, point, run.text())
	}
	all.mu.Unlock()
	killed := time.Now()
	over := w.startIn(env, "takeover")
	w.eventually("one writer, as the record says", func() bool {
		open := w.open()
		return len(open) == 1 && w.settledAt(open[0])
	})
	at := w.open()[0]
	w.flows(at)
	took := time.Since(killed)
	w.eventually("the process that took over sees it, or has nothing to do", func() bool {
		return afterMove.MatchString(over.text()) || strings.Contains(over.text(), "baking") || strings.Contains(over.text(), " frozen ")
	})
	w.t.Logf("killed %s %s on the way from %s to %s: the writer is in %s %v later, no write was acknowledged for %v; told: %q", when, point, from, to, at,
		took.Round(time.Millisecond), w.Silence(began).Round(time.Millisecond), withoutWriter.FindString(run.text()+over.text()))
	if point == "fence" && when == "after" && !withoutWriter.MatchString(over.text()) {
		w.t.Errorf("the time without a writer isn't told:\n%s", over.text())
	}
	w.eventually("the run is closed", func() bool { // it may be in the middle of something
		w.startIn(env, "close").wait()
		select {
		case <-over.end:
			return true
		case <-time.After(time.Second):
			return false
		}
	})
	w.stands(at)
	return at
}

// afterMove is what a process says of a move that came to its end.
var afterMove = regexp.MustCompile(lab.Pair + ` (is|stays) in `)

// settledAt: the record is STABLE of a room.
func (w *writerScene) settledAt(room string) bool {
	r := w.record()
	return r.Phase == writer.Stable && r.Writer == room
}

// tapped is the environment and the rooms.yaml of a process whose requests to both masters and to home's Consul go by taps.
func (w *writerScene) tapped(all *taps) (env []string, rooms string) {
	w.t.Helper()
	for _, e := range w.lab.Env() {
		for room, name := range map[string]string{lab.Home: "LAB_DSN_HOME=", lab.Cloud: "LAB_DSN_CLOUD="} {
			if strings.HasPrefix(e, name) {
				m := w.lab.Ring.Master(room)
				e = name + m.DSNAt(server.Roomshift, w.tap(w.t, all, m.Addr()).addr())
			}
		}
		env = append(env, e)
	}
	home := strings.TrimPrefix(w.lab.Consuls[lab.Home].Addr, "http://")
	by := w.tap(w.t, all, home).addr()
	return env, w.rooms(func(yaml string) string { return patientGates.Replace(strings.ReplaceAll(yaml, home, by)) })
}

// patientGates leave a move alone on a machine that is starved: what gates do is shown elsewhere.
var patientGates = strings.NewReplacer("blindFor: 5s", "blindFor: 5m", "maxAge: 2s", "maxAge: 30s", "maxAge: 4s", "maxAge: 30s", "{above: 300ms}", "{above: 30s}",
	"{above: 1s, for: 2s}", "{above: 60s, for: 30s}", "{above: 800ms}", "{above: 30s}", "{above: 1500ms, for: 10s}", "{above: 60s, for: 30s}",
	"{above: 1%}", "{above: 80%}", "{above: 5%, for: 2s}", "{above: 90%, for: 30s}")

// wait waits for its end, whatever it is.
func (p *process) wait() {
	p.s.t.Helper()
	select {
	case <-p.end:
	case <-time.After(patience):
		p.s.t.Fatalf("doesn't end:\n%s", p.text())
	}
}
