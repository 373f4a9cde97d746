// Package server starts real servers on loopback, for tests and for the lab: on free ports, in a folder of the caller's,
// each ended by its own pid. A server that isn't installed is ErrMissing with a line that says how to get it.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrMissing says that a server's program isn't on this machine.
var ErrMissing = errors.New("not installed")

// Find looks a program up: first the environment variable ROOMSHIFT_<NAME> (upper case, - as _), then Deps()/bin, then PATH,
// then /usr/sbin. The error says how to get it.
func Find(program string) (string, error) {
	env := "ROOMSHIFT_" + strings.ToUpper(strings.ReplaceAll(program, "-", "_"))
	if p := os.Getenv(env); p != "" {
		return p, nil
	}
	for _, dir := range []string{filepath.Join(Deps(), "bin"), "", "/usr/sbin", "/usr/local/sbin"} {
		name := program
		if dir != "" {
			name = filepath.Join(dir, program)
		}
		if p, err := exec.LookPath(name); err == nil {
			return filepath.Abs(p)
		}
	}
	return "", fmt.Errorf("%s: %w: run `make deps`, or set %s to its path", program, ErrMissing, env)
}

// Deps is the folder into which `make deps` puts what isn't a system package: $ROOMSHIFT_DEPS, else roomshift/deps in the
// user's cache folder.
func Deps() string {
	if d := os.Getenv("ROOMSHIFT_DEPS"); d != "" {
		return d
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "roomshift", "deps")
}

// FreePorts returns n different ports that were free on 127.0.0.1 a moment ago. Servers that lose the race for one fail to
// start, or don't own it: see Process.Owns.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Process is one server that this program started. It dies with this program.
type Process struct {
	Name string
	Log  string // the file that has its output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// Start runs argv with its output appended to logFile.
func Start(name, logFile string, argv ...string) (*Process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = filepath.Dir(logFile)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, Log: logFile, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the server's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended tells whether the server has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends sig to the server: SIGSTOP freezes it, SIGCONT thaws it. After SIGSTOP it returns when every thread stands still:
// a thread that is running answers what it has in hand first.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil || sig != syscall.SIGSTOP {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if p.stands() {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("%s isn't frozen 2 s after SIGSTOP", p.Name)
}

// stands tells whether every thread is stopped: state T, behind the name in brackets.
func (p *Process) stands() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		i := strings.LastIndexByte(string(b), ')')
		if err != nil || i < 0 || !strings.HasPrefix(string(b[i+1:]), " T") {
			return false
		}
	}
	return true
}

// Kill ends the server at once, as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// Stop asks the server to end, kills it after 5 s, and waits until it is gone.
func (p *Process) Stop() {
	_ = p.Signal(syscall.SIGCONT) // a frozen server can't hear SIGTERM
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

// Await asks ready every 20 ms until it says nil, the server ends, or ctx does. The error has the end of the server's log.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%s) before it was ready: %s", p.Name, p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s isn't ready: %w: %s", p.Name, err, p.tail())
		case <-tick.C:
		}
	}
}

// Owns tells whether this process listens on 127.x:port: a stale server on the same port would answer for it otherwise.
func (p *Process) Owns(port int) bool {
	inode := listeningInode(port)
	if inode == "" {
		return false
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// listeningInode is the socket that listens on port, from /proc/net/tcp and tcp6 (columns: local address, state, inode).
func listeningInode(port int) string {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return f[9]
			}
		}
	}
	return ""
}

func (p *Process) tail() string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return strings.TrimSpace(string(b))
}
