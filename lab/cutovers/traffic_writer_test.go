package cutovers

import (
	"regexp"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/lab"
)

// withWriter brings 60 % of home's requests to the cloud, then the writer, which is watched for longer than a case takes.
const withWriter = `  - name: climb
    shift: {cloud: {gw@home: [8%, 33%, 60%]}}
    settle: {within: 60s, tolerance: 3pt, else: ask}
  - name: feed writes
    writer: {to: cloud, pairs: [app-db], noWriter: 2s}
    bake: 10m
  - checkpoint: there
`

// commits is a gate of the database that takes the writes, beside those of the lab's rooms.yaml.
const commits = `  commits:
    database: app-db
    ratio: {bad: 'sum(rate(app_writes_total{master="$room",told!="done"}[$window]))', of: 'sum(rate(app_writes_total{master="$room"}[$window]))'}
    every: 500ms
    window: 5s
    maxAge: 4s
    blindFor: 30s
    hold: {above: 2%}
    abort: {above: 4%, for: 1s}
    minEvents: 5
`

// patient are limits of replication that a busy machine doesn't pass by itself, and of errors that refused writes don't.
var patient = strings.NewReplacer("hold: {above: 300ms}\n    abort: {above: 1s, for: 2s}", "hold: {above: 1s}\n    abort: {above: 3s, for: 3s}", "blindFor: 5s", "blindFor: 30s",
	"abort: {above: 5%, for: 2s}", "abort: {above: 20%, for: 2s}")

// trafficScene is a case in which both traffic and the writer have moved to the cloud, under a load whose every write is in the ledger.
type trafficScene struct {
	*writerScene
	mark lab.Mark
	run  *process
}

// beginTraffic is there once the writer is watched in the cloud.
func beginTraffic(t *testing.T) *trafficScene {
	t.Helper()
	s := &trafficScene{writerScene: &writerScene{scene: begin(t)}}
	t.Cleanup(s.home)
	s.lab.WriteShare(3)
	t.Cleanup(func() { s.lab.WriteShare(1) })
	s.mark = s.lab.Mark()
	file := s.rooms(func(yaml string) string { return patient.Replace(yaml) + commits })
	s.run = s.start("run", "--rooms", file, s.book("1s", withWriter))
	s.run.await(`"feed writes" baking`)
	s.followed(lab.Cloud)
	return s
}

// followed waits until both services write to a room, by the record; and it is published in both Consuls, with the record's numbers.
func (s *trafficScene) followed(room string) {
	s.t.Helper()
	s.eventually("both services write to "+room, func() bool { return s.lab.Followed(lab.Home) == room && s.lab.Followed(lab.Cloud) == room })
	acked := s.lab.Mark()
	s.eventually(room+" acknowledges writes", func() bool { return s.lab.Written(acked).Acknowledged > 5 })
	s.stands(room)
	for _, in := range writerRooms {
		s.eventually("the writer is published in "+in, func() bool {
			body, _, err := ask(s.t.Context(), s.lab, "GET", in, "/v1/catalog/service/"+lab.WriterService)
			return err == nil && strings.Contains(body, `"room":"`+room+`"`)
		})
	}
}

// comesHome waits for the end of a run that goes back, and fails unless traffic, writer and ledger are as they were.
func (s *trafficScene) comesHome() {
	s.t.Helper()
	s.run.exits(3)
	s.isBack()
	s.followed(lab.Home)
	w, err := s.lab.Balance(s.t.Context(), s.mark)
	if err != nil {
		s.t.Error(err)
	}
	if len(w.Switches) != 2 || w.Acknowledged == 0 {
		s.t.Errorf("the clients saw the writer move %d times, want there and back: %s", len(w.Switches), w)
	}
	s.t.Log(w)
	for _, line := range withoutWriter.FindAllString(s.run.text(), -1) {
		s.t.Log(line)
	}
}

// fences: the move of the write role to a room begins.
func fences(to string) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool {
		return r.Move != nil && r.Move.Verb == "FENCING" && r.Move.At == "begun" && r.Move.Wish == to
	}
}

// stableIn: the write role is in a room.
func stableIn(room string) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool {
		return r.Writer != nil && r.Writer.Phase == "STABLE" && r.Writer.Writer == room
	}
}

// TestTierSickAfterTheWriterMoved: what fails in the cloud is its services. The users leave first, to what they had at the start, and then
// the writer; home's writes cross meanwhile, and none is lost.
func TestTierSickAfterTheWriterMoved(t *testing.T) {
	s := beginTraffic(t)
	s.do("errors cloud 40%")
	s.run.await("back     to start because errors@cloud")
	s.isBack()
	s.do("heal")
	s.comesHome()
	rs := s.records()
	back := find(rs, 0, turns(cutover.PhaseBack))
	first, fence := find(rs, back, undoes), find(rs, back, fences(lab.Home))
	last := first
	for i := range rs {
		if undoes(&rs[i]) {
			last = i
		}
	}
	if first < 0 || fence < last {
		t.Errorf("back at record %d, traffic goes from %d to %d, the writer at %d: want the traffic first", back, first, last, fence)
	}
}

// TestDatabaseSickAfterTheWriterMoved: what fails in the cloud is the database that takes the writes of both rooms. The writer leaves first:
// users who went home before it would still write to the sick one.
func TestDatabaseSickAfterTheWriterMoved(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	s := beginTraffic(t)
	s.do("database cloud 10%")
	s.run.await("back     to start because commits@cloud")
	s.comesHome()
	rs := s.records()
	back := find(rs, 0, turns(cutover.PhaseBack))
	first, fence := find(rs, back, undoes), find(rs, back, fences(lab.Home))
	stable := find(rs, max(fence, 0), stableIn(lab.Home))
	if fence < 0 || stable < 0 || first < stable {
		t.Errorf("back at record %d, the writer goes at %d and is home at %d, traffic at %d: want the writer first", back, fence, stable, first)
	}
}

// greenLag is status's line of a lag into home that is green.
var greenLag = regexp.MustCompile(`lag@home +green`)

// TestLagHomeAfterTheWriterMoved: what home's readers see is stale, and the writer can't follow over the direction that lags. So the run
// freezes, writes nothing, and stays frozen once it is green again, until an operator says: go on, or, the next time, back.
func TestLagHomeAfterTheWriterMoved(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	s := beginTraffic(t)
	for i, word := range []string{"resume", "back"} {
		said := s.run.said()
		s.do("lag cloud home 9s")
		s.run.awaitAfter(said, " frozen ")
		was, entered := s.number(lab.Home), 0
		for rs, next := s.records(), 0; next >= 0; next = find(rs, entered+1, turns(cutover.PhaseFrozen)) {
			entered = next
		}
		epoch := s.record().Epoch
		s.do("lag cloud home 0s")
		s.eventually("the way home is green again", func() bool { return greenLag.MatchString(s.start("status").exits(0)) })
		rs := s.records()
		if place := find(rs, entered, undoes); place >= 0 || s.number(lab.Home) != was || s.record().Epoch != epoch {
			t.Errorf("%d: something was written while it was frozen: record %d, the key %q, epoch %d", i, place, s.number(lab.Home), s.record().Epoch)
		}
		s.stands(lab.Cloud)
		s.start(word).exits(0)
		if word == "resume" {
			s.eventually("it goes on", func() bool { return find(s.records(), entered, turns(cutover.PhaseForward)) >= 0 })
		}
	}
	s.comesHome()
}
