package cutover

// planeState is a plane with its queues. What goes back comes first, and its writes have one worker that nothing else gets.
type planeState struct {
	Plane
	forward, back []*job
	later         []laterWrite // writes that go back and have no intent yet
	flying        int
	nextAt        T    // pace, of all requests
	nextUndo      T    // pace of writes that go back: they wait for no listing's turn
	throttled     T    // the server asked for patience until
	written       bool // a rung of the plan is about one of its seats
	kept          []Seat
	keeping       bool // a listing for keeping is under way
	keeper        *job // it, or the last one

	known   *Held // where the last listing that said nothing new begins, ...
	knownAt int64 // ... the newest record then, ...
	knownOf int   // ... and how many seats it was of
}

// request is a write: an intent in the journal.
type request struct {
	intent  Intent
	plane   int
	seq     int64 // the intent's record
	sent    bool
	settled func(i int, o Outcome) // called once per change that got an outcome
}

// ahead is how many write requests of a plane are journaled before they can be sent, in either direction.
const ahead = 32

// laterWrite is a write that is decided and has no intent yet.
type laterWrite struct {
	intent  Intent
	settled func(i int, o Outcome)
}

func newPlaneState(pl Plane) planeState {
	if pl.Workers == 0 {
		pl.Workers = 4
	}
	if pl.TimeOut == 0 {
		pl.TimeOut = writeLimit
	}
	return planeState{Plane: pl}
}

// pump starts what may start.
func (e *engine) pump() {
	for i := range e.planes {
		pl := &e.planes[i]
		pl.back = e.pumpQueue(pl, pl.back)
		pl.forward = e.pumpQueue(pl, pl.forward)
	}
}

// workersFor is how many workers there are for a job. The kept one is for writes that go back only: a look-up that is quick to ask
// would take it while their intents become durable, and may hang as long as what it looks up.
func (pl *planeState) workersFor(j *job) int {
	if j.undoes() {
		return pl.Workers
	}
	return max(1, pl.Workers-1)
}

// turnOf is when a job may be sent: by the plane's pace, and when its server wants to hear of us again. What goes back is paced by itself:
// it would else wait for the turn of listings and of what is on its way forward.
func (pl *planeState) turnOf(j *job) T {
	if j.undoes() {
		return max(pl.nextUndo, pl.throttled)
	}
	return max(pl.nextAt, pl.throttled)
}

func (e *engine) pumpQueue(pl *planeState, queue []*job) []*job {
	kept := queue[:0]
	for k, j := range queue {
		if pl.flying >= pl.Workers {
			return append(kept, queue[k:]...)
		}
		if until := pl.turnOf(j); e.now < until {
			e.at(until)
			kept = append(kept, j)
			continue
		}
		if pl.flying >= pl.workersFor(j) || !e.mayStart(j) {
			kept = append(kept, j)
			continue
		}
		if pl.PerSecond > 0 {
			pl.nextAt = e.now + T(float64(Second)/pl.PerSecond)
			if j.undoes() {
				pl.nextUndo = pl.nextAt
			}
		}
		pl.flying++
		e.startJob(j)
	}
	return kept
}

// feedLater journals the writes that go back, as far ahead of their requests as those of the way forward.
func (e *engine) feedLater() {
	for i := range e.planes {
		for pl := &e.planes[i]; len(pl.later) > 0 && unsent(pl.back) < ahead; {
			w := pl.later[0]
			pl.later = pl.later[1:]
			e.write(i, w.intent, w.settled)
		}
	}
}

// unsent tells how many writes wait in a queue.
func unsent(queue []*job) int {
	n := 0
	for _, j := range queue {
		if j.req != nil {
			n++
		}
	}
	return n
}

// write journals an intent and queues the request. settled hears of each change's outcome, unknown included; an unknown one
// is heard of again when it was looked up.
func (e *engine) write(plane int, in Intent, settled func(i int, o Outcome)) *request {
	pl := &e.planes[plane]
	in.Request = e.p.Requests + 1
	r := &request{intent: in, plane: plane, settled: settled}
	r.seq = e.propose(Record{Kind: KindIntent, Intent: &in}, true)
	j := &job{e: e, pl: pl, back: in.Purpose != Forward && in.Purpose != Keep, req: r}
	e.requests[in.Request] = r
	j.queue()
	e.changed()
	return r
}

func unknowns(n int, err error) []Outcome {
	outs := make([]Outcome, n)
	for i := range outs {
		outs[i] = Outcome{What: Unknown, Err: err}
	}
	return outs
}

// unqueue drops a request that was never sent.
func (e *engine) unqueue(request int) bool {
	for i := range e.planes {
		pl := &e.planes[i]
		for _, q := range []*[]*job{&pl.forward, &pl.back} {
			for k, j := range *q {
				if j.req != nil && j.req.intent.Request == request {
					*q = append((*q)[:k:k], (*q)[k+1:]...)
					delete(e.requests, request)
					return true
				}
			}
		}
	}
	return false
}

// requeued notes the new place in the journal of an intent that had to be written again.
func (e *engine) requeued(r *Record, seq int64) {
	if r.Intent != nil {
		if q := e.requests[r.Intent.Request]; q != nil {
			q.seq = seq
		}
	}
}

// withdraw drops every write that wasn't sent, in either direction, and what is read for the way forward. Look-ups stay.
func (e *engine) withdraw(finishWaves bool) {
	for i := range e.planes {
		pl := &e.planes[i]
		forward, back, later := pl.forward, pl.back, pl.later
		pl.forward, pl.back, pl.later = nil, nil, nil
		for _, w := range later {
			if finishWaves && e.finishesWave(pl) && e.waveBegan(&w.intent, i) {
				pl.later = append(pl.later, w)
			}
		}
		for _, j := range forward {
			if j.req != nil && e.withdrawn(pl, j.req, finishWaves) {
				pl.forward = append(pl.forward, j)
			}
		}
		for _, j := range back {
			if j.req == nil || e.withdrawn(pl, j.req, finishWaves) {
				pl.back = append(pl.back, j)
			}
		}
	}
}

// withdrawn journals that a request won't be sent. True: it finishes a name's wave, so it will.
func (e *engine) withdrawn(pl *planeState, r *request, finishWaves bool) (kept bool) {
	if finishWaves && e.finishesWave(pl) && e.waveBegan(&r.intent, r.plane) {
		return true
	}
	e.notSent(r)
	return false
}

func (e *engine) notSent(r *request) {
	m := FailedMark{Request: r.intent.Request, Why: "not sent"}
	for _, c := range r.intent.Changes {
		m.Objects = append(m.Objects, c.Object)
	}
	delete(e.requests, r.intent.Request)
	e.propose(Record{Kind: KindFailed, Failed: &m}, false)
}
