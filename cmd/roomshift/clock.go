package main

import (
	"context"
	"sync"
	"time"

	"roomshift/cutover"
)

// clock is real time: cutover.Clock over the monotonic clock, zero when the process began.
type clock struct {
	zero time.Time
	mu   sync.Mutex
	in   inbox
	wake chan struct{} // holds one token when something has come
}

// inbox is what has come since the last Next, each kind in order of arrival. Of samples the newest of each gauge and room stays.
type inbox struct {
	leases   []cutover.Event
	commands []cutover.Event
	replies  []cutover.Event
	samples  []cutover.Event
	at       map[sampleKey]int
}

type sampleKey struct {
	gauge int
	room  cutover.Room
}

func newClock() *clock {
	return &clock{zero: time.Now(), wake: make(chan struct{}, 1)}
}

// Now is how long the process has run.
func (c *clock) Now() cutover.T { return cutover.T(time.Since(c.zero)) }

// Wall is the wall time of a moment on this clock, by the wall clock as it is now: a step of it shows.
func (c *clock) Wall(at cutover.T) time.Time {
	return time.Now().Round(0).Add(time.Duration(at - c.Now()))
}

// Go runs f in a goroutine of its own; what it returns comes back as an event, however late.
func (c *clock) Go(id int, limit cutover.T, f func(context.Context) any) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit.Duration())
		defer cancel()
		v := f(ctx)
		r := &cutover.Reply{ID: id, At: c.Now(), Value: v}
		c.put(func(in *inbox) { in.replies = append(in.replies, cutover.Event{Reply: r}) })
	}()
}

// Command hands a person's command over.
func (c *clock) Command(cmd cutover.Command) {
	cmd.Stamp = c.Now()
	c.put(func(in *inbox) { in.commands = append(in.commands, cutover.Event{Command: &cmd}) })
}

// Lease hands a lock's news over.
func (c *clock) Lease(l cutover.LeaseChange) {
	c.put(func(in *inbox) { in.leases = append(in.leases, cutover.Event{Lease: &l}) })
}

// Sample hands a measurement over; it never blocks, and of each gauge and room the newest wins.
func (c *clock) Sample(s cutover.Sample) {
	c.put(func(in *inbox) {
		key := sampleKey{s.Gauge, s.Room}
		if i, ok := in.at[key]; ok {
			in.samples[i] = cutover.Event{Sample: &s}
			return
		}
		if in.at == nil {
			in.at = map[sampleKey]int{}
		}
		in.at[key] = len(in.samples)
		in.samples = append(in.samples, cutover.Event{Sample: &s})
	})
}

func (c *clock) put(add func(*inbox)) {
	c.mu.Lock()
	add(&c.in)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Next waits for an event or until the moment.
func (c *clock) Next(until cutover.T) []cutover.Event {
	var timeout <-chan time.Time
	if until < cutover.Never {
		timer := time.NewTimer(max(0, (until - c.Now()).Duration()))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-c.wake:
	case <-timeout:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.in
	c.in = inbox{}
	evs := append(in.leases, in.commands...)
	return append(append(evs, in.replies...), in.samples...)
}
