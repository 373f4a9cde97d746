package cutovers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/lab"
)

// scene is one case: a lab of its own at 3 % without a run in it, and a folder of its own for journals.
type scene struct {
	t      *testing.T
	lab    *lab.Lab
	dir    string
	env    []string          // of its roomshifts, beside the lab's
	before map[string]string // every byte of each key
	secret []string          // what nothing that is written may hold, besides the lab's
	counts lab.Counts
}

// begin waits for its turn and a lab.
func begin(t *testing.T) *scene {
	t.Helper()
	return beginOn(t, labs)
}

func beginOn(t *testing.T, p *pool) *scene {
	t.Helper()
	t.Parallel()
	s := &scene{t: t, lab: p.take(t), dir: t.TempDir(), before: map[string]string{}}
	t.Cleanup(func() {
		s.noSecretInFiles()
		err := clean(s.lab)
		if err != nil {
			t.Error(err)
		}
		p.give(s.lab, err == nil)
	})
	for _, room := range []string{lab.Home, lab.Cloud} {
		s.before[room] = s.number(room)
	}
	s.counts = s.lab.Counts()
	return s
}

// clean ends every fault and every trace of a run, and waits until both rooms have a clean window at 3 %.
func clean(l *lab.Lab) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience) // the test's own is over by then
	defer cancel()
	if err := l.Heal(ctx); err != nil {
		return err
	}
	if err := l.Ring.Await(ctx); err != nil {
		return err
	}
	if err := l.Forget(ctx); err != nil {
		return err
	}
	for room, percent := range map[string]string{lab.Home: "3", lab.Cloud: "100"} {
		if _, _, err := ask(ctx, l, http.MethodDelete, room, "/v1/kv/roomshift/?recurse"); err != nil {
			return err
		}
		if err := l.SetNumber(ctx, room, percent); err != nil {
			return err
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for l.Obeyed(lab.Home) != 3 || l.Obeyed(lab.Cloud) != 100 || !holds(ctx, l, lab.Home, atStart) || !holds(ctx, l, lab.Cloud, noFailures) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no clean window at 3 %% in both rooms after %v", patience)
		case <-tick.C:
		}
	}
	return nil
}

// What a room's window must be without: failures, and, in home's gateway, whose split a run sees, a share of another run.
const (
	noFailures = `sum(rate(app_requests_total[5s])) > 3 unless (sum(rate(app_requests_total{code=~"5.."}[5s])) > 0)`
	atStart    = noFailures + ` unless (sum(rate(gw_requests_total{served_by="cloud"}[5s])) / sum(rate(gw_requests_total[5s])) > 0.05)`
)

// holds is true when a query gives a value in a room.
func holds(ctx context.Context, l *lab.Lab, room, query string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.Proms[room].Addr+"/api/v1/query?query="+url.QueryEscape(query), http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(body), `"value"`)
}

// ask makes a request to a room's Consul with its management token. index is the newest change of what was asked for.
func ask(ctx context.Context, l *lab.Lab, method, room, path string) (body, index string, err error) {
	c := l.Consuls[room]
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.Addr+path, http.NoBody)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("X-Consul-Token", c.Management)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("consul of %s: %s %s: %s", room, method, path, resp.Status)
	}
	return string(b), resp.Header.Get("X-Consul-Index"), err
}

// number is every byte of a room's key.
func (s *scene) number(room string) string {
	s.t.Helper()
	v, err := s.lab.Number(s.t.Context(), room)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// do makes the lab carry out lines of lab.Help, one after the other.
func (s *scene) do(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		if _, err := s.lab.Do(s.t.Context(), line); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
	}
}

// heal ends the faults under a run, and waits until both rooms have a window without failures.
func (s *scene) heal() {
	s.t.Helper()
	s.do("heal")
	s.eventually("both rooms have a window without failures", func() bool {
		return holds(s.t.Context(), s.lab, lab.Cloud, noFailures) && holds(s.t.Context(), s.lab, lab.Home, noFailures)
	})
}

func (s *scene) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; !ok(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// isBack waits until every key holds what it held.
func (s *scene) isBack() {
	s.t.Helper()
	s.eventually("the keys are what they were", func() bool {
		for room, want := range s.before {
			if s.number(room) != want {
				return false
			}
		}
		return true
	})
}

// book writes a runbook from home to the cloud and returns its file.
func (s *scene) book(bake, steps string) string {
	s.t.Helper()
	return s.file("book.yaml", "version: 1\nname: book\nmove: {from: home, to: cloud}\nbake: "+bake+"\nsteps:\n"+steps)
}

// rooms writes a changed copy of the lab's rooms.yaml and returns its file.
func (s *scene) rooms(change func(yaml string) string) string {
	s.t.Helper()
	was := s.lab.RoomsYAML()
	now := change(was)
	if now == was {
		s.t.Fatal("nothing was changed in rooms.yaml")
	}
	return s.file("rooms.yaml", now)
}

func (s *scene) file(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// run starts the real roomshift on a runbook of these steps.
func (s *scene) run(bake, steps string) *process {
	s.t.Helper()
	return s.start("run", "--rooms", s.lab.RoomsFile(), s.book(bake, steps))
}

// restored fails unless every byte of each key is what it was.
func (s *scene) restored() {
	s.t.Helper()
	for room, want := range s.before {
		if got := s.number(room); got != want {
			s.t.Errorf("the key of %s holds %q, and it was %q", room, got, want)
		}
	}
}

// unharmed fails if one request failed since the case began.
func (s *scene) unharmed() {
	s.t.Helper()
	if c := s.lab.Counts().Since(s.counts); c.Failed > 0 || c.Sent == 0 {
		s.t.Errorf("%d of %d requests failed: %q", c.Failed, c.Sent, c.Why)
	}
}

// journals are the files of the scene's runs.
func (s *scene) journals() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "state", "roomshift", "*", "*", "journal.jsonl"))
	if err == nil && len(files) == 0 {
		err = errors.New("none")
	}
	if err != nil {
		s.t.Fatalf("journals: %v", err)
	}
	return files
}
