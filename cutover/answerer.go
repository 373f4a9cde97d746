package cutover

import (
	"cmp"
	"context"
	"maps"
)

// Seats that nothing observes settle when their read-back equals what was set. Where others than those who were written to give the
// answers (Answerer), these must give them, too: they are asked again and again until they do, or until the step's time to settle is over.

const (
	answersLimit = 15 * Second // of asking all of them once
	answersAgain = 2 * Second  // until they are asked again
)

// askRun is asking them; all of it can be lost.
type askRun struct {
	under, ok bool
	next      T
	said      string // what they answered instead
}

// unanswered asks those who answer for the rung's seats that nothing observes, and says what isn't as it was set; "" if all is.
func (e *engine) unanswered(i int, rung *RungPlan) string {
	s := &e.steps[i]
	a := &s.asked
	switch {
	case a.ok:
		return ""
	case a.under:
		return a.said
	case e.now < a.next:
		e.at(a.next)
		return a.said
	}
	byPlane := e.answeredElsewhere(rung)
	if len(byPlane) == 0 {
		a.ok = true
		return ""
	}
	a.under, a.said = true, cmp.Or(a.said, "those who answer for it are asked")
	e.askAnswers(i, byPlane)
	return a.said
}

// answeredElsewhere is what the rung's seats hold that nothing observes and others answer for, by plane.
func (e *engine) answeredElsewhere(rung *RungPlan) map[int]map[Seat]Share {
	byPlane := map[int]map[Seat]Share{}
	for _, seat := range sortedSeats(rung.Want) {
		plane := e.split[seat]
		if _, asks := e.planes[plane].Medium.(Answerer); !asks || e.settlesSeen(seat) {
			continue
		}
		if byPlane[plane] == nil {
			byPlane[plane] = map[Seat]Share{}
		}
		byPlane[plane][seat] = maps.Clone(e.set[seat])
	}
	return byPlane
}

// askAnswers asks them all once, and notes what came of it when all have answered.
func (e *engine) askAnswers(i int, byPlane map[int]map[Seat]Share) {
	s := &e.steps[i]
	left, gen, failed := len(byPlane), s.gen, ""
	for _, plane := range sortedInts(byPlane) {
		medium, over := e.planes[plane].Medium.(Answerer), false
		end := func(why string) {
			if over || s.gen != gen {
				return
			}
			over = true
			if why != "" {
				failed = why
			}
			if left--; left == 0 {
				s.asked = askRun{ok: failed == "", next: e.now + answersAgain, said: failed}
			}
			e.changed()
		}
		e.start(answersLimit, func(ctx context.Context) any { return answersReply{medium.Answers(ctx, byPlane[plane])} }, func(v any) {
			if err := v.(answersReply).err; err != nil {
				end(err.Error())
				return
			}
			end("")
		}, func() { end(errNoAnswer.Error()) })
	}
}

type answersReply struct{ err error }
