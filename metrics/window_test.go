package metrics

import (
	"testing"
	"time"

	"roomshift/cutover"
)

func TestWindowNow(t *testing.T) {
	const scrape = 4 * time.Second
	for _, c := range []struct {
		name      string
		wanted    time.Duration
		sent, cut cutover.T
		upon      int
		want      time.Duration
	}{
		{"nothing written yet", time.Minute, 100 * cutover.Second, 0, 1, time.Minute},
		{"written long ago", time.Minute, 1000 * cutover.Second, 100 * cutover.Second, 1, time.Minute},
		{"begins after the write", time.Minute, 130 * cutover.Second, 100 * cutover.Second, 1, 30 * time.Second},
		{"two windows upon one another", time.Minute, 130 * cutover.Second, 100 * cutover.Second, 2, 15 * time.Second},
		{"just written: two scrapes and a bit", time.Minute, 101 * cutover.Second, 100 * cutover.Second, 1, 9 * time.Second},
		{"no window in the query", time.Minute, 101 * cutover.Second, 100 * cutover.Second, 0, time.Minute},
		{"narrower than two scrapes", time.Second, 1000 * cutover.Second, 0, 1, 9 * time.Second},
	} {
		w := &window{base: time.Minute, wanted: c.wanted}
		if got := w.now(c.sent, c.cut, scrape, c.upon); got != c.want {
			t.Errorf("%s: %v, wanted %v", c.name, got, c.want)
		}
	}
}

func TestWindowWidens(t *testing.T) {
	w := newWindow(time.Minute)
	for _, c := range []struct {
		perSecond float64
		want      time.Duration
	}{
		{10, time.Minute},      // 100 events need 11 s
		{1, 110 * time.Second}, // and a tenth more
		{0.5, 220 * time.Second},
		{0.1, widest},
		{0, widest},
		{10, time.Minute}, // and narrows again
	} {
		if w.widen(c.perSecond, 100); w.wanted.Round(time.Millisecond) != c.want {
			t.Errorf("at %v events a second: %v, wanted %v", c.perSecond, w.wanted, c.want)
		}
	}
	w.widen(0, 100)
	if got := w.now(1000*cutover.Second, 900*cutover.Second, time.Second, 1); got != 100*time.Second {
		t.Errorf("a wide window reaches %v back, to before the write 100 s ago", got)
	}
}

func TestStamps(t *testing.T) {
	const scrape = time.Second
	s := &stamps{}
	for i, c := range []struct {
		taken float64
		at    cutover.T
		want  cutover.T
	}{
		{1000, 50, 50},
		{1000, 57, 50},   // read again, by a slower request
		{1000.5, 58, 50}, // a part of the instances was scraped again
		{1000.8, 60, 60},
		{1001.4, 70, 60},
		{1001.6, 80, 80},
		{-2598.4, 90, 90}, // the source's clock was set back an hour
		{-2598.4, 95, 90},
	} {
		if got := s.moment(c.taken, c.at, scrape); got != c.want {
			t.Errorf("%d: data of %v is of moment %d, wanted %d", i, c.taken, got, c.want)
		}
	}
}

func TestSince(t *testing.T) {
	const sent, at = 100 * cutover.Second, 97 * cutover.Second
	for query, want := range map[string]cutover.T{
		`rate(a[$window])`:                          90 * cutover.Second, // all that is read is younger than sent − window
		`max_over_time(rate(a[$window])[$window:])`: 80 * cutover.Second,
		`a`:                               at,
		`rate(a[30s])`:                    67 * cutover.Second,
		`rate(a[30s]) / b`:                67 * cutover.Second,
		`rate(a[30s] offset 30s)`:         67 * cutover.Second,
		`rate(a[30s]) / rate(b[$window])`: 57 * cutover.Second,
		`rate(a[$window]) / rate(b[5m] offset 1w)`: 90 * cutover.Second,
	} {
		if got := since(mustExpr(t, query), 10*time.Second, sent, at); got != want {
			t.Errorf("%s: from %v, wanted %v", query, got.Duration(), want.Duration())
		}
	}
	// A window that is younger than the newest data can't be: From is never after At.
	if got := since(mustExpr(t, `rate(a[$window])`), time.Second, sent, at); got != at {
		t.Errorf("from %v, at %v", got.Duration(), at.Duration())
	}
}
