package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/journal"
	"roomshift/lab/server"
	"roomshift/runbooks"
)

var kept = oneRoute{name: "kept", share: "9%", bake: "10m", home: "127.1.0.0/16", cloud: "127.2.0.0/16", consul: "service: web, consumer: generic", agents: true}

// realStage is a real Consul with a service of its agent's, and what is said to a run over it.
type realStage struct {
	*testing.T
	dir    string
	consul *server.Consul
	rooms  *realRooms

	mu    sync.Mutex
	notes []string
}

func startRealStage(t *testing.T, o oneRoute) *realStage {
	t.Helper()
	if testing.Short() {
		t.Skip("a real run lists what it keeps every 10 s")
	}
	s := &realStage{T: t, dir: t.TempDir()}
	var err error
	if s.consul, err = server.StartConsul(t.Context(), s.dir, server.ConsulOptions{Datacenter: "home"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.consul.Kill)
	s.write("rooms.yaml", o.rooms(s.consul.Addr, s.consul.Nodes[0].HTTP))
	s.write("book.yaml", o.book())
	return s
}

func (s *realStage) write(file, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *realStage) wire() *runbooks.Loaded {
	s.Helper()
	l, err := runbooks.Load(filepath.Join(s.dir, "book.yaml"), filepath.Join(s.dir, "rooms.yaml"))
	if err != nil || len(l.Problems) > 0 {
		s.Fatal(l.Problems, err)
	}
	if s.rooms, err = wire(l, newClock(), nil); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(s.rooms.Close)
	return l
}

// register is what an agent's user or a deployer does.
func (s *realStage) register(id, addr string, weight int, build string) {
	s.Helper()
	s.put("/v1/agent/service/register", fmt.Sprintf(`{"ID":%q,"Name":"web","Address":%q,"Port":80,"Meta":{"build":%q},"Weights":{"Passing":%d,"Warning":1}}`, id, addr, build, weight))
}

func (s *realStage) put(path, body string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPut, s.consul.Addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		s.Fatalf("%s: %s %s %v", path, resp.Status, said, err)
	}
}

// weights is "c0=5 h0=100 …", as the catalog has them.
func (s *realStage) weights() string {
	s.Helper()
	var texts []string
	for id, w := range s.weighs() {
		texts = append(texts, fmt.Sprintf("%s=%d", id, w))
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

func (s *realStage) weighs() map[string]int {
	s.Helper()
	resp, err := http.Get(s.consul.Addr + "/v1/health/service/web?consistent")
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	var all []struct {
		Service struct {
			ID      string
			Weights struct{ Passing int }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		s.Fatal(err)
	}
	of := map[string]int{}
	for _, e := range all {
		of[e.Service.ID] = e.Service.Weights.Passing
	}
	return of
}

// carries tells whether the instances of each room weigh the same, and the cloud's carry 9 % of all but x0.
func (s *realStage) carries() bool {
	w := s.weighs()
	cloud, home := w["c0"]+w["c1"], w["h0"]+w["h1"]
	return w["c0"] == w["c1"] && w["h0"] == w["h1"] && cloud*1000 >= 85*(cloud+home) && cloud*1000 <= 95*(cloud+home)
}

func (s *realStage) until(what string, ok func() bool) {
	s.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(90 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.Fatalf("not within 90 s: %s: it is %s; said: %q", what, s.weights(), s.notes)
		}
	}
}

// Event is cutover.Show's.
func (s *realStage) Event(e cutover.Shown) {
	if e.Note != "" {
		s.tell(e.Note)
	}
}

func (s *realStage) tell(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, text)
}

func (s *realStage) said(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.notes, func(n string) bool { return strings.Contains(n, part) })
}

