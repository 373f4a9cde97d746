package main

import (
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
)

// story is what a run's records come to for people: every rung that was begun, who served how much, what was written, what held.
// Spans are between wall times of records, which one process writes; across a takeover they are as good as two machines' clocks.
type story struct {
	Rungs    []rungTold  `json:"rungs"`
	Users    usersTold   `json:"users"`
	Written  writtenTold `json:"written"`
	Frozen   []spanTold  `json:"frozen,omitempty"`
	Backs    int         `json:"backs"`
	Planned  int         `json:"plannedBacks,omitempty"` // a step of the runbook
	Accepted []string    `json:"accepted,omitempty"`
	Mutes    []string    `json:"mutes,omitempty"`

	plan   *cutover.Plan
	parts  string
	at     time.Time
	seen   *cutover.SeenMark
	seenAt time.Time
	open   map[[2]int]int // step, rung → index in Rungs
	held   time.Time
	frozen bool
	isPast map[string]bool // error gates past a limit, as told last
	sent   map[int]time.Time
}

// rungTold is a rung that was begun. Wanted and Seen are composed basis points of the room that gains, -1 where there are none.
type rungTold struct {
	Step    string         `json:"step"`
	Rung    int            `json:"rung"`
	Want    string         `json:"want"`
	Begun   time.Time      `json:"begun"`
	Took    cutover.T      `json:"took,omitempty"` // 0: it didn't come to its end
	Planned cutover.T      `json:"planned"`
	Held    cutover.T      `json:"held,omitempty"`
	Undone  bool           `json:"undone,omitempty"` // the run went back before it was at its end
	Wanted  int            `json:"wanted"`
	Seen    int            `json:"seen"`
	Near    *cutover.Cause `json:"near,omitempty"`
}

// late is how much longer than planned a rung took, as a part of that: 0.34 is a third too long.
func (r *rungTold) late() float64 {
	if r.Took == 0 || r.Planned == 0 {
		return 0
	}
	return float64(r.Took-r.Planned) / float64(r.Planned)
}

// usersTold is what entered while the run was watched. Requests is worked out from a rate a minute or less apart while shares
// moved, a quarter of an hour while they stood; 0: nothing measured it. Past are error gates by how often they passed a limit.
type usersTold struct {
	Requests float64        `json:"requests"`
	Seconds  float64        `json:"seconds"`
	First    int            `json:"first"`
	Last     int            `json:"last"`
	Hold     map[string]int `json:"pastHold,omitempty"`
	Abort    map[string]int `json:"pastAbort,omitempty"`
}

// writtenTold is what roomshift wrote.
type writtenTold struct {
	Requests int       `json:"requests"`
	Changes  int       `json:"changes"`
	Failed   int       `json:"failed"`
	Unknown  int       `json:"unknown"`
	Slowest  cutover.T `json:"slowest"`
}

type spanTold struct {
	From time.Time `json:"from"`
	For  cutover.T `json:"for,omitempty"` // 0: not at its end
	Why  string    `json:"why"`
}

// tellStory folds a run's records.
func tellStory(rs []cutover.Record) *story {
	s := &story{open: map[[2]int]int{}, sent: map[int]time.Time{}, Users: usersTold{First: -1, Last: -1, Hold: map[string]int{}, Abort: map[string]int{}}}
	for i := range rs {
		r := &rs[i]
		at := wallOf(r)
		if at.IsZero() {
			continue
		}
		s.at = at
		s.take(r)
	}
	return s
}

func (s *story) take(r *cutover.Record) {
	switch {
	case r.Plan != nil:
		s.newPlan(r.Plan)
	case r.Step != nil:
		s.step(r.Step)
	case r.Seen != nil:
		s.shares(r.Seen)
	case r.Verdict != nil:
		s.verdict(r.Verdict)
	case r.Phase != nil:
		s.phase(r.Phase)
	default:
		s.write(r)
		s.people(r)
	}
}

// write counts what was sent, and what came of it.
func (s *story) write(r *cutover.Record) {
	switch {
	case r.Intent != nil:
		s.sent[r.Intent.Request] = s.at
		s.Written.Requests++
		s.Written.Changes += len(r.Intent.Changes)
	case r.Done != nil && r.Done.Why == "answered":
		s.answered(r.Done.Request)
	case r.Failed != nil && r.Failed.Why == "not sent":
		s.Written.Changes -= len(r.Failed.Objects)
	case r.Failed != nil:
		s.answered(r.Failed.Request)
		s.Written.Failed += len(r.Failed.Objects)
	case r.Unknown != nil:
		s.Written.Unknown += len(r.Unknown.Objects)
	}
}

// people keeps what was taken as it is, and what was muted.
func (s *story) people(r *cutover.Record) {
	switch {
	case r.Adopted != nil:
		s.Accepted = append(s.Accepted, r.Adopted.Object+" = "+r.Adopted.Value+" by "+r.Adopted.Who+": "+r.Adopted.Why)
	case r.Answered != nil && r.Answered.How == "accepted":
		s.Accepted = append(s.Accepted, s.stepName(r.Answered.Step)+" ("+r.Answered.What+") by "+r.Answered.Who)
	case r.Command != nil && r.Command.Verb == "mute":
		a := r.Command.Args
		s.Mutes = append(s.Mutes, a["gate"]+" for "+a["for"]+" by "+r.Command.Who+": "+a["reason"])
	}
}

