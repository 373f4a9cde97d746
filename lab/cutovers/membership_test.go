package cutovers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"roomshift/cutover/cutovertest"
	"roomshift/lab"
)

// weights are what consumers are told of search in home's Consul: the weight of each instance that passes its checks, by ID.
func (s *scene) weights() map[string]int {
	s.t.Helper()
	body, _ := s.get("/v1/health/service/search?passing&consistent")
	var all []struct {
		Service struct {
			ID      string
			Weights struct{ Passing int }
		}
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		s.t.Fatal(err)
	}
	weights := map[string]int{}
	for _, e := range all {
		weights[e.Service.ID] = e.Service.Weights.Passing
	}
	return weights
}

// onServices is a scene in which search is a route.
func onServices(t *testing.T) (s *scene, file string) {
	s = begin(t)
	s.allow([]string{"search"}, nil)
	s.service("search", false)
	file = s.rooms(func(yaml string) string {
		return withRoute(s, yaml, `{consul: {service: search, consumer: haproxy}, seats: [home]}`, false)
	})
	return s, file
}

// fewMore is a first rung, and a state to rest in.
const fewMore = "  - name: move\n    shift: {cloud: {more: [5%]}}\n" + rest

// TestRefusedByName: instances that a write would damage, or whose owner would undo it, keep a plan from being made: each is named with what to
// do, by plan, by run and by check --live, which also says how many there are of whom.
func TestRefusedByName(t *testing.T) {
	s, file := onServices(t)
	s.put("/v1/catalog/register", `{"Node":"ext-search-5","Address":"127.2.7.6","SkipNodeUpdate":true,"Service":{"ID":"search-5","Service":"search","Port":80,`+
		`"Weights":{"Passing":256,"Warning":2},"Connect":{"Native":true}}}`)
	s.put("/v1/catalog/register", `{"Node":"ext-search-6","Address":"127.2.7.7","SkipNodeUpdate":true,"Service":{"ID":"search-6","Service":"search","Port":80,`+
		`"Weights":{"Passing":256,"Warning":2},"Meta":{"external-source":"kubernetes"}}}`)
	before, index := s.get("/v1/health/service/search")
	book := s.book("1s", fewMore)
	for _, c := range []struct {
		code int
		args []string
		says []string
	}{
		{2, []string{"plan"}, nil},
		{2, []string{"run"}, nil},
		{1, []string{"check", "--live"}, []string{"3 of 3 live in cloud", "1 owned by kubernetes", "1 owned by the catalog, weights fixed by Connect"}},
	} {
		p := s.start(append(c.args, "--rooms", file, book)...)
		for _, say := range append(c.says, "search/ext-search-5/search-5 has Connect, which a transaction would drop", "search/ext-search-6/search-6 is kept by kubernetes", "set its weight there") {
			p.saysAt(c.code, say)
		}
	}
	if now, at := s.get("/v1/health/service/search"); now != before || at != index {
		t.Errorf("something was written: %s", now)
	}
}

// TestOneForeignInABatch: somebody changes one instance while a transaction of four is on its way. Consul rolls all of it back; that one is
// named and asked about, the others are sent again and carried out, and going back restores them.
func TestOneForeignInABatch(t *testing.T) {
	s, file := onServices(t)
	was := s.weights()
	consul := s.lab.Consuls[lab.Home].Addr
	proxy := cutovertest.NewProxy(t, strings.TrimPrefix(consul, "http://"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	file = s.file("proxied.yaml", strings.Replace(string(text), consul, "http://"+proxy.Addr(), 1))
	proxy.Only(func(r *http.Request) bool {
		if r.URL.Path != "/v1/txn" {
			return false
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err == nil && bytes.Contains(body, []byte(`"search-2"`))
	})
	statuses := make(chan string, 1)
	proxy.Answer(func(r *http.Request) *http.Response {
		s.put("/v1/catalog/register", `{"Node":"ext-search-2","Address":"127.1.7.3","SkipNodeUpdate":true,"Service":{"ID":"search-2","Service":"search","Port":80,`+
			`"Weights":{"Passing":11111,"Warning":2},"Meta":{"owner":"ops"},"Tags":["v2"]}}`)
		req, err := http.NewRequest(r.Method, consul+r.URL.RequestURI(), r.Body)
		if err != nil {
			return nil
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			statuses <- resp.Status
		}
		return resp
	})
	p := s.start("run", "--rooms", file, s.book("1s", fewMore))
	p.await(" asked ")
	if status := <-statuses; !strings.HasPrefix(status, "409") {
		t.Errorf("Consul answered %s, want 409", status)
	}
	p.says("foreign", "search/ext-search-2/search-2", "11111")
	s.eventually("the others are written", func() bool {
		now := s.weights()
		return now["search-0"] != was["search-0"] && now["search-1"] != was["search-1"] && now["search-3"] != was["search-3"]
	})
	s.start("back", "--to", "start").exits(0)
	p.exits(4)
	for id, w := range s.weights() {
		if id == "search-2" {
			was[id] = 11111
		}
		if w != was[id] {
			t.Errorf("%s has the weight %d, want %d", id, w, was[id])
		}
	}
}
