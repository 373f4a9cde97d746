package metrics

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// findingsOf is what Check says of one gate or observe beside the sources themselves: bad ones begin with ✗.
func findingsOf(t *testing.T, m *Metrics, serves func(cutover.Room) bool) []string {
	t.Helper()
	var lines []string
	for _, f := range m.Check(t.Context(), serves) {
		if f.OK != (f.Do == "") || f.Seen == "" || !f.OK && f.Want == "" {
			t.Errorf("a finding without its parts: %+v", f)
		}
		mark := "✓"
		if !f.OK {
			mark = "✗"
		}
		if !f.OK || !strings.HasPrefix(f.Check, "prometheus") && f.Check != "the shared prometheus" {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s: %s → %s", mark, strings.TrimSpace(f.Check+" "+f.Room), f.Seen, f.Do)))
		}
	}
	return lines
}

func fitsLines(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !fitsText(got[i], want[i]) {
			return false
		}
	}
	return true
}

var inHome = []string{"home"}

// TestCheckGates: each mistake that a person makes in a gate's query is refused by name, with what to do, and what only looks like
// one isn't.
func TestCheckGates(t *testing.T) {
	abort := func(v float64) *runbooks.Limit { return &runbooks.Limit{Value: v} }
	for _, c := range []struct {
		name string
		gate runbooks.Gate
		want []string
	}{
		{"well", runbooks.Gate{Each: true, Ratio: badOf(`bad_total{room="$room"}`, `all_total{room="$room"}`, "$window")}, []string{
			"✓ gate g home: 0.0…, data …s old, … events in the window →",
			"✓ gate g cloud: 0, data …s old, … events in the window, none bad →"}},
		{"5xx that a healthy room never had", runbooks.Gate{Each: true, Ratio: badOf(`all_total{room="$room",code=~"5.."}`, `all_total{room="$room"}`, "$window")}, []string{
			"✗ gate g home: no series of all_total has the label code, so code=~\"5..\" picks nothing → it has instance, job, room",
			"✓ gate g home: 0, …none bad →", "✓ gate g cloud: 0, …none bad →"}},
		{"a code that exists, but not this one", runbooks.Gate{RoomNames: inHome, Ratio: badOf(`bad_total{code="504"}`, `all_total{room="$room"}`, "$window")}, []string{
			"✓ gate g home: 0, …none bad →"}},
		{"a range of 3 scrapes", runbooks.Gate{RoomNames: inHome, Query: rateOf("all_total", "1500ms")}, []string{
			"✗ gate g home: value looks back 1.5s in all_total, which is 3.0 intervals of 500ms → write $window, …", "✓ gate g home: …"}},
		{"one short range beside a long one", runbooks.Gate{RoomNames: inHome, Query: rateOf("all_total", "1m") + "/" + rateOf("hit_total", "1s")}, []string{
			"✗ gate g home: value looks back 1s in hit_total, which is 2.0 intervals of 500ms → …", "✓ gate g home: …"}},
		{"4 scrapes", runbooks.Gate{RoomNames: inHome, Query: rateOf("all_total", "2s")}, []string{"✓ gate g home: …"}},
		{"a short range in a long subquery", runbooks.Gate{RoomNames: inHome, Query: `max_over_time(` + rateOf("all_total", "1s") + `[5m:1s])`}, []string{
			"✗ gate g home: value looks back 1s in all_total, …", "✓ gate g home: …"}},
		{"a short window", runbooks.Gate{RoomNames: inHome, Window: time.Second, Query: rateOf("all_total", "$window")}, []string{
			"✗ gate g home: $window is 1s, which is 2.0 intervals of 500ms → write window: 2s", "✓ gate g home: …"}},
		{"4 scrapes of all, one of this job", runbooks.Gate{RoomNames: inHome, Query: rateOf("rare_total", "4s")}, []string{
			"✗ gate g home: value looks back 4s in rare_total, which is 2.0 intervals of 2s → …", "✓ gate g home: …"}},
		{"a maxAge below the job's interval", runbooks.Gate{RoomNames: inHome, MaxAge: time.Second, Query: `rare_total{room="$room"}`}, []string{
			"✗ gate g home: its data comes every 2s, and maxAge is 1s → write maxAge: 6s", "…"}},
		{"a rule evaluated less often than maxAge", runbooks.Gate{RoomNames: inHome, MaxAge: 2 * time.Second, Query: `room:all:rare{room="$room"}`}, []string{
			"✗ gate g home: its data comes every 3s, and maxAge is 2s → write maxAge: 9s", "…"}},
		{"a misspelt metric", runbooks.Gate{Each: true, Query: `sum(rate(alll_total{room="$room"}[$window]))`}, []string{
			"✗ gate g home: the shared prometheus has never had alll_total → is its job scraped? did you mean all_total?"}},
		{"a misspelt count of bad", runbooks.Gate{RoomNames: inHome, Ratio: badOf(`bda_total`, `all_total{room="$room"}`, "$window")}, []string{
			"✗ gate g home: the shared prometheus has never had bda_total → is its job scraped? did you mean bad_total? If only its first event makes it, let the exporter begin it at 0",
			"✓ gate g home: 0, …"}},
		{"a misspelt label of bad", runbooks.Gate{RoomNames: inHome, Ratio: badOf(`bad_total{cod=~"5.."}`, `all_total{room="$room"}`, "$window")}, []string{
			"✗ gate g home: no series of bad_total has the label cod, so cod=~\"5..\" picks nothing → it has code, instance, job, room: did you mean code?",
			"✓ gate g home: 0, …"}},
		{"a room by a label that says other names", runbooks.Gate{Each: true, Query: `sum(gw_total{route="$room"})`}, []string{
			"✗ gate g home: the shared prometheus has no series gw_total{route=\"home\"} → its route is gw: relabel it to the names of rooms.yaml, or write what it is",
			"✗ gate g cloud: the shared prometheus has no series gw_total{route=\"cloud\"} → …"}},
		{"a room that has none of them", runbooks.Gate{Each: true, Query: `sum(hit_total{room="$room"})`}, []string{"✓ gate g home: …",
			"✗ gate g cloud: the shared prometheus has no series hit_total{room=\"cloud\"} → its room is home: …"}},
		{"bad by other names of rooms", runbooks.Gate{RoomNames: inHome, Ratio: badOf(`gw_total{route="$room"}`, `all_total{room="$room"}`, "$window")}, []string{
			"✗ gate g home: the shared prometheus has no series gw_total{route=\"home\"} → …", "✓ gate g home: 0, …"}},
		{"two series", runbooks.Gate{RoomNames: inHome, Query: `two`}, []string{
			"✗ gate g home: not a number: value has 2 series, such as …; wanted one → put sum(…) or max(…) around it, or say in {…} which one is meant"}},
		{"NaN", runbooks.Gate{RoomNames: inHome, Query: `histogram_quantile(0.9, sum by (le) (rate(idle_seconds_bucket[$window])))`}, []string{
			"✗ gate g home: not a number: value is NaN → it must be a number: is there traffic, and is nothing divided by 0?"}},
		{"a scalar", runbooks.Gate{RoomNames: inHome, Query: `scalar(sum(all_total))`}, []string{
			"✗ gate g home: error: the shared prometheus: …; a query that is a plain number needs vector(…) around it → …"}},
		{"stamps ahead", runbooks.Gate{RoomNames: inHome, MaxAge: 10 * time.Second, Query: `sum(skewed_total)`}, []string{
			"✗ gate g home: its data is stamped 2…s ahead of the clock of the shared prometheus → set honor_timestamps: false for its job, or mend the exporter's clock"}},
		{"an hour ahead", runbooks.Gate{RoomNames: inHome, Query: `sum(hour_ahead_total)`}, []string{
			"✗ gate g home: the shared prometheus has never had hour_ahead_total → is its job scraped? did you mean ahead_total?"}},
		{"more bad than all", runbooks.Gate{RoomNames: inHome, Ratio: badOf(`all_total`, `hit_total`, "$window")}, []string{
			"✗ gate g home: 4.4…, data … → good, bad and of count different things: give them the same job and labels"}},
		{"past abort", runbooks.Gate{RoomNames: inHome, Abort: abort(0.8), Query: `max(temperature)`}, []string{
			"✗ gate g home: 21.5, data … old: past its abort of 0.8 → is the room sick, or the limit in another unit? …"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rooms := realRoomsYAML(t)
			c.gate.Name = "g"
			rooms.Routes, rooms.Gates = nil, []runbooks.Gate{c.gate}
			m := mustNew(t, Config{Rooms: rooms, Gates: rooms.Gates})
			var got []string
			for range 40 { // a scrape that is late on a busy machine makes data too old
				if got = findingsOf(t, m, nil); fitsLines(got, c.want) {
					return
				}
				<-time.After(100 * time.Millisecond)
			}
			t.Errorf("findings:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		})
	}
}

// TestCheckEmptyRoom: a room that serves nothing has nothing to judge; that is no mistake, but a misspelt name still is one.
func TestCheckEmptyRoom(t *testing.T) {
	rooms := realRoomsYAML(t)
	rooms.Routes = nil
	rooms.Gates = []runbooks.Gate{
		{Name: "slow", Each: true, Query: `histogram_quantile(0.9, sum by (le) (rate(idle_seconds_bucket{room=~"home|$room"}[$window])))`},
		{Name: "split", Each: true, Query: `two{room=~"home|$room"}`},
	}
	m := mustNew(t, Config{Rooms: rooms, Gates: rooms.Gates})
	got := findingsOf(t, m, func(r cutover.Room) bool { return r == "home" })
	want := []string{
		"✗ gate slow home: not a number: value is NaN → …",
		"✓ gate slow cloud: nothing to judge while cloud serves nothing (not a number: value is NaN) →",
		"✗ gate split home: not a number: value has 2 series…",
	}
	if !fitsLines(got, want) {
		t.Errorf("findings:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCheckObserve: a share that couldn't be told later is refused now.
func TestCheckObserve(t *testing.T) {
	for _, c := range []struct {
		name, query, label string
		want               []string
	}{
		{"well", `sum by (served_by) (rate(gw_total{room="$room",route="$route"}[$window]))`, "served_by", []string{
			"✓ observe gw home: cloud …/s, home …/s →", "✓ observe gw cloud: cloud …/s →"}},
		{"labels that are no rooms", `sum by (route) (rate(gw_total{room="$room"}[$window]))`, "route", []string{
			"✗ observe gw home: route=\"gw\" is no room of rooms.yaml → make the label say a room's name, …"}},
		{"labels that are no rooms, and nothing goes there", `sum by (route) (rate(gw_total{room="$room"}[$window])) * 0`, "route", []string{
			"✗ observe gw home: route=\"gw\" is no room of rooms.yaml; nothing goes there now, and once something does the share can't be known → …"}},
		{"no such label", `sum by (servedby) (rate(gw_total{room="$room"}[$window]))`, "servedby", []string{
			"✗ observe gw home: servedby=\"\" is no room of rooms.yaml → no series of gw_total has the label servedby; it has instance, job, room, route, served_by"}},
		{"a misspelt metric", `sum by (served_by) (rate(gv_total{room="$room"}[$window]))`, "served_by", []string{
			"✗ observe gw home: the shared prometheus has never had gv_total → is its job scraped? did you mean gw_total?"}},
		{"a route that nothing counts", `sum by (served_by) (rate(gw_total{room="$room",job="$route"}[$window]))`, "served_by", []string{
			"✗ observe gw home: the shared prometheus has no series gw_total{job=\"gw\"} → its job is app: …"}},
		{"a short range", `sum by (served_by) (rate(gw_total{room="$room"}[1s]))`, "served_by", []string{
			"✗ observe gw home: value looks back 1s in gw_total, which is 2.0 intervals of 500ms → …",
			"✓ observe gw home: …", "✓ observe gw cloud: …"}},
		{"without $room", `sum by (served_by) (rate(gw_total[$window]))`, "served_by", []string{
			"✗ observe gw: observe of gw: the shared prometheus is asked the same for home and cloud: the query needs $room, the room entered by → write {room=\"$room\"} in it"}},
		{"no series yet", `sum by (served_by) (rate(gw_total{room="$room",served_by="nobody"}[$window]))`, "served_by", []string{
			"✓ observe gw home: no series: nothing enters here, or nothing counts it →", "✓ observe gw cloud: no series: nothing enters here, or nothing counts it →"}},
		{"no series now, and no rooms ever", `sum by (route) (rate(gw_total{room="$room",served_by="nobody"}[$window]))`, "route", []string{
			"✗ observe gw home: route of gw_total is gw: no room of rooms.yaml → make the label say a room's name, …"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rooms := realRoomsYAML(t)
			rooms.Observe = &runbooks.Observe{Query: c.query, RoomLabel: c.label}
			m := mustNew(t, Config{Rooms: rooms})
			var got []string
			for range 40 {
				if got = findingsOf(t, m, nil); fitsLines(got, c.want) {
					return
				}
				<-time.After(100 * time.Millisecond)
			}
			t.Errorf("findings:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		})
	}
}

// TestCheckTwins: two addresses of one server, asked the same for both rooms, are found out; by when it began, or by its data.
func TestCheckTwins(t *testing.T) {
	hide := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/status/runtimeinfo") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}
	later := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/status/runtimeinfo") {
			answers(200, `{"status":"success","data":{"startTime":"2026-01-02T03:04:05.678Z"}}`)(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
	older := func(w http.ResponseWriter, r *http.Request, next http.Handler) { // what it has was taken at other moments
		hide(w, asked(r, func(q url.Values) {
			if sec, err := strconv.ParseFloat(q.Get("time"), 64); err == nil {
				q.Set("time", fmt.Sprintf("%.3f", sec-1))
			}
		}), next)
	}
	const all, ofRoom, entered, enteredBy = `sum(rate(all_total[$window]))`, `sum(rate(all_total{room="$room"}[$window]))`,
		`sum by (served_by) (rate(gw_total[$window]))`, `sum by (served_by) (rate(gw_total{room="$room"}[$window]))`
	for _, c := range []struct {
		name           string
		serve          func(http.ResponseWriter, *http.Request, http.Handler)
		query, observe string
		want           int
		second         string // another server than the first, ""
	}{
		{"told", nil, all, entered, 2, ""},
		{"not told", hide, all, entered, 2, ""},
		{"the gate with $room", nil, ofRoom, entered, 1, ""},
		{"observe with $room", nil, all, enteredBy, 1, ""},
		{"both with $room, not told", hide, ofRoom, enteredBy, 0, ""},
		{"two servers with the same data", later, all, entered, 0, ""},
		{"two servers that don't tell, with data of other moments", older, `sum(temperature)`, enteredBy, 0, ""},
		{"two servers", hide, all, entered, 0, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, real.addr(t))
			f.set(c.serve)
			other := f.URL
			if c.second != "" {
				other = newFakeSource(t, map[string]string{partValue: "1"}).URL
			}
			rooms := realRoomsYAML(t)
			rooms.Prometheus = nil
			rooms.Rooms[0].Prometheus = &runbooks.Prometheus{Addr: real.addr(t), Scrape: realScrape}
			rooms.Rooms[1].Prometheus = &runbooks.Prometheus{Addr: other, Scrape: realScrape}
			rooms.Gates = []runbooks.Gate{{Name: "g", Each: true, Query: c.query}}
			rooms.Observe = &runbooks.Observe{Query: c.observe, RoomLabel: "served_by"}
			m := mustNew(t, Config{Rooms: rooms, Gates: rooms.Gates})
			found := 0
			for _, line := range findingsOf(t, m, nil) {
				if fitsText(line, "✗ …: prometheus of home and prometheus of cloud are one server, asked the same for home and for cloud → write {room=\"$room\"} in the query, …") {
					found++
				}
			}
			if found != c.want {
				t.Errorf("%d findings, wanted %d:\n%s", found, c.want, strings.Join(findingsOf(t, m, nil), "\n"))
			}
		})
	}
}

// TestCheckSilentSource: a source that doesn't say which series it has is named once; nothing is taken for misspelt.
func TestCheckSilentSource(t *testing.T) {
	f := newFront(t, real.addr(t))
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/label") {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	rooms := realRoomsYAML(t)
	rooms.Prometheus.Addr, rooms.Routes = f.URL, nil
	rooms.Gates = []runbooks.Gate{{Name: "g", Each: true, Query: `sum(grid_total)`}}
	m := mustNew(t, Config{Rooms: rooms, Gates: rooms.Gates})
	got := findingsOf(t, m, nil)
	want := []string{"✗ the shared prometheus: doesn't say which series it has, so names and labels aren't checked → …", "✓ gate g home: …", "✓ gate g cloud: …"}
	if !fitsLines(got, want) {
		t.Errorf("findings:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPaths: what a token must be able to read is what docs/accounts.md says, and nothing else is asked.
func TestPaths(t *testing.T) {
	f := newFront(t, real.addr(t))
	asked := map[string]bool{}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) { // its lock makes this one at a time
		f.mu.Lock()
		asked[r.URL.Path] = true
		f.mu.Unlock()
		next.ServeHTTP(w, r)
	})
	rooms := realRoomsYAML(t)
	rooms.Prometheus = nil
	for i, addr := range []string{f.URL, strings.Replace(f.URL, "127.0.0.1", "localhost", 1)} {
		rooms.Rooms[i].Prometheus = &runbooks.Prometheus{Addr: addr}
	}
	rooms.Gates = []runbooks.Gate{{Name: "rule", Each: true, Query: `max(room:all:ratio)`}, {Name: "wrong", Each: true, Query: `alll_total`},
		{Name: "rare", Each: true, Query: `sum(rare_total)`}}
	m := mustNew(t, Config{Rooms: rooms, Gates: rooms.Gates})
	gauge(t, m, &rooms.Gates[0], cutover.GatePlan{MaxAge: cutover.Minute}, "home").sample(t.Context(), 0)
	want := []string{"/api/v1/query", "/api/v1/rules", "/api/v1/status/config"}
	same := func(when string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, want) {
			t.Errorf("%s it asked %v, wanted %v", when, got, want)
		}
	}
	same("a gauge:")
	m.Check(t.Context(), nil)
	want = slices.Sorted(slices.Values(append(want, "/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/label/room/values", "/api/v1/label/route/values", "/api/v1/targets", "/api/v1/status/runtimeinfo")))
	same("check --live:")
}

// TestABusyPrometheusIsNotSlow: one that was busy lately scraped less often than it means to. Ranges that fit what it means to do are right.
func TestABusyPrometheusIsNotSlow(t *testing.T) {
	f := newFront(t, real.addr(t))
	rooms := realRoomsYAML(t)
	rooms.Prometheus = &runbooks.Prometheus{Addr: f.URL}
	gates := []runbooks.Gate{{Name: "g", Each: true, Query: rateOf("all_total", "2s")}}
	rooms.Gates = gates
	for _, c := range []struct {
		name, every string
		good        bool
	}{{"busy", "2.1", true}, {"a job that is scraped every 2s", "1.9", false}} {
		f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if q, err := url.ParseQuery(string(body)); err == nil && strings.Contains(q.Get("query"), "max_over_time(timestamp(") {
				fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%s"]}]}}`, c.every)
				return
			}
			if r.URL.Path == "/api/v1/targets" && c.good {
				fmt.Fprint(w, `{"status":"success","data":{"activeTargets":[{"discoveredLabels":{"__scrape_interval__":"500ms"},"labels":{},"health":"up"}]}}`)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
		m := mustNew(t, Config{Rooms: rooms, Gates: gates})
		good := true
		for _, found := range m.Check(t.Context(), nil) {
			good = good && (found.OK || !strings.Contains(found.Seen, "intervals"))
		}
		if good != c.good {
			t.Errorf("%s: a range of 4 intervals is called good: %v", c.name, good)
		}
	}
}
