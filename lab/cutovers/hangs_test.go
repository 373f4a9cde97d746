package cutovers

import (
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab"
	"roomshift/lab/server"
)

// TestGaugeHangs: the others still judge, and a person is obeyed at once.
func TestGaugeHangs(t *testing.T) {
	t.Parallel()
	t.Run("others judge", func(t *testing.T) {
		s := begin(t)
		p := s.run("10m", few)
		p.await("baking")
		s.do("prometheus cloud frozen", lateToCloud)
		s.turnsBack(p)
	})
	t.Run("a person is obeyed", func(t *testing.T) {
		s := begin(t)
		file := s.rooms(func(yaml string) string { return strings.ReplaceAll(yaml, "blindFor: 5s", "blindFor: 5m") })
		p := s.start("run", "--rooms", file, s.book("10m", few))
		p.await("baking")
		said := p.said()
		s.do("prometheus cloud frozen")
		p.awaitAfter(said, "hold     errors@cloud") // it doesn't answer
		s.start("freeze").exits(0)
		s.obeyed("freeze", turns(cutover.PhaseFrozen))
		s.start("back").exits(0)
		s.obeyed("back", undoes)
		s.isBack() // while it still hangs
		s.do("heal")
		p.exits(3)
		s.restored()
		s.unharmed()
	})
}

// TestConsulAway: a Consul that hangs, or is gone, delays nobody, and going back ends once it can.
func TestConsulAway(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"frozen", "down"} {
		t.Run(state, func(t *testing.T) {
			if testing.Short() && state == "down" {
				t.Skip("short")
			}
			s := begin(t)
			p := s.run("10m", few)
			p.await("baking")
			s.do("consul home " + state)
			s.start("back").exits(0)
			s.obeyed("back", undoes)
			p.await(" back ")
			s.do("consul home up")
			p.exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// onItsWay is how long a request to a slow Consul is under way: long enough to freeze that Consul meanwhile, and less than the 5 s
// after which it is given up.
const onItsWay = 3 * time.Second

// slowConsul is a line to a room's Consul that can be delayed, and a rooms.yaml with which roomshift uses it.
func (s *scene) slowConsul(room string) (line *server.Proxy, file string) {
	s.t.Helper()
	addr := s.lab.Consuls[room].Addr
	line, err := server.NewProxy(strings.TrimPrefix(addr, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(line.Close)
	return line, s.rooms(func(yaml string) string { return strings.Replace(yaml, addr, "http://"+line.Addr(), 1) })
}

// stuckWrite is a run whose request from 8 to 30 % hangs in home's Consul, until that is up again.
func (s *scene) stuckWrite() *process {
	s.t.Helper()
	line, file := s.slowConsul(lab.Home)
	p := s.start("run", "--rooms", file, s.book("10m", approved))
	p.await(`may step "more" begin`)
	line.Delay(0, onItsWay)
	s.start("approve").exits(0)
	s.awaitRecord("its request is sent", commands("approve"), func(r *cutover.Record) bool { return r.Intent != nil })
	s.do("consul home frozen")
	line.Heal() // it gets what is under way now, and doesn't answer
	return p
}

// TestWriteHangs: the request that goes forward hangs in its Consul. A person is obeyed at once, and what may still land is looked up.
func TestWriteHangs(t *testing.T) {
	t.Parallel()
	for verb, obeyed := range map[string]func(*cutover.Record) bool{"back": undoes, "freeze": turns(cutover.PhaseFrozen)} {
		t.Run(verb, func(t *testing.T) {
			if testing.Short() && verb == "freeze" {
				t.Skip("short")
			}
			s := begin(t)
			p := s.stuckWrite()
			s.start(verb).exits(0)
			if rs, command := s.obeyed(verb, obeyed); len(open(rs, command)) == 0 {
				t.Errorf("nothing was under way when the person said so:\n%s", p.text())
			}
			s.do("consul home up")
			if verb == "freeze" {
				s.start("back").exits(0)
			}
			p.exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// TestConsulHangsWhileGoingBack: one room's Consul hangs once going back has begun, with an undo under way. What happens is said, the
// other room's seat comes home, and the rest once it can, though the lock be lost meanwhile.
func TestConsulHangsWhileGoingBack(t *testing.T) {
	t.Parallel()
	for said, until := range map[string]string{"shorter than its lease": "undo     gw@home gateway/cloud 8 → 3 unknown", "longer": "the lock is lost"} {
		t.Run(said, func(t *testing.T) {
			if testing.Short() && said == "longer" {
				t.Skip("short")
			}
			s := begin(t)
			if err := s.lab.SetNumber(t.Context(), lab.Cloud, "50"); err != nil {
				t.Fatal(err)
			}
			s.before[lab.Cloud] = "50"
			line, file := s.slowConsul(lab.Home)
			p := s.start("run", "--rooms", file, s.book("10m", bothSeats))
			p.await("baking")
			line.Delay(0, onItsWay)
			s.start("back").exits(0)
			s.obeyed("back", undoes)
			s.do("consul home frozen")
			line.Heal()
			s.eventually("the cloud's seat is home", func() bool { return s.number(lab.Cloud) == "50" })
			p.await(until)
			s.do("consul home up")
			p.exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// bothSeats moves a seat in each room's Consul. Few requests enter by the cloud, so its share is seen roughly.
const bothSeats = `  - name: climb
    shift: {cloud: {gw@home: [8%], gw@cloud: [60%]}}
    settle: {within: 60s, tolerance: 10pt, else: ask}
`
