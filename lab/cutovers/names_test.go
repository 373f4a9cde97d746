package cutovers

import (
	"context"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
	"roomshift/lab"
)

// naming is a scene with a name at the lab's Alibaba Cloud DNS, on two lines, that nothing observes.
type naming struct {
	*scene
	api    *alidnstest.Server
	file   string // rooms.yaml
	before []alidnstest.Record
}

// lateBy is how long after its client gave up a held request of the API lands.
const lateBy = 4 * time.Second

func beginNames(t *testing.T) *naming {
	t.Helper()
	s := &naming{scene: begin(t)}
	names, err := s.lab.StartNames(t.Context(), lab.NamesOptions{Routes: []string{"www"}, Resolvers: 40, Late: lateBy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	s.secret = append(s.secret, s.lab.Secrets()...) // the names' are the lab's only while they run
	s.api, s.before = names.API, names.API.Records()
	s.file = s.rooms(unobserved("all"))
	return s
}

// unobserved takes the name's observation from the lab's inventory: only the gateways' requests are counted by room.
func unobserved(lines string) func(string) string {
	return func(yaml string) string {
		from, to := strings.Index(yaml, "observe:\n"), strings.Index(yaml, "providers:\n")
		yaml = yaml[:from] + yaml[to:]
		yaml = strings.Replace(yaml, "seats: [home, cloud]}", `seats: [home, cloud], observe: {prometheus: 'sum by (served_by) (rate(gw_requests_total{route="$route"}[$window]))', room: served_by}}`, 1)
		return strings.Replace(yaml, "lines: all", "lines: "+lines, 1)
	}
}

// follow lowers the TTL, and brings the name to 30 %.
const follow = `  - name: short TTL
    ttl: {www: 2s}
  - name: names
    shift: {cloud: {www: [5%, 30%]}}
  - checkpoint: there
`

// isBack fails unless every record is what it was.
func (s *naming) isBack() {
	s.t.Helper()
	if now := s.api.Records(); !reflect.DeepEqual(now, s.before) {
		s.t.Errorf("the records are\n%v\nand were\n%v", now, s.before)
	}
}

// answered is the cloud's part, in percent, of what each authority answers on each line.
func (s *naming) answered(n int) map[string]float64 {
	s.t.Helper()
	a := dns.Asker{Servers: s.api.NameServers(), Networks: map[string]netip.Prefix{"telecom": lab.TelecomNetwork}}
	for room, network := range lab.NameNetworks {
		a.Rooms = append(a.Rooms, dns.RoomNets{Room: room, Nets: []netip.Prefix{netip.MustParsePrefix(network)}})
	}
	out := map[string]float64{}
	for _, x := range a.Ask(context.Background(), "www.lab.test", []string{"default", "telecom"}, n) {
		if x.Err != nil {
			s.t.Fatal(x.Err)
		}
		out[x.Line+" "+x.Server] = 100 * x.Shares[cutover.Room(lab.Cloud)].Seen
	}
	return out
}

func (s *naming) answersAre(percent float64) {
	s.t.Helper()
	for where, got := range s.answered(dns.Queries(0.5, 0.02)) {
		if math.Abs(got-percent) > 4 { // two points, twice: four readings of 2,401 answers each
			s.t.Errorf("%s answers the cloud in %.1f %%, want %v", where, got, percent)
		}
	}
}

// TestNamesGoAndComeBack: planned, looked at and run dry nothing is written; then the name goes to 30 % on every line and is answered so by
// every authority, and back to the start every byte of each record is what it was.
func TestNamesGoAndComeBack(t *testing.T) {
	s := beginNames(t)
	book := s.book("1s", strings.Replace(follow, "30%]}}", "30%]}}\n    bake: 5s", 1)) // long enough that its authorities are asked
	p := s.start("check", "--live", "--rooms", s.file, book)
	p.saysAt(0, "www.lab.test default telecom")
	p.saysAt(0, "www.lab.test on telecom by "+s.api.NameServers()[1]+" home 100.0 %")
	s.start("plan", "--rooms", s.file, book).exits(0)
	dry := s.start("run", "--dry-run", "--rooms", s.file, book)
	dry.exits(7)
	if n := s.api.Writes(); n != 0 {
		t.Fatalf("%d writes by plan, check and a dry run: %q", n, s.api.Log())
	}
	s.isBack()
	real := s.start("run", "--rooms", s.file, book)
	real.exits(7)
	if a, b := dry.writes(), real.writes(); !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("the dry run told\n%s\nthe run\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	real.says("answers of www.lab.test on telecom by " + s.api.NameServers()[1] + ": set, not seen: home ")
	s.answersAre(30)
	for _, r := range s.api.Records() {
		if r.TTL != 2 {
			t.Errorf("the TTL of %s on %s is %d", r.Value, r.Line, r.TTL)
		}
	}
	s.start("back", "--to", "start").exits(3)
	s.isBack()
	s.unharmed()
}

// TestNamesComeBackByThemselves: errors in the cloud while its names bake bring every record back, though the provider throttles, loses
// answers and hangs on the way.
func TestNamesComeBackByThemselves(t *testing.T) {
	s := beginNames(t)
	p := s.start("run", "--rooms", s.file, s.book("1s", strings.Replace(follow, "[5%, 30%]}}", "[5%]}}\n    bake: 10m", 1)))
	p.await(`"names" baking`)
	s.api.Fault(alidnstest.Fault{Action: "SetDomainRecordStatus", Kind: alidnstest.LoseReply, Times: 1})
	s.api.Fault(alidnstest.Fault{Action: "UpdateDNSSLBWeight", Kind: alidnstest.Throttle, RetryAfter: 700 * time.Millisecond, Times: 2})
	s.api.Fault(alidnstest.Fault{Action: "UpdateDomainRecord", Kind: alidnstest.Hang, Times: 1})
	said := p.said()
	s.do("errors cloud 50%")
	p.awaitAfter(said, "back     to start because ")
	s.do("heal")
	p.exits(3)
	s.isBack()
}

// TestALineThatIsNotCovered: a line that the provider holds and the route doesn't name is a problem before anything is moved.
func TestALineThatIsNotCovered(t *testing.T) {
	s := beginNames(t)
	p := s.start("check", "--live", "--rooms", s.rooms(unobserved("[default]")), s.book("1s", follow))
	p.exits(1)
	p.says("the provider also holds telecom", "lines: all")
	if n := s.api.Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// TestNamesComeHomeWithoutTheProvider: a run that rests is told to go back while the provider hangs: it begins, says what it waits for, and
// ends when the provider answers again, with every record as it was.
func TestNamesComeHomeWithoutTheProvider(t *testing.T) {
	s := beginNames(t)
	s.start("run", "--rooms", s.file, s.book("1s", follow)).exits(7)
	s.api.Fault(alidnstest.Fault{Kind: alidnstest.Hang})
	p := s.start("back", "--to", "start")
	p.await("back     to start")
	s.api.Heal()
	p.exits(3)
	s.isBack()
}

// TestSomebodyElsesWeight: a record that somebody else sets while the name bakes is theirs: told, left alone on the way back, and all others
// are what they were.
func TestSomebodyElsesWeight(t *testing.T) {
	s := beginNames(t)
	p := s.start("run", "--rooms", s.file, s.book("1s", strings.Replace(follow, "[5%, 30%]}}", "[5%]}}\n    bake: 10m", 1)))
	p.await(`"names" baking`)
	theirs := s.api.Records()[0]
	if err := s.api.Change(theirs.ID, func(r *alidnstest.Record) { r.Weight = 55 }); err != nil {
		t.Fatal(err)
	}
	s.start("back", "--to", "start").exits(0)
	p.exits(4)
	p.says("www@default/203.0.113.10", "55")
	for i, r := range s.api.Records() {
		if r.ID == theirs.ID {
			r.Weight = 100
		}
		if r != s.before[i] && r.ID != theirs.ID {
			t.Errorf("%+v was %+v", r, s.before[i])
		}
	}
	if r, _ := s.api.Record(theirs.ID); r.Weight != 55 {
		t.Errorf("theirs is %d", r.Weight)
	}
}

// TestALateWriteOfANameIsUndone: a weight that roomshift gave up on lands seconds later, while the run goes back, in whichever of its two
// states the record is then: when it is over, every record is what it was.
func TestALateWriteOfANameIsUndone(t *testing.T) {
	s := beginNames(t)
	s.api.Fault(alidnstest.Fault{Action: "UpdateDNSSLBWeight", Skip: 2, Times: 1, Kind: alidnstest.Late}) // the first that raises the cloud
	p := s.start("run", "--rooms", s.file, s.book("1s", strings.Replace(follow, "[5%, 30%]}}", "[5%]}}\n    bake: 10m", 1)))
	s.eventually("a write is held", func() bool { return s.api.HeldNow() == 1 })
	s.start("back", "--to", "start").exits(0)
	p.exits(3)
	if n := s.api.HeldNow(); n != 0 {
		t.Errorf("%d writes are held yet: the run didn't wait for them", n)
	}
	s.isBack()
}

// TestANameSettlesWhenItIsAnswered: a name that nothing observes isn't settled while one of its authorities answers what it answered before:
// the run says so and waits, and goes on once all answer what was set.
func TestANameSettlesWhenItIsAnswered(t *testing.T) {
	s := beginNames(t)
	s.api.Stale(1, true)
	p := s.start("run", "--rooms", s.file, s.book("1s", strings.Replace(follow, "[5%, 30%]}}", "[5%]}}", 1)))
	p.await("answers of www.lab.test on telecom by " + s.api.NameServers()[1] + ": set, not seen: home 100.0 %")
	if strings.Contains(p.text(), `"names" baking`) {
		t.Fatalf("bakes while an authority answers what it answered before:\n%s", p.text())
	}
	status := s.start("status")
	status.exits(0)
	status.says("by "+s.api.NameServers()[1]+": home 100.0 %", "wanted is what is set: home 95.0 %, cloud 5.0 %")
	s.api.Stale(1, false)
	p.exits(7)
	p.says(`"names" baking`)
	s.start("back", "--to", "start").exits(3)
	s.isBack()
	s.unharmed()
}