// run begins a run of the stage's runbook. records is what it has journaled; end waits for its end.
func (s *realStage) run() (records func() []cutover.Record, end func() *cutover.Result) {
	s.Helper()
	s.wire()
	p, _, problems, err := s.rooms.makePlan(s.Context(), "", "")
	if err != nil || len(problems) > 0 {
		s.Fatal(problems, err)
	}
	s.rooms.goBy(p)
	s.rooms.onNote(s.tell)
	w := s.rooms.world
	w.Gauges, w.Operators, w.Show = &greenGauges{clk: s.rooms.clock, samples: &atomic.Int64{}}, nobody{}, s
	file, err := journal.Create(filepath.Join(s.dir, "kept"), journalReserve)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = file.Close() })
	w.Journal = file
	type ended struct {
		res *cutover.Result
		err error
	}
	done := make(chan ended, 1)
	go func() {
		res, err := cutover.Run(s.Context(), w, cutover.Start{Run: "kept", Plan: p, Why: "start", Version: version, Host: "here", User: "test", PID: os.Getpid()})
		done <- ended{res, err}
	}()
	records = func() []cutover.Record {
		rs, _, err := file.Read(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		return rs
	}
	return records, func() *cutover.Result {
		s.Helper()
		select {
		case e := <-done:
			if e.err != nil {
				s.Fatal(e.err)
			}
			return e.res
		case <-time.After(90 * time.Second):
			s.Fatal("the run doesn't end")
			return nil
		}
	}
}

// TestRunKeepsAgentsWeights: while a run bakes, a weight that an agent puts back (as its reload does, which registers what its file says) is
// found, journaled as a stray and set again; an instance that is deployed again under its ID, with another build and the weight that it
// comes with, gets its weight and is nobody's; one whose weight alone somebody changed is left alone and told; and one in no room isn't
// counted, and said. Going back then leaves the foreign one alone, or, once that has been given back, ends as it began.
func TestRunKeepsAgentsWeights(t *testing.T) {
	t.Parallel()
	s := startRealStage(t, kept)
	for i := range 2 {
		s.register(fmt.Sprintf("h%d", i), fmt.Sprintf("127.1.0.%d", i+1), 100, "1")
		s.register(fmt.Sprintf("c%d", i), fmt.Sprintf("127.2.0.%d", i+1), 5, "1")
	}
	const before = "c0=5 c1=5 h0=100 h1=100"
	s.until("the catalog has all four", func() bool { return s.weights() == before })
	records, end := s.run()
	s.until("the rung is written", s.carries)

	s.register("c0", "127.2.0.1", 5, "1")
	s.register("h0", "127.1.0.1", 1, "2")
	s.put("/v1/catalog/register", `{"Node":"elsewhere","Address":"192.0.2.7","Service":{"ID":"x0","Service":"web","Address":"192.0.2.7","Weights":{"Passing":7,"Warning":1}}}`)
	s.until("what an agent put back, and what was deployed again, has its weight", s.carries)
	s.until("the one in no room is said", func() bool { return s.said("not counted: web/elsewhere/x0") })
	strays := 0
	for _, r := range records() {
		switch {
		case r.Stray != nil && strings.HasSuffix(r.Stray.Object, "/c0"):
			strays++
		case r.Foreign != nil:
			t.Errorf("%s is taken for foreign: %+v", r.Foreign.Object, r.Foreign)
		}
	}
	if strays == 0 {
		t.Error("what an agent put back isn't in the journal")
	}

	ours := s.weighs()["c1"]
	s.register("c1", "127.2.0.2", 77, "1")
	s.until("a person's weight is found", func() bool {
		return slices.ContainsFunc(records(), func(r cutover.Record) bool {
			return r.Foreign != nil && strings.HasSuffix(r.Foreign.Object, "/c1") && r.Foreign.Found == "77"
		})
	})
	if got := s.weights(); !strings.Contains(got, "c1=77") {
		t.Errorf("%s: a person's weight was written over", got)
	}
	s.register("c1", "127.2.0.2", ours, "1") // given back
	s.rooms.clock.Command(cutover.Command{ID: "1", Verb: "back", Who: "test", Args: map[string]string{"to": "start"}})
	if res := end(); res.Exit != cutover.ExitBack {
		t.Errorf("exit %d, %+v; want 3", res.Exit, res.Progress.Causes)
	}
	if got := s.weights(); got != before+" x0=7" {
		t.Errorf("it ends with %s, want %s x0=7", got, before)
	}

	s.wire()
	if _, _, _, err := s.rooms.makePlan(s.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "1 of 5 instances are in no room, or in two: web/elsewhere/x0: put") {
		t.Errorf("a plan over an instance in no room: %v", err)
	}
	bad := ""
	for _, f := range s.rooms.findings(t.Context(), nil) {
		if !f.OK && strings.HasPrefix(f.Check, "seats of") {
			bad += f.Seen + "; " + f.Do
		}
	}
	if !strings.Contains(bad, "web/elsewhere/x0") || !strings.Contains(bad, "tag") {
		t.Errorf("check --live says %q", bad)
	}
}