func (s *story) newPlan(p *cutover.PlanPart) {
	s.parts += p.Text
	if p.Part < p.Of {
		return
	}
	if plan, err := cutover.DecodePlan([]byte(s.parts)); err == nil {
		s.plan = plan
	}
	s.parts = ""
	s.open = map[[2]int]int{}
}

func (s *story) stepName(i int) string {
	if s.plan == nil || i < 0 || i >= len(s.plan.Steps) {
		return "the run"
	}
	return s.plan.Steps[i].Name
}

// step opens a rung when it is first written, notes its share when it has settled, and closes it when the next mark ends it.
func (s *story) step(m *cutover.StepMark) {
	if s.plan == nil || m.Step < 0 || m.Step >= len(s.plan.Steps) {
		return
	}
	st := &s.plan.Steps[m.Step]
	switch {
	case m.State == cutover.StepApplying && m.Rung < len(st.Rungs):
		key := [2]int{m.Step, m.Rung}
		if _, ok := s.open[key]; !ok {
			rung := &st.Rungs[m.Rung]
			s.open[key] = len(s.Rungs)
			s.Rungs = append(s.Rungs, rungTold{Step: st.Name, Rung: m.Rung, Want: wants(s.plan, st, m.Rung), Begun: s.at, Planned: rung.Takes(), Wanted: -1, Seen: -1})
		}
	case m.State == cutover.StepBaking:
		if i, ok := s.open[[2]int{m.Step, m.Rung}]; ok && s.seen != nil && !s.seenAt.Before(s.Rungs[i].Begun) && len(st.Rungs[m.Rung].Want) > 0 {
			s.settled(&s.Rungs[i])
		}
	case m.State == cutover.StepDone:
		s.ended(m.Step, m.Rung, m.Near)
	case m.State == cutover.StepWaiting && m.Rung > 0:
		s.ended(m.Step, m.Rung-1, m.Near)
	}
}

func (s *story) settled(r *rungTold) {
	set := s.seen.Set
	if len(set) == 0 {
		set = s.seen.Share
	}
	r.Wanted = set[s.plan.To]
	if s.seen.Observed {
		r.Seen = s.seen.Share[s.plan.To]
	}
}

func (s *story) ended(step, rung int, near *cutover.Cause) {
	key := [2]int{step, rung}
	if i, ok := s.open[key]; ok {
		s.Rungs[i].Took, s.Rungs[i].Near = cutover.T(s.at.Sub(s.Rungs[i].Begun)), near
		delete(s.open, key)
	}
}

// watched is how long a share counts at most: a record follows sooner while a process watches.
const watchedFor = 16 * time.Minute

func (s *story) shares(m *cutover.SeenMark) {
	if s.plan == nil {
		return
	}
	if s.seen != nil && s.seen.Rate > 0 {
		span := min(s.at.Sub(s.seenAt), watchedFor).Seconds()
		s.Users.Requests += span * float64(s.seen.Rate)
		s.Users.Seconds += span
	}
	s.seen, s.seenAt = m, s.at
	if s.Users.First < 0 {
		s.Users.First = m.Share[s.plan.To]
	}
	s.Users.Last = m.Share[s.plan.To]
}

// verdict counts error gates that pass a limit, and how long rungs in progress were held.
func (s *story) verdict(v *cutover.VerdictMark) {
	if v.Act == cutover.Hold && s.held.IsZero() {
		s.held = s.at
	}
	if v.Act != cutover.Hold {
		s.unheld()
	}
	s.past(v.Causes)
}

func (s *story) unheld() {
	if s.held.IsZero() {
		return
	}
	for _, i := range s.open {
		from := s.held
		if s.Rungs[i].Begun.After(from) {
			from = s.Rungs[i].Begun
		}
		s.Rungs[i].Held += cutover.T(s.at.Sub(from))
	}
	s.held = time.Time{}
}

// past counts an error gate when it comes to be past a limit, however often it is told.
func (s *story) past(cs []cutover.Cause) {
	now := map[string]bool{}
	for _, c := range cs {
		if s.plan == nil || !slices.ContainsFunc(s.plan.Gates, func(g cutover.GatePlan) bool { return g.Errors && g.Name == c.Gate }) {
			continue
		}
		counts := s.Users.Hold
		switch c.Color {
		case cutover.Red:
			counts = s.Users.Abort
		case cutover.Amber:
		default:
			continue
		}
		key := string(c.Color) + c.Key()
		if now[key] = true; !s.isPast[key] {
			counts[c.Key()]++
		}
	}
	s.isPast = now
}

func (s *story) phase(m *cutover.PhaseMark) {
	s.unheld()
	if s.frozen {
		f := &s.Frozen[len(s.Frozen)-1]
		f.For, s.frozen = cutover.T(s.at.Sub(f.From)), false
	}
	switch m.Phase {
	case cutover.PhaseFrozen:
		s.Frozen = append(s.Frozen, spanTold{From: s.at, Why: strings.Join(causeLines(m.Causes), "; ")})
		s.frozen = true
	case cutover.PhaseBack:
		if len(m.Causes) == 1 && m.Causes[0].Gate == "runbook" {
			s.Planned++
		} else {
			s.Backs++
		}
		for _, i := range s.open {
			s.Rungs[i].Undone = true
		}
		s.open = map[[2]int]int{}
		s.past(m.Causes)
	}
}

func (s *story) answered(request int) {
	if at, ok := s.sent[request]; ok {
		s.Written.Slowest = max(s.Written.Slowest, cutover.T(s.at.Sub(at)))
	}
}
