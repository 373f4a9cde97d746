package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// TestSessionGoesByItsPlan: a room that was out as a whole comes in by two requests, the second of which fails at first. What isn't in yet then
// isn't what somebody took out of a room that serves: the run's own plan tells the two apart, and a session's media are told it.
func TestSessionGoesByItsPlan(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := oneRoute{name: "session", share: "5%", bake: "1s", home: "10.1.0.0/16", cloud: "10.2.0.0/16", consul: "upstream: web", agents: true}
	s := startRealStage(t, o)
	to, err := url.Parse(s.consul.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/v1/txn" && r.ContentLength > 4000 && writes.Add(1) == 2 {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.write("rooms.yaml", o.rooms(front.URL, s.consul.Nodes[0].HTTP))
	const cloud = 100
	put := func(addr, value string) { s.put("/v1/kv/upstreams/web/"+addr, value) }
	put("10.1.0.1:80", `{"weight":100}`)
	put("10.1.0.2:80", `{"weight":100,"down":1}`) // somebody took it out
	for i := range cloud {
		put(fmt.Sprintf("10.2.0.%d:80", i+1), `{"weight":1,"down":1}`)
	}

	l := s.wire()
	p, _, problems, err := s.rooms.makePlan(t.Context(), "", "")
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	s.rooms.world.Gauges = &greenGauges{clk: s.rooms.clock, samples: &atomic.Int64{}}
	var out, talk bytes.Buffer
	ses := &session{io: stdio{in: strings.NewReader(""), out: &out, err: &talk}, rooms: s.rooms, start: cutover.Start{Plan: p, Why: "start"}}
	if err := ses.create(p, l); err != nil {
		t.Fatal(err)
	}
	if err := ses.run(t.Context()); exitCode(err) != cutover.ExitResting {
		t.Fatalf("%v: %s %s", err, out.String(), talk.String())
	}
	c, err := api.NewClient(&api.Config{Address: s.consul.Addr})
	if err != nil {
		t.Fatal(err)
	}
	pairs, _, err := c.KV().List("upstreams/web/", nil)
	if err != nil {
		t.Fatal(err)
	}
	down := ""
	for _, kv := range pairs {
		if strings.Contains(string(kv.Value), `"down":1`) {
			down += kv.Key + " "
		}
	}
	if down != "upstreams/web/10.1.0.2:80 " || writes.Load() < 3 {
		t.Errorf("after %d requests %sare down; want what somebody took out alone", writes.Load(), down)
	}
}
