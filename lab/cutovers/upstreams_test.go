package cutovers

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"roomshift/lab"
)

// upstreamScene is a scene with an upstream in it: an nginx in home that obeys its keys, instances in both rooms, and load.
type upstreamScene struct {
	*scene
	*lab.Upstream
	roomsFile string
	keys      map[string]string // every byte of each key at first
	from      lab.Counts
}

func beginUpstream(t *testing.T, o lab.UpstreamOptions) *upstreamScene {
	t.Helper()
	s := &upstreamScene{scene: begin(t)}
	var err error
	if s.Upstream, err = s.lab.StartUpstream(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.roomsFile = s.file("rooms.yaml", s.lab.RoomsYAML())
	s.keys = s.bytes()
	s.eventually("a window of nginx's own counts", func() bool {
		return holds(t.Context(), s.lab, lab.Home, `sum(rate(gw_requests_total{route="im"}[5s])) > 3`)
	})
	s.from = s.Upstream.Counts()
	return s
}

// bytes is every byte of each key.
func (s *upstreamScene) bytes() map[string]string {
	s.t.Helper()
	keys, err := s.Keys(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// measured is the cloud's part of what nginx sends from now on, in percent, over 300 requests.
func (s *upstreamScene) measured() float64 {
	s.t.Helper()
	if err := s.Obeyed(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Upstream.Answered(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	from := s.Upstream.Counts()
	s.eventually("300 requests are answered", func() bool { return s.Upstream.Counts().Since(from).Sent >= 300 })
	return s.Upstream.Counts().Since(from).Share(lab.Cloud)
}

func (s *upstreamScene) carries(when string, percent float64) {
	s.t.Helper()
	if got := s.measured(); math.Abs(got-percent) > 2 {
		s.t.Errorf("%s: nginx sends %.2f %% to the cloud, want %.2f", when, got, percent)
	} else {
		s.t.Logf("%s: nginx sends %.2f %% to the cloud, want %.2f", when, got, percent)
	}
}

// steps writes a runbook of these and returns its file.
func (s *upstreamScene) steps(steps string) string { return s.book("1s", steps) }

// kept fails unless every byte of each key is as it was, and no request of the upstream failed.
func (s *upstreamScene) kept() {
	s.t.Helper()
	if now := s.bytes(); !maps.Equal(now, s.keys) {
		s.t.Errorf("the keys held %q, and hold %q", s.keys, now)
	}
	if c := s.Upstream.Counts().Since(s.from); c.Failed > 0 || c.Sent == 0 {
		s.t.Errorf("%d of %d requests of the upstream failed: %q", c.Failed, c.Sent, c.Why)
	}
}

const upstreamClimb = `  - name: climb
    shift: {cloud: {im@home: [5%, 30%, 60%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// TestUpstreamKeys: looking changes nothing in Consul; a dry run writes what the real one writes; nginx sends what each rung wants; and
// going back gives back every byte, while no request fails.
func TestUpstreamKeys(t *testing.T) {
	s := beginUpstream(t, lab.UpstreamOptions{Instances: map[string]int{lab.Home: 3, lab.Cloud: 2}, Value: func(room string) string {
		if room == lab.Cloud {
			return "{ \"max_fails\":2, \"weight\": \"10\", \"down\":1, \"note\":\"ü\" }\n"
		}
		return `{"weight":100,"max_fails":2,"fail_timeout":10}`
	}})
	s.carries("at first", 0)
	s.do("writes off")
	if err := s.lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := s.steps(upstreamClimb + rest)
	was := s.standing()
	s.start("check", "--live", "--rooms", s.roomsFile, file).exits(0)
	was = s.unchanged("check --live", was)
	s.start("plan", "--rooms", s.roomsFile, file).exits(0)
	was = s.unchanged("plan", was)
	dry := s.start("run", "--dry-run", "--rooms", s.roomsFile, file)
	dry.exits(7)
	s.unchanged("a dry run", was)
	s.do("writes on")
	p := s.start("run", "--rooms", s.roomsFile, file)
	for i, percent := range []float64{5, 30, 60} {
		p.await(fmt.Sprintf("rung %d/3 baking", i+1))
		s.start("pause").exits(0)
		s.carries(fmt.Sprintf("rung %d", i+1), percent)
		s.start("resume").exits(0)
	}
	p.exits(7)
	if a, b := dry.writes(), p.writes(); len(b) == 0 || !slices.Equal(a, b) {
		t.Errorf("a dry run writes %q, the real one %q", a, b)
	}
	for key, value := range s.bytes() {
		if strings.Contains(s.keys[key], "note") && !strings.Contains(value, `"note":"ü"`) {
			t.Errorf("%s holds %q: somebody's member is gone", key, value)
		}
	}
	s.start("back", "--to", "start").exits(3)
	s.carries("back", 0)
	s.kept()
	s.unharmed()
}

// threePercent is what stands at a key of three in a hundred, with as many instances in both rooms.
func threePercent(room string) string {
	weight := map[string]int{lab.Home: 97, lab.Cloud: 3}[room]
	return fmt.Sprintf(`{"weight":%d,"max_fails":2,"fail_timeout":10}`, weight)
}

// some are n keys of a room.
func (s *upstreamScene) some(room string, n int) []string {
	network := strings.TrimSuffix(lab.UpstreamNetworks[room], "0/24")
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		if strings.Contains(key, "/"+network) {
			keys = append(keys, key)
		}
	}
	return keys[:n]
}

// join makes an instance and returns its key.
func (s *upstreamScene) join(room, value string) string {
	s.t.Helper()
	key, err := s.Join(s.t.Context(), room, value)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

const upstreamGuarded = `  - name: climb
    shift: {cloud: {im@home: [8%, 30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - checkpoint: there
    guard: true
`

// TestUpstreamMembers: while a run rests on guard, an instance that joins gets its room's weight; then half of all are replaced, and
// going back brings home the share over those that live, and every byte of those that stayed.
func TestUpstreamMembers(t *testing.T) {
	s := beginUpstream(t, lab.UpstreamOptions{Instances: map[string]int{lab.Home: 4, lab.Cloud: 4}, Value: threePercent})
	p := s.start("run", "--rooms", s.roomsFile, s.steps(upstreamGuarded))
	p.await(`rests at "there"`)
	s.carries("on guard", 30)
	joined := s.join(lab.Cloud, `{"weight":1,"max_fails":7}`)
	old := s.some(lab.Cloud, 1)[0]
	want := strings.Replace(strings.Replace(s.bytes()[old], `"max_fails":2`, `"max_fails":7`, 1), `,"fail_timeout":10`, "", 1)
	s.eventually("the new instance weighs what its room's others do, or the share is set again over all", func() bool {
		return s.bytes()[joined] == want || !strings.Contains(s.bytes()[joined], `"weight":1,`)
	})
	s.carries("one joined", 30)
	var stayed []string
	for _, room := range []string{lab.Home, lab.Cloud} {
		all := s.some(room, 4)
		stayed = append(stayed, all[:2]...)
		for _, key := range all[2:] {
			s.join(room, `{"weight":100}`)
			if err := s.Leave(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.start("back", "--to", "start").exits(0)
	p.exits(3)
	s.carries("back over those that live", 3)
	now := s.bytes()
	for _, key := range stayed {
		if now[key] != s.keys[key] {
			t.Errorf("%s held %q and holds %q", key, s.keys[key], now[key])
		}
	}
	s.unharmed()
}

// TestUpstreamForeign: a weight that somebody else wrote is left alone, and shown as it was, as the run had it and as it is; every other
// key is brought back to the byte.
func TestUpstreamForeign(t *testing.T) {
	s := beginUpstream(t, lab.UpstreamOptions{Instances: map[string]int{lab.Home: 3, lab.Cloud: 3}, Value: threePercent})
	p := s.start("run", "--rooms", s.roomsFile, s.steps(upstreamGuarded))
	p.await(`rests at "there"`)
	theirs := s.some(lab.Home, 1)[0]
	ours := s.bytes()[theirs]
	if err := s.SetKey(t.Context(), theirs, `{"weight":55}`); err != nil {
		t.Fatal(err)
	}
	s.start("back", "--to", "start").exits(0)
	text := p.exits(4)
	weight := strings.TrimPrefix(strings.Split(ours, ",")[0], `{"weight":`)
	if !strings.Contains(text, theirs) || !strings.Contains(text, "97") || !strings.Contains(text, weight) || !strings.Contains(text, "55") {
		t.Errorf("doesn't show %s before (97), ours (%s) and theirs (55):\n%s", theirs, weight, text)
	}
	now := s.bytes()
	s.keys[theirs] = `{"weight":55}`
	if !maps.Equal(now, s.keys) {
		t.Errorf("the keys hold %q, want %q", now, s.keys)
	}
	report := s.start("report")
	report.exits(0)
	report.says(theirs)
}

// TestUpstreamWithoutOthers: a room without an instance gets nothing, and its name is said; a run there begins nothing.
func TestUpstreamWithoutOthers(t *testing.T) {
	s := beginUpstream(t, lab.UpstreamOptions{Instances: map[string]int{lab.Home: 2}})
	p := s.start("run", "--rooms", s.roomsFile, s.steps(upstreamClimb+rest))
	p.exits(2)
	p.says("im@home", "cloud is to get 5 %", "nothing that serves")
	s.kept()
}
