package lab

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// since waits for so many answers of a load's that were sent after now, and counts them.
func since(t *testing.T, n int64, counts func() Counts, answered func(context.Context) error) Counts {
	t.Helper()
	if err := answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	from := counts()
	eventually(t, "the requests are answered", func() bool { return counts().Since(from).Sent >= n })
	return counts().Since(from)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 2 {
		t.Errorf("%s: %.2f %% in the cloud, want %.2f", what, got, want)
	}
}

// weigh gives each instance of search its room's weight, in HAProxy's units, and waits until HAProxy obeys.
func weigh(t *testing.T, home, cloud int) {
	t.Helper()
	for room, w := range map[string]int{Home: home, Cloud: cloud} {
		for _, id := range lab.Services.In(room) {
			if err := lab.Services.SetWeight(t.Context(), id, HAProxyStep*w); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := lab.Services.Obeyed(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestServicesObey: HAProxy balances by the weights in Consul, over those that pass their checks; half of all may be replaced, or a room
// fail, and no request fails by that.
func TestServicesObey(t *testing.T) {
	heal(t)
	s := lab.Services
	before := s.Counts()
	count := func() Counts { return since(t, 200, s.Counts, s.Answered) }
	near(t, "at first", count().Share(Cloud), 3)
	weigh(t, 60, 40)
	near(t, "by hand", count().Share(Cloud), 40)
	old := append(s.In(Home), s.In(Cloud)...)
	said, err := lab.Do(t.Context(), "replace search")
	if err != nil {
		t.Fatal(err)
	}
	now := append(s.In(Home), s.In(Cloud)...)
	for i, id := range old {
		if stays := i%4 < 2; strings.Contains(strings.Join(now, " ")+" ", id+" ") != stays || strings.Contains(strings.ReplaceAll(said, ";", " "), id+" ") == stays {
			t.Errorf("%s stays: %t, of %q there are %q now: %s", id, stays, old, now, said)
		}
	}
	weigh(t, 97, 3)
	near(t, "replaced", count().Share(Cloud), 3)
	do(t, "instances search home down")
	if err := s.Obeyed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := count(); c.Served[Home] > 0 {
		t.Errorf("home's fail their checks and serve: %+v", c)
	}
	heal(t)
	if err := s.Obeyed(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, "weight search cloud 512")
	eventually(t, "a weight by hand is obeyed", func() bool {
		w, err := s.Weights(t.Context())
		return err == nil && w[s.In(Cloud)[0]] == 2
	})
	if c := s.Counts().Since(before); c.Failed > 0 {
		t.Errorf("%d failed: %q", c.Failed, c.Why)
	}
}

// TestSplitterObeys: the mesh gateway splits by the chain, and goes to those that pass.
func TestSplitterObeys(t *testing.T) {
	heal(t)
	s := lab.Splitter
	before := s.Counts()
	for _, percent := range []string{"3", "40", "0", "100"} {
		do(t, "weight pay cloud "+percent)
		parts, err := s.Legs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := since(t, 200, s.Counts, s.Answered)
		if math.Abs(c.Share(Cloud)-parts[Cloud]) > 1 || parts[Cloud]+parts[Home] != 100 {
			t.Errorf("at %s: %v is obeyed, %.2f %% measured", percent, parts, c.Share(Cloud))
		}
	}
	do(t, "replace pay")
	do(t, "weight pay cloud 3")
	if c := s.Counts().Since(before); c.Failed > 0 {
		t.Errorf("%d failed: %q", c.Failed, c.Why)
	}
	do(t, "instances pay cloud down")
	eventually(t, "a leg without instances fails", func() bool { return s.Counts().Since(before).Failed > 0 })
	heal(t)
}

// TestUpstreamReplaced: nginx goes to the new half, and not one request fails.
func TestUpstreamReplaced(t *testing.T) {
	heal(t)
	u := lab.Upstream
	before := u.Counts()
	do(t, "replace im")
	keys, err := u.Keys(t.Context())
	if err != nil || len(keys) != 6 || len(u.in(Home)) != 3 {
		t.Errorf("keys %q, %v", keys, err)
	}
	if err := u.Obeyed(t.Context()); err != nil {
		t.Fatal(err)
	}
	near(t, "replaced", since(t, 200, u.Counts, u.Answered).Share(Cloud), 100*float64(3+3+100)/float64(3+3+100+97+97+100))
	if c := u.Counts().Since(before); c.Failed > 0 {
		t.Errorf("%d failed: %q", c.Failed, c.Why)
	}
}

// TestLeaderless: a Consul without a leader answers, and does nothing that needs one; who obeys it goes on as before; then it has all that it had.
func TestLeaderless(t *testing.T) {
	heal(t)
	number(t, 20)
	before := []Counts{lab.Counts(), lab.Services.Counts(), lab.Splitter.Counts(), lab.Upstream.Counts()}
	set, err := lab.Services.Set(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(t, "consul home leaderless")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for path, body := range map[string]any{"/v1/session/create": map[string]string{"Name": "x"}, "/v1/txn": "[]"} {
		_, _, err := lab.ask(ctx, http.MethodPut, Home, path, body)
		var refused *notOK
		if !errors.As(err, &refused) || refused.code != http.StatusInternalServerError || !strings.Contains(refused.text, "No cluster leader") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if has, err := lab.Consuls[Home].HasLeader(t.Context()); has || err != nil {
		t.Errorf("it has a leader: %t, %v", has, err)
	}
	do(t, "consul home up")
	number(t, 3)
	since(t, 200, lab.Services.Counts, lab.Services.Answered) // by then the agent has told the catalog what it has
	now, err := lab.Services.Set(t.Context())
	if err != nil || len(now) != len(set) || len(now) == 0 {
		t.Errorf("%d services were set, and %d are: %v", len(set), len(now), err)
	}
	for i, c := range []Counts{lab.Counts(), lab.Services.Counts(), lab.Splitter.Counts(), lab.Upstream.Counts()} {
		if c := c.Since(before[i]); c.Failed > 0 || c.Sent == 0 {
			t.Errorf("load %d: %d of %d failed: %q", i, c.Failed, c.Sent, c.Why)
		}
	}
}

// TestPartsInARoomDown: what the parts have in a room is away with it, and comes back.
func TestPartsInARoomDown(t *testing.T) {
	heal(t)
	do(t, "room home down")
	from := []Counts{lab.Services.Counts(), lab.Splitter.Counts(), lab.Upstream.Counts()}
	eventually(t, "what enters home fails", func() bool { return lab.Splitter.Counts().Since(from[1]).Failed > 20 })
	for i, c := range []Counts{lab.Services.Counts(), lab.Splitter.Counts(), lab.Upstream.Counts()} {
		if c := c.Since(from[i]); c.Served[Home]+c.Served[Cloud] > 20 { // what was answered already counts a moment later
			t.Errorf("load %d is served while its entry is away: %+v", i, c)
		}
	}
	heal(t)
	eventually(t, "all of it is served again", func() bool {
		for i, c := range []Counts{lab.Services.Counts(), lab.Splitter.Counts(), lab.Upstream.Counts()} {
			if c.Since(from[i]).Served[Home] < 20 {
				return false
			}
		}
		return true
	})
}

// TestEveryPartIsSaid: what there is is in the welcome, in help, in status and in rooms.yaml.
func TestEveryPartIsSaid(t *testing.T) {
	status, about, help, yaml := lab.status(t.Context()), lab.About(), lab.Help(), lab.RoomsYAML()
	for _, route := range []string{UpstreamRoute, ServicesRoute, SplitterRoute} {
		if !strings.Contains(status, "\n"+route+": ") || !strings.Contains(about, "  "+route+" ") || !strings.Contains(yaml, "\n  "+route+": {") {
			t.Errorf("%s isn't in\n%s\n%s\n%s", route, status, about, yaml)
		}
	}
	for _, name := range []string{"im", "search", "pay", "others", "out"} {
		if lab.runbooks()[name] == "" {
			t.Errorf("there is no runbook %s", name)
		}
	}
	for _, line := range []string{"(im, search, pay)", "(search, pay)", "\nquit "} {
		if !strings.Contains(help, line) {
			t.Errorf("help doesn't say %q:\n%s", line, help)
		}
	}
}
