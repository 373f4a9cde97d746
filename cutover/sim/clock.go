package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"roomshift/cutover"
)

// Runner is one process that runs, or takes over, the run: its own clock, requests, leases and gauges over the same rooms.
// When it is killed its context ends, and its requests that are under way go on and land.
type Runner struct {
	s      *Sim
	n      int
	base   cutover.T // the rooms' time at which its own clock read 0
	ctx    context.Context
	cancel context.CancelCauseFunc
	dead   bool

	replies  queue[cutover.Reply]
	leases   []cutover.LeaseChange
	commands queue[cutover.Command]
	call     *request // under way, nil: none; its place is calling
	calling  request
	gauges   gauges
	asked    int                    // questions that it asked
	stop     int                    // rises whenever a planned stop no longer holds
	still    bool                   // it is frozen or rests: nothing goes on until people say so
	waits    map[question]cutover.T // what it asked and nobody answers, and how long it is waited for

	events  []cutover.Event
	outR    []cutover.Reply
	outC    []cutover.Command
	outL    []cutover.LeaseChange
	started bool
}

// request is what a worker runs at the moment: what it takes, and how long it may.
type request struct {
	limit cutover.T
	takes cutover.T
}

// ErrKilled is the cause of a runner's context when a fault killed it.
var ErrKilled = errors.New("killed by a fault")

// ErrStuck is the cause when nothing would ever happen any more.
var ErrStuck = errors.New("nothing will ever happen any more")

// ErrLimit is the cause when the simulation's time is over.
var ErrLimit = errors.New("the simulation's time is over")

// NewRunner makes a second, third … process over the same rooms. Its context ends with ctx.
func (s *Sim) NewRunner(ctx context.Context) *Runner {
	r := &Runner{s: s, n: len(s.runners), base: s.now - startTime}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.gauges.init(r)
	s.runners = append(s.runners, r)
	return r
}

// Context ends when the runner is killed.
func (r *Runner) Context() context.Context { return r.ctx }

// Kill ends the process as kill -9 does: nothing of it runs any more, but what it sent is under way.
func (r *Runner) Kill() { r.end(ErrKilled) }

func (r *Runner) end(why error) {
	if r.dead {
		return
	}
	r.dead = true
	r.gauges.stop()
	for _, p := range r.s.places {
		p.abandon(r)
	}
	r.cancel(why)
}

// Now is the runner's own clock.
func (r *Runner) Now() cutover.T { return r.s.now - r.base }

// Wall is the wall time of a moment on the runner's clock.
func (r *Runner) Wall(at cutover.T) time.Time { return r.s.wall.Add((at + r.base).Duration()) }

// Go runs f at once on the rooms; its answer is posted for when it would have come.
func (r *Runner) Go(id int, limit cutover.T, f func(context.Context) any) {
	if r.dead {
		return
	}
	r.calling = request{limit: limit}
	r.call = &r.calling
	v := f(r.ctx)
	r.call = nil
	if r.calling.takes == cutover.Never {
		return
	}
	at := r.s.now + max(r.calling.takes, cutover.Millisecond/10)
	r.replies.put(at, cutover.Reply{ID: id, At: at - r.base, Value: v})
}

// takes says how long the request under way takes.
func (r *Runner) takes(d cutover.T) {
	if r.call != nil {
		r.call.takes = d
	}
}

// Next moves time to the first of: an event, until. When the process was killed it returns nil at once.
func (r *Runner) Next(until cutover.T) []cutover.Event {
	s := r.s
	s.refresh()
	if until != cutover.Never {
		until += r.base
	}
	for !r.dead {
		t := min(until, r.due(), s.todo.next(), s.traffic.next)
		if t == cutover.Never {
			r.end(ErrStuck)
			return nil
		}
		if t > cutover.T(s.o.Limit) {
			r.end(ErrLimit)
			return nil
		}
		if s.o.Pace != nil && t > s.now {
			s.o.Pace(t)
		}
		s.moveTo(max(t, s.now))
		if r.dead {
			return nil
		}
		if r.due() <= s.now {
			return r.collect()
		}
		if until <= s.now {
			return nil
		}
	}
	return nil
}

// due is when the runner's next event comes, on the rooms' clock.
func (r *Runner) due() cutover.T {
	if len(r.leases) > 0 {
		return r.s.now
	}
	return min(r.replies.next(), r.commands.next(), r.gauges.next)
}

// collect takes what has come: lease, commands, replies, samples. The events are good until the next call.
func (r *Runner) collect() []cutover.Event {
	now := r.s.now
	r.events, r.outR, r.outC = r.events[:0], r.outR[:0], r.outC[:0]
	r.outL = append(r.outL[:0], r.leases...)
	r.leases = r.leases[:0]
	for r.commands.next() <= now {
		at, c := r.commands.take()
		c.Stamp = at - r.base
		r.outC = append(r.outC, c)
	}
	for r.replies.next() <= now {
		_, v := r.replies.take()
		r.outR = append(r.outR, v)
	}
	for i := range r.outL {
		r.events = append(r.events, cutover.Event{Lease: &r.outL[i]})
	}
	for i := range r.outC {
		r.events = append(r.events, cutover.Event{Command: &r.outC[i]})
	}
	for i := range r.outR {
		r.events = append(r.events, cutover.Event{Reply: &r.outR[i]})
	}
	samples := r.gauges.collect(now)
	r.events = slices.Grow(r.events, len(samples))
	for i := range samples {
		r.events = append(r.events, cutover.Event{Sample: &samples[i]})
	}
	return r.events
}

var _ cutover.Clock = (*Runner)(nil)
