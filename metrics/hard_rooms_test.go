package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomshift/cutover"
)

// hardRules are recording rules: one that says in its name how far back it goes, one that doesn't, and one upon that.
const hardRules = `
groups:
- name: hard
  interval: 1s
  rules:
  - {record: "room:all:rate10s", expr: "sum by (room) (rate(all_total[10s]))"}
  - {record: "room:all:ratio", expr: "sum by (room) (rate(all_total[10s])) / 1000"}
  - {record: "room:all:smooth", expr: "max_over_time(room:all:ratio[5s])"}
- name: rarely
  interval: 3s
  rules:
  - {record: "room:all:rare", expr: "sum by (room) (all_total)"}
`

// grid is the step of the moments that a stamped exporter tells.
const grid = 250 * time.Millisecond

// onGrid counts rate in a second, exactly, at moments of the grid, stamped so much off.
func onGrid(rate float64, off time.Duration) stamped {
	return func(now time.Time) (float64, time.Time) {
		at := now.Truncate(grid)
		return rate * float64(at.UnixMilli()%1e8) / 1000, at.Add(off)
	}
}

// hard gives the rooms what is hard to measure.
func (r *realRooms) hard() {
	home := r.targets["home"]
	home.stamped[`grid_total`] = onGrid(100, 0)
	home.stamped[`grid_bad_total{code="500"}`] = onGrid(2, 0)
	home.stamped[`calm_total`] = func(now time.Time) (float64, time.Time) { return 7, now.Truncate(grid) }
	home.stamped[`behind_total`] = onGrid(100, -time.Hour)
	home.stamped[`hour_ahead_total`] = onGrid(100, time.Hour)
	home.stamped[`ahead_total`] = onGrid(100, 5*time.Minute)
	home.stamped[`skewed_total`] = onGrid(100, 3*time.Second)
	home.stamped[`reset_total`] = func(now time.Time) (float64, time.Time) {
		at := now.Truncate(grid) // begins anew each 2 s
		return 1000 * float64(at.UnixMilli()%2000) / 1000, at
	}
	r.targets["rare"] = newTarget()
	r.targets["rare"].rates[`rare_total`] = 50
	for _, name := range quad {
		r.targets[name] = newTarget()
		r.targets[name].rates[`quad_total`] = 10
	}
	r.discover(quad...)
}

// quad are four instances that service discovery names.
var quad = []cutover.Room{"q1", "q2", "q3", "q4"}

// discover says which instances service discovery names.
func (r *realRooms) discover(names ...cutover.Room) {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	all := make([]group, 0, len(names))
	for _, n := range names {
		all = append(all, group{[]string{r.targets[n].addr()}, map[string]string{"job": "quad", "room": "home"}})
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	file := filepath.Join(r.dir, "targets.json")
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".new", file); err != nil { // never half a file
		panic(err)
	}
}

// stampOf is when the newest data of a selector was taken, by its own word and Prometheus's clock, which is this machine's;
// false if there is none.
func stampOf(t *testing.T, m *Metrics, sel string) (time.Time, bool) {
	t.Helper()
	a, why := m.all[0].ask(t.Context(), []part{{partValue, mustExpr(t, "max(timestamp("+sel+"))"), false}}, time.Second)
	if why != "" {
		return time.Time{}, false
	}
	v, ok, _ := a.number(partValue)
	return time.UnixMilli(int64(v*1000 + 0.5)), ok
}

// runMoment is a moment of this machine's clock on the run's clock.
func runMoment(m *Metrics, at time.Time) cutover.T { return m.now() - cutover.T(time.Since(at)) }
