package cutovers

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomshift/dbsync"
	"roomshift/lab"
)

// top is the whole way from 3 to 60 %, where it bakes for longer than the case takes.
const top = `  - name: climb
    shift: {cloud: {gw@home: [8%, 30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - name: top
    shift: {cloud: {gw@home: [60%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
    bake: 10m
`

// knownLag is a line of status with a lag to the cloud that was measured.
var knownLag = regexp.MustCompile(`lag@cloud +green +\S`)

// TestMySQL: a whole cutover on a pair of MySQL: it climbs to 60 %, sees the lag that comes then, and goes back to exactly 3 %; what a
// look at the pair says is MySQL's, too.
func TestMySQL(t *testing.T) {
	s := beginOn(t, mysqlLabs)
	out := s.start("check", "--live", s.lab.Runbook("out")).exits(0)
	if !strings.Contains(out, "MySQL ") || strings.Contains(out, "MariaDB ") || !strings.Contains(out, "semi-sync") {
		t.Errorf("want a pair of MySQL:\n%s", out)
	}
	p := s.run("1s", top)
	p.await(`"top" baking`)
	if got := s.number(lab.Home); got != "60" {
		t.Errorf("at the top home's key holds %q", got)
	}
	s.eventually("status shows the lag", func() bool { return knownLag.MatchString(s.start("status").exits(0)) })
	s.do(lateToCloud)
	s.turnsBack(p)
	s.unharmed()
}

// TestReadersAreLate: what the cloud's master has in time is of no use to users there while the replica that serves their reads hasn't.
func TestReadersAreLate(t *testing.T) {
	s := beginOn(t, mysqlLabs)
	reader, line, err := s.lab.Ring.Reader(t.Context(), t.TempDir(), lab.Cloud, 11, dbsync.GrantsMySQL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		line.Close()
	})
	s.register(reader.Port)
	file := s.rooms(func(yaml string) string {
		return strings.Replace(yaml, "cloud: {dsnEnv: LAB_DSN_CLOUD,", "cloud: {dsnEnv: LAB_DSN_CLOUD, readers: {consul: "+lab.Readers+"},", 1)
	})
	book := s.book("10m", few)
	if out := s.start("check", "--live", "--rooms", file, book).exits(0); !strings.Contains(out, "readers") {
		t.Errorf("want readers looked at:\n%s", out)
	}
	s.eventually("the plan has the lag to the reader", func() bool { // it isn't known in 3 s on a machine that is busy
		return strings.Contains(s.start("plan", "--rooms", file, book).exits(0), "to its reader")
	})
	p := s.start("run", "--rooms", file, book)
	p.await("baking")
	line.Delay(4*time.Second, 0)
	p.await("back     to start because lag@cloud")
	s.isBack()
	line.Heal()
	p.exits(3)
	s.restored()
	s.unharmed()
}

// register puts a reader on a port of this machine into the cloud's Consul, until the test ends.
func (s *scene) register(port int) {
	s.t.Helper()
	put := func(path, body string) {
		s.t.Helper()
		req, err := http.NewRequest(http.MethodPut, s.lab.Consuls[lab.Cloud].Addr+path, strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("X-Consul-Token", s.lab.Consuls[lab.Cloud].Management)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %s", path, resp.Status)
		}
	}
	id := url.PathEscape(lab.Readers + "-1")
	put("/v1/agent/service/register", fmt.Sprintf(`{"ID":%q,"Name":%q,"Address":"127.0.0.1","Port":%d}`, id, lab.Readers, port))
	s.t.Cleanup(func() { put("/v1/agent/service/deregister/"+id, "") })
}
