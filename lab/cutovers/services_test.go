package cutovers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/lab"
)

// put makes a request to home's Consul as somebody else who may do anything.
func (s *scene) put(path, body string) {
	s.t.Helper()
	c := s.lab.Consuls[lab.Home]
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the test's own is over when it cleans up
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.Addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", c.Management)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("PUT %s: %s %s %v", path, resp.Status, b, err)
	}
}

// get is what home's Consul says, with the newest index of it.
func (s *scene) get(path string) (body, index string) {
	s.t.Helper()
	body, index, err := ask(s.t.Context(), s.lab, http.MethodGet, lab.Home, path)
	if err != nil {
		s.t.Fatal(err)
	}
	return body, index
}

// allow gives roomshift's token what these media need beside what the lab's own route does, until the case ends.
func (s *scene) allow(services, splitters []string) {
	s.t.Helper()
	base := s.lab.Rules()
	set := func(rules string) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.lab.Consuls[lab.Home].SetRules(ctx, rules); err != nil {
			s.t.Fatal(err)
		}
	}
	set(base + strings.Join(consul.ServicePolicy(services, splitters), "\n"))
	s.t.Cleanup(func() { set(base) })
}

// service makes instances of a service: four at home, three in the cloud, on nodes without agents, or of the agent's own.
func (s *scene) service(name string, agents bool) {
	s.t.Helper()
	for i, room := range []string{"1", "1", "1", "1", "2", "2", "2"} {
		id, addr, weight := fmt.Sprintf("%s-%d", name, i), fmt.Sprintf("127.%s.7.%d", room, i+1), map[string]int{"1": 24320, "2": 256}[room]
		if agents {
			s.put("/v1/agent/service/register", fmt.Sprintf(`{"ID":%q,"Name":%q,"Address":%q,"Port":80,"Weights":{"Passing":%d,"Warning":2},`+
				`"Meta":{"owner":"ops"},"Check":{"TTL":"24h","Status":"passing"}}`, id, name, addr, weight))
			s.t.Cleanup(func() { s.put("/v1/agent/service/deregister/"+id, "") })
			continue
		}
		s.put("/v1/catalog/register", fmt.Sprintf(`{"Node":"ext-%s","Address":%q,"NodeMeta":{"external-node":"true"},"Service":{"ID":%q,"Service":%q,`+
			`"Port":80,"Weights":{"Passing":%d,"Warning":2},"Meta":{"owner":"ops"},"Tags":["v2"]}}`, id, addr, id, name, weight))
		s.t.Cleanup(func() { s.put("/v1/catalog/deregister", fmt.Sprintf(`{"Node":"ext-%s"}`, id)) })
	}
	s.eventually("every instance is in the catalog", func() bool {
		body, _ := s.get("/v1/health/service/" + name + "?consistent")
		return strings.Count(body, `"Passing"`) == 7
	})
}

// splitter makes a splitter between the rooms' subsets, with a leg that is neither's.
func (s *scene) splitter(name string) {
	s.t.Helper()
	for _, entry := range []string{
		fmt.Sprintf(`{"Kind":"service-defaults","Name":%q,"Protocol":"http"}`, name),
		fmt.Sprintf(`{"Kind":"service-resolver","Name":%q,"Subsets":{"v1":{"Filter":"Service.Meta.room == home"},"v2":{"Filter":"Service.Meta.room == cloud"},"canary":{}}}`, name),
		fmt.Sprintf(`{"Kind":"service-splitter","Name":%q,"Splits":[{"Weight":77.57,"ServiceSubset":"v1"},{"Weight":2.4,"ServiceSubset":"v2"},{"Weight":20.03,"ServiceSubset":"canary"}]}`, name),
	} {
		s.put("/v1/config", entry)
	}
	s.t.Cleanup(func() {
		for _, kind := range []string{"splitter", "resolver", "defaults"} {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if _, _, err := ask(ctx, s.lab, http.MethodDelete, lab.Home, "/v1/config/service-"+kind+"/"+name); err != nil {
				s.t.Error(err)
			}
		}
	})
}

var movedBy = regexp.MustCompile(`"(Modify)?Index":\s*\d+`)

