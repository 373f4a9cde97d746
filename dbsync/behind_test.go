package dbsync

import (
	"context"
	"testing"
	"time"

	"roomshift/cutover"
)

// TestBehindIsTrue: while the way forth is cut and nothing but what somebody writes on the fenced side goes back, no lag is said of it
// that there isn't: a server may apply at once and note how far it is later.
func TestBehindIsTrue(t *testing.T) { onBoth(t, testBehindIsTrue) }

func testBehindIsTrue(t *testing.T) {
	g := watched(t)
	lab.Cut("home", "cloud")
	g.await(t, g.count(), "home", 10*time.Second, "idle", idle)
	n := g.count()
	truth := markOneWay(t, "cloud", "home", 70*time.Millisecond)
	g.await(t, n, "home", 20*time.Second, "of a time at which 30 markers had come", func(Reading) bool { return truth.arrived() >= 30 })
	truth.end()
	fresh, _, _ := g.since(n)
	bounds := 0
	for _, r := range fresh {
		if r.To != "home" || !r.LowerBound {
			continue
		}
		bounds++
		if truth.allBefore(r.From, r.At) {
			t.Errorf("%s, but all that had been written there by then was at home", show(r))
		}
	}
	t.Logf("%d readings, %d of them lower bounds", len(fresh), bounds)
}

// allBefore tells whether all markers that were sent by one moment were seen by another.
func (m *markers) allBefore(sent, seen cutover.T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.rows {
		if k.sent <= sent && (k.seen == 0 || k.seen >= seen) {
			return false
		}
	}
	return true
}

// markOneWay is mark without a table that must come to the other side first.
func markOneWay(t *testing.T, from, to string, pitch time.Duration) *markers {
	t.Helper()
	passFence(t)
	table := "app.marker_" + from
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	m := &markers{base: int(clock().Duration().Milliseconds()) * 1_000_000, stop: cancel}
	run(t, from, "CREATE TABLE IF NOT EXISTS "+table+" (id BIGINT PRIMARY KEY)")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C { // poll ends at an error
		var n int
		if err := lab.Master(to).DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	m.done.Go(func() { m.write(ctx, from, table, pitch) })
	m.done.Go(func() { m.poll(ctx, to, table) })
	t.Cleanup(m.end)
	return m
}

// TestLooksAreStampedBefore: the moment of the last look that found nothing lies before that look, on either server: a heartbeat that
// comes while it is looked for is never said to have been missing then.
func TestLooksAreStampedBefore(t *testing.T) { onBoth(t, testLooksAreStampedBefore) }

func testLooksAreStampedBefore(t *testing.T) {
	heal(t)
	r := openLab(t, labPair())
	x, y, err := r.writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.newSession(t.Context(), WatchOptions{Every: time.Second, MaxAge: 5 * time.Second, Now: clock, Put: func(Reading) {}}, x, y)
	if err != nil {
		t.Fatal(err)
	}
	never := beat{gtid: "1-1-999999999", domain: "1", server: "1", number: 999999999}
	if onMySQL() {
		never.gtid = "aaaaaaaa-0000-11f1-8000-000000000001:1"
	}
	conn, err := y.conn(t.Context(), s.patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const lag = 5 * cutover.Second // looked for as seldom as it gets
	query, params := s.d.only(s, never, lag)
	a, code, _, err := s.wait(t.Context(), conn, query, params)
	if err != nil || !code.Valid || code.Int64 == 0 {
		t.Fatalf("waited for what never comes: %v, %v", code, err)
	}
	if pause := cutover.T(lookOf(lag)); a.missed < cutover.T(s.slice)/2 || a.held-a.missed < pause*9/10 {
		t.Errorf("missed at %v of %v, and one look takes %v", a.missed.Duration(), a.held.Duration(), pause.Duration())
	}
}
