package cutovers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/lab"
)

// rooms is one lab for all cases; each begins at 3 % with every fault healed.
var rooms *lab.Lab

// program is the real roomshift, built once.
var program string

// written is everything that any roomshift wrote to its output; see TestNoSecretIsWritten.
var written struct {
	sync.Mutex
	text bytes.Buffer
	dirs []string
}

// patience is how long a case waits for what must come: a busy machine is slow, and it isn't wrong.
const patience = 90 * time.Second

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "roomshift-cutovers-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "roomshift")
	if out, err := exec.Command("go", "build", "-o", program, "roomshift/cmd/roomshift").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build roomshift: %v\n%s", err, out)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if rooms, err = lab.Start(ctx, lab.Options{Dir: filepath.Join(dir, "lab"), Enter: 10}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer rooms.Stop()
	first := exec.Command(program, "check", "--live", "--init", rooms.Runbook("out"))
	first.Env = append(os.Environ(), rooms.Env()...)
	if out, err := first.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "make the heartbeat tables: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// scene is one case: the lab at 3 %, no run in it, and a folder of its own for journals.
type scene struct {
	t      *testing.T
	dir    string
	before map[string]string // every byte of each key
	counts lab.Counts
}

func begin(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), before: map[string]string{}}
	heal(t)
	t.Cleanup(func() { heal(t) })
	for _, room := range []string{lab.Home, lab.Cloud} {
		s.before[room] = number(t, room)
	}
	s.counts = rooms.Counts()
	return s
}

// heal ends every fault and every trace of a run, and waits until both rooms have a clean window at 3 %.
func heal(t *testing.T) {
	t.Helper()
	ctx := context.Background() // a cleanup's: the test's own is over by then
	if err := rooms.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := rooms.Ring.Await(ctx); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{lab.Home, lab.Cloud} {
		c := rooms.Consuls[room]
		ask(t, http.MethodDelete, c.Addr+"/v1/kv/roomshift/?recurse", c.Management)
	}
	if err := rooms.SetNumber(ctx, lab.Home, "3"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both rooms have a clean window at 3 %", func() bool { return rooms.Obeyed(lab.Home) == 3 && clean(t, lab.Home) && clean(t, lab.Cloud) })
}

// clean is true when a room's window is full and without failures.
func clean(t *testing.T, room string) bool {
	query := `sum(rate(app_requests_total[5s])) > 5 unless (sum(rate(app_requests_total{code=~"5.."}[5s])) > 0)`
	if room == lab.Home { // its gateway's split is the one that a run sees
		query += ` unless (sum(rate(gw_requests_total{served_by="cloud"}[5s])) / sum(rate(gw_requests_total[5s])) > 0.05)`
	}
	req, err := http.Get(rooms.Proms[room].Addr + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return false
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	return err == nil && bytes.Contains(body, []byte(`"value"`))
}

// ask makes a request to a Consul with its management token.
func ask(t *testing.T, method, addr, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, addr, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func number(t *testing.T, room string) string {
	t.Helper()
	v, err := rooms.Number(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func do(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := rooms.Do(t.Context(), line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// book writes a runbook from home to the cloud and returns its file.
func (s *scene) book(bake, steps string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, "book.yaml")
	text := "version: 1\nname: book\nmove: {from: home, to: cloud}\nbake: " + bake + "\nsteps:\n" + steps
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

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
func (s *scene) start(args ...string) *process { return s.startIn(rooms.Env(), args...) }

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
		remember(s.t, s.dir, p.text())
	})
	return p
}

// remember keeps what was written, for the test that looks for secrets in it.
func remember(t *testing.T, dir, text string) {
	written.Lock()
	defer written.Unlock()
	written.text.WriteString(text)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		written.text.Write(b)
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
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
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.text(), text) {
		select {
		case <-p.end:
			if !strings.Contains(p.text(), text) {
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

// restored fails unless every byte of each key is what it was.
func (s *scene) restored() {
	s.t.Helper()
	for room, want := range s.before {
		if got := number(s.t, room); got != want {
			s.t.Errorf("the key of %s holds %q, and it was %q", room, got, want)
		}
	}
}

// unharmed fails if one request failed since the case began.
func (s *scene) unharmed() {
	s.t.Helper()
	if c := rooms.Counts().Since(s.counts); c.Failed > 0 || c.Sent == 0 {
		s.t.Errorf("%d of %d requests failed: %q", c.Failed, c.Sent, c.Why)
	}
}