// TestConsulMedia: of each medium of Consul's, `check --live`, plan and a dry run change nothing, a run writes what its dry run said, and going
// back restores every byte.
func TestConsulMedia(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, route, path string
		shares            string
		say               string // check --live
	}{
		{"service", `{consul: {service: search, consumer: haproxy}, seats: [home]}`, "/v1/health/service/search", "5%, 30%", "4 of 4 live in home, 4 owned by the catalog"},
		{"agents", `{consul: {service: search, consumer: generic}, seats: [home]}`, "/v1/health/service/search", "5%, 30%", "3 of 3 live in cloud, 3 owned by their agents"},
		{"splitter", `{consul: {splitter: web, legs: {home: v1, cloud: v2}}, seats: [home]}`, "/v1/config/service-splitter/web", "5%, 30.05%", "cloud=2.40,home=77.57"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t)
			s.allow([]string{"search"}, []string{"web"})
			if c.name == "splitter" {
				s.splitter("web")
			} else {
				s.service("search", c.name == "agents")
			}
			file := s.rooms(func(yaml string) string { return withRoute(s, yaml, c.route, c.name == "agents") })
			book := s.book("1s", "  - name: move\n    shift: {cloud: {more: ["+c.shares+"]}}\n"+rest)
			s.looksThenMoves(file, book, c.path, c.say)
		})
	}
}

// withRoute adds the route more to the lab's rooms.yaml. What isn't the lab's own isn't observed.
func withRoute(s *scene, yaml, route string, agents bool) string {
	observe := regexp.MustCompile(`(?s)observe:\n  prometheus: '([^\n]*)'\n  room: served_by\n`)
	query := observe.FindStringSubmatch(yaml)[1]
	yaml = observe.ReplaceAllString(yaml, "")
	yaml = strings.Replace(yaml, "seats: [home, cloud]}", "seats: [home, cloud], observe: {prometheus: '"+query+"', room: served_by}}\n  more: "+route, 1)
	yaml = strings.Replace(yaml, "addresses: [", "addresses: [127.1.0.0/16, ", 1)
	i := strings.LastIndex(yaml, "addresses: [")
	yaml = yaml[:i] + strings.Replace(yaml[i:], "addresses: [", "addresses: [127.2.0.0/16, ", 1)
	if agents {
		port := fmt.Sprint(s.lab.Consuls[lab.Home].Nodes[0].HTTP)
		yaml = strings.Replace(yaml, "  home:\n", "  home:\n    agents: {port: "+port+"}\n", 1)
	}
	return yaml
}

// looksThenMoves looks, in every way there is, and then moves and goes back.
func (s *scene) looksThenMoves(file, book, path, say string) {
	s.t.Helper()
	before, index := s.get(path)
	versions := s.versions(lab.Home)
	unchanged := func(what string) {
		s.t.Helper()
		if now, at := s.get(path); now != before || at != index {
			s.t.Errorf("%s: %s was\n%s at index %s, and is\n%s at index %s", what, path, before, index, now, at)
		}
		if now := s.versions(lab.Home); now != versions {
			s.t.Errorf("%s: the keys and sessions were %s, and are %s", what, versions, now)
		}
	}
	s.start("check", "--live", "--rooms", file, book).saysAt(0, say)
	unchanged("check --live")
	s.start("plan", "--rooms", file, book).exits(0)
	unchanged("plan")
	dry := s.start("run", "--dry-run", "--rooms", file, book)
	dry.exits(7)
	unchanged("a dry run")
	real := s.start("run", "--rooms", file, book)
	real.exits(7)
	a, b := dry.writes(), real.writes()
	slices.Sort(a)
	slices.Sort(b)
	if len(b) == 0 || !slices.Equal(a, b) {
		s.t.Errorf("a dry run writes %q, the real one %q", a, b)
	}
	if now, at := s.get(path); now == before || at == index {
		s.t.Errorf("after a run %s is as it was", path)
	}
	s.start("back", "--to", "start").exits(3)
	now, _ := s.get(path)
	if a, b := movedBy.ReplaceAllString(before, "#"), movedBy.ReplaceAllString(now, "#"); a != b {
		s.t.Errorf("%s was\n%s\nand is\n%s", path, a, b)
	}
	if !json.Valid([]byte(now)) {
		s.t.Errorf("%s is no JSON: %s", path, now)
	}
	s.restored()
	s.unharmed()
}

// saysAt waits for the end of a command with this code, and fails unless it said so.
func (p *process) saysAt(code int, say string) {
	p.s.t.Helper()
	p.exits(code)
	said := strings.Join(strings.Fields(p.text()), " ")
	if !strings.Contains(said, say) {
		p.s.t.Errorf("doesn't say %q:\n%s", say, p.text())
	}
}
