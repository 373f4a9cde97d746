package cutover

import "context"

// job is one request of any kind to a plane: a write, or a listing. It waits in its plane's queue, is sent by a worker and frees
// that once, with its answer or when that is missing.
type job struct {
	e    *engine
	pl   *planeState
	back bool
	busy bool // it is queued or under way

	req     *request // a write; nil: a listing
	fence   Fence
	outcome []Outcome

	seats []Seat
	then  func(held []Held, err error)
	held  []Held
	err   error

	flying bool // it has a worker that nothing else gets
	late   bool // its answer counts as missing
}

// undoes: it is a write that goes back.
func (j *job) undoes() bool { return j.back && j.req != nil }

// queue puts the job into its plane's queue.
func (j *job) queue() {
	j.busy = true
	if j.back {
		j.pl.back = append(j.pl.back, j)
	} else {
		j.pl.forward = append(j.pl.forward, j)
	}
}

// mayStart: a write is sent when its intent is durable and its lock held.
func (e *engine) mayStart(j *job) bool {
	switch {
	case j.req == nil:
		return true
	case e.out.durable < j.req.seq:
		return false
	case !e.leased(j.pl):
		e.at(e.now + Second)
		return false
	}
	return true
}

func (e *engine) startJob(j *job) {
	j.flying = true
	if j.req != nil {
		j.req.sent = true
		e.waveBegins(j.req)
		j.fence = e.fence(j.pl)
		if e.p.Phase == PhaseBack && e.backing.timing.FirstWrite == 0 && j.req.intent.Purpose != Forward {
			e.backing.timing.FirstWrite = e.now
		}
	}
	e.startTask(j.pl.TimeOut, j)
}

// work is what the worker does.
func (j *job) work(ctx context.Context) any {
	if j.req != nil {
		j.outcome = j.pl.Medium.Write(ctx, j.fence, j.req.intent.Changes)
	} else {
		j.held, j.err = j.pl.Medium.Read(ctx, j.seats)
	}
	return nil
}

// answered takes what came back. What a listing says when it comes too late is old.
func (j *job) answered(any) {
	j.free()
	j.busy = false
	switch {
	case j.req != nil:
		j.e.outcomes(j.req, j.outcome)
	case !j.late:
		if after := patienceFor(j.err); after > 0 {
			j.pl.throttled = max(j.pl.throttled, j.e.now+after)
		}
		j.then(j.held, j.err)
	}
}

// missed: there was no answer in time.
func (j *job) missed() {
	j.free()
	j.late = true
	if j.req != nil {
		j.e.outcomes(j.req, unknowns(len(j.req.intent.Changes), errNoAnswer))
		return
	}
	j.then(nil, errNoAnswer)
}

func (j *job) free() {
	if j.flying {
		j.flying = false
		j.pl.flying--
		j.e.changed()
	}
}

// list reads seats of a plane. back: on the way back or to look something up.
func (e *engine) list(plane int, seats []Seat, back bool, then func([]Held, error)) {
	j := &job{e: e, pl: &e.planes[plane], back: back, seats: seats, then: then}
	j.queue()
}
