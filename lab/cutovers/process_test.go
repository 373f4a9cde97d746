package cutovers

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// process is a roomshift that runs.
type process struct {
	s   *scene
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
	end chan struct{}
	err error
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts a roomshift on the lab.
func (s *scene) start(args ...string) *process {
	return s.startIn(append(s.lab.Env(), s.env...), args...)
}

func (s *scene) startIn(env []string, args ...string) *process {
	s.t.Helper()
	p := &process{s: s, cmd: exec.Command(program, args...), end: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), env...), "XDG_STATE_HOME="+s.dir+"/state", "XDG_RUNTIME_DIR="+s.dir, "TMPDIR="+s.dir)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.end)
	}()
	s.t.Cleanup(func() {
		p.kill()
		s.noSecret("an output", p.text())
	})
	return p
}

// kill ends it as kill -9 does, and waits.
func (p *process) kill() {
	select {
	case <-p.end:
	default:
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.s.t.Error(err)
		}
		<-p.end
	}
}

// await waits until it has written this.
func (p *process) await(text string) {
	p.s.t.Helper()
	p.awaitAfter(0, text)
}

// said is how much it has written so far: for awaitAfter.
func (p *process) said() int { return len(p.text()) }

// awaitAfter waits until it has written this after what it had said: while a run begins it holds for want of first samples, in words that
// a fault has, too.
func (p *process) awaitAfter(said int, text string) {
	p.s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.text()[said:], text) {
		select {
		case <-p.end:
			if !strings.Contains(p.text()[said:], text) {
				p.s.t.Fatalf("ended without saying %q:\n%s", text, p.text())
			}
		case <-deadline.C:
			p.s.t.Fatalf("doesn't say %q:\n%s", text, p.text())
		case <-tick.C:
		}
	}
}

// exits waits for its end and compares the exit code.
func (p *process) exits(code int) string {
	p.s.t.Helper()
	select {
	case <-p.end:
	case <-time.After(patience):
		p.s.t.Fatalf("doesn't end:\n%s", p.text())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.s.t.Fatalf("exit %d, wanted %d:\n%s", got, code, p.text())
	}
	return p.text()
}

// says fails unless every one of these was written.
func (p *process) says(parts ...string) {
	p.s.t.Helper()
	for _, part := range parts {
		if !strings.Contains(p.text(), part) {
			p.s.t.Errorf("doesn't say %q:\n%s", part, p.text())
		}
	}
}

// reaction is the line that tells how fast a run turned.
var reaction = regexp.MustCompile(`data \S+( \S+)? old, crossed → decided \+\S+ → first write \+\S+ → read back \+\S+ → seen \+\S+`)

func (p *process) tellsReaction() {
	p.s.t.Helper()
	line := reaction.FindString(p.text())
	if line == "" {
		p.s.t.Errorf("doesn't tell how fast it turned:\n%s", p.text())
	}
	p.s.t.Log(line)
}

var writeLine = regexp.MustCompile(`(?m) write +(\S.* → \S+) ok`)

// writes are what a run's lines say was written, in order.
func (p *process) writes() []string {
	var out []string
	for _, m := range writeLine.FindAllStringSubmatch(p.text(), -1) {
		out = append(out, m[1])
	}
	return out
}
