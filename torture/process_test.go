package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"roomshift/lab/server"
)

// process is one of the tool's.
type process struct {
	slot int
	want string
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

// program is the tool: this test's own binary, or one that a mistake was planted in.
var program = os.Args[0]

func (s *scene) start(i int, want string, noWriter, limit time.Duration) (*process, error) {
	c := toolConfig{Want: want, NoWriter: noWriter, Limit: limit, Consul: s.slots[i].kv.addr()}
	for k, room := range rooms {
		c.DSN[k] = s.ring.Master(room).DSNAt(server.Roomshift, s.slots[i].sql[room].addr())
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := &process{slot: i, want: want, cmd: exec.Command(program), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), toolEnv+"="+string(text))
	if *real != "" {
		if p.cmd, err = s.command(context.Background(), i, want, noWriter); err != nil {
			return nil, err
		}
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
		_ = p.cmd.Wait() // how it ended is in its last line, or it was killed
	}()
	return p, nil
}

func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) } // it may have ended

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait returns whether it ended in time.
func (p *process) wait(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// said is the word and the reason of its last line; "" if it didn't come to that.
func (p *process) said() (word, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) == 0 {
		return "", ""
	}
	last := p.lines[len(p.lines)-1]
	if *real != "" {
		switch p.cmd.ProcessState.ExitCode() {
		case 0:
			return saidDone, last
		case 3, 6:
			return saidGone, last
		}
		return saidHold, strings.Join(p.lines, " · ")
	}
	for _, w := range []string{saidDone, saidRefuse, saidHold, saidGone, saidFailed} {
		if strings.HasPrefix(last, w+" ") || last == w {
			return w, strings.TrimPrefix(strings.TrimPrefix(last, w), " ")
		}
	}
	return "", last
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}
