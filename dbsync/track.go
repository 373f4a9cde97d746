package dbsync

import (
	"sync"
	"time"

	"roomshift/cutover"
)

// track decides what is said of one direction. Heartbeats may come in out of order: an older one says nothing new.
type track struct {
	to      cutover.Room
	every   cutover.T
	passive bool // nothing is written: a heartbeat's time isn't known, only that it isn't later
	put     func(Reading)

	mu      sync.Mutex
	waiting map[int]cutover.T // heartbeats under way, and since when at the latest
	known   int               // the newest heartbeat that came in
	hi      float64           // the last known lag's upper end
	said    cutover.T         // when something was said last
	travel  cutover.T         // when a heartbeat began or ended its way last
}

func newTrack(to cutover.Room, o WatchOptions) *track {
	return &track{to: to, every: cutover.T(o.Every), passive: o.Passive, put: o.Put, waiting: map[int]cutover.T{},
		said: o.Now(), travel: o.Now()}
}

// begin says that a heartbeat is under way, since that moment at the latest.
func (t *track) begin(seq int, since cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[seq], t.travel = since, since
}

// end says that nobody waits for it any more.
func (t *track) end(seq int, now cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.waiting[seq]; ok {
		t.travel = now
	}
	delete(t.waiting, seq)
}

// arrived says that a heartbeat is there, and on so many readers, with lag lo..hi; from and at as in Reading, now is when it was
// learned.
func (t *track) arrived(seq int, lo, hi, from, at, now cutover.T, readers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, seq)
	t.travel = now
	if seq <= t.known {
		return
	}
	t.known, t.hi, t.said = seq, seconds(hi), now
	r := Reading{To: t.to, Lo: seconds(lo), Hi: seconds(hi), From: from, At: at, Readers: readers}
	if t.passive {
		r.Hi, r.LowerBound = r.Lo, true
	}
	t.put(r)
}

// notYet says that a heartbeat wasn't there at a moment. It is told when it is more than was known, or nothing else was said
// for so long as heartbeats are apart; and only of the oldest one under way, whose bound is the highest.
func (t *track) notYet(seq int, from, at, now cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, ok := t.waiting[seq]
	if !ok {
		return
	}
	for other := range t.waiting {
		if other < seq {
			return
		}
	}
	lo := seconds(max(0, at-since))
	if lo <= t.hi && now-t.said < t.every {
		return
	}
	t.said = now
	t.put(Reading{To: t.to, Lo: lo, Hi: lo, LowerBound: true, From: from, At: at})
}

// atLeast says that something other than a heartbeat has been under way for so long.
func (t *track) atLeast(lo, from, at, now cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = now
	t.put(Reading{To: t.to, Lo: seconds(lo), Hi: seconds(lo), LowerBound: true, From: from, At: at})
}

// unknown says that nothing is known, and why.
func (t *track) unknown(why cutover.Reason, now cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = now
	t.put(Reading{To: t.to, Unknown: why, From: now, At: now})
}

// idle says that nothing is under way and the direction was alive from..at.
func (t *track) idle(from, at, now cutover.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = now
	t.put(Reading{To: t.to, Idle: true, From: from, At: at})
}

// quiet tells whether no heartbeat is under way, and none was for two periods.
func (t *track) quiet(now cutover.T) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting) == 0 && now-t.travel >= 2*t.every
}

// due tells whether nothing was said for a period; due to say it again.
func (t *track) due(now cutover.T) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now-t.said >= t.every-cutover.T(time.Millisecond)
}
