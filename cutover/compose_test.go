package cutover

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"roomshift/runbooks"
)

// composePlan is two rooms, names that lead into a gateway with a number in each room.
func composePlan(routes ...RoutePlan) *Plan {
	return &Plan{From: "home", To: "cloud", Rooms: []RoomPlan{{Name: "home"}, {Name: "cloud"}}, Routes: routes,
		Rules: RulesPlan{MaxMove: 3000, FirstMove: 500, Headroom: 8000, MaxOut: 4000}}
}

func gwRoute() RoutePlan {
	return RoutePlan{Name: "gw", Medium: runbooks.MediumKey, ByRoom: true, Bytes: 20000, Seats: []Seat{{"gw", "cloud"}, {"gw", "home"}}}
}

func nameRoute(name string, lines ...string) RoutePlan {
	r := RoutePlan{Name: name, Medium: runbooks.MediumDNS, Into: "gw", Entry: true}
	for _, l := range lines {
		r.Seats = append(r.Seats, Seat{name, l})
	}
	return r
}

func cloud(bp int) Share { return Share{"cloud": bp, "home": Whole - bp} }

func TestComposeMultipliesLayers(t *testing.T) {
	// The second night of the spring festival: names and gateway together.
	c := NewComposer(composePlan(gwRoute(), nameRoute("www", "a", "b")))
	for _, x := range []struct{ names, gw, want, crossing int }{
		{0, 1000, 1000, 1000},
		{0, 3000, 3000, 3000},
		{1000, 2200, 2980, 1980},
		{3000, 0, 3000, 0},
		{3000, 4300, 6010, 3010},
		{4500, 2700, 5985, 1485},
		{6000, 0, 6000, 0},
	} {
		set := map[Seat]Share{{"www", "a"}: cloud(x.names), {"www", "b"}: cloud(x.names), {"gw", "home"}: cloud(x.gw), {"gw", "cloud"}: cloud(Whole)}
		got := c.Compose(set, nil)
		if got.All["cloud"] != x.want || got.Crossing != x.crossing || !got.Alone {
			t.Errorf("names %d gw %d: %+v, want %d in the cloud, crossing %d", x.names, x.gw, got, x.want, x.crossing)
		}
		if in := c.In("cloud", set, nil); in != x.want {
			t.Errorf("names %d gw %d: In says %d, want %d", x.names, x.gw, in, x.want)
		}
	}
}

func TestComposeCountsWhatComesBack(t *testing.T) {
	// A gateway in the cloud that sends a tenth home: it is served at home and crosses.
	c := NewComposer(composePlan(gwRoute(), nameRoute("www", "a")))
	got := c.Compose(map[Seat]Share{{"www", "a"}: cloud(5000), {"gw", "home"}: cloud(2000), {"gw", "cloud"}: cloud(9000)}, nil)
	if got.All["cloud"] != 5500 || got.Crossing != 1500 {
		t.Errorf("%+v, want 5500 in the cloud (4500 stay, 1000 come), crossing 1500", got)
	}
}

func TestComposeEntering(t *testing.T) {
	gw := gwRoute()
	gw.Entry = true
	both := NewComposer(composePlan(gw))
	set := map[Seat]Share{{"gw", "home"}: cloud(1000), {"gw", "cloud"}: cloud(Whole)}
	if got := both.Compose(set, map[Seat]float64{{"gw", "home"}: 900, {"gw", "cloud"}: 100}); got.All["cloud"] != 1900 || got.Crossing != 900 || got.Alone {
		t.Errorf("by rates: %+v, want 1900, crossing 900, not alone", got)
	}
	if got := both.Compose(set, nil); got.All["cloud"] != 5500 || !got.Alone {
		t.Errorf("without rates: %+v, want the rooms in equal parts: 5500, alone", got)
	}
	one := gw
	one.Seats = gw.Seats[1:]
	if got := NewComposer(composePlan(one)).Compose(set, nil); got.All["cloud"] != 1000 || got.Crossing != 1000 {
		t.Errorf("a single seat: %+v, want 1000, crossing 1000", got)
	}
}

func TestComposeWeighsLinesAndEntries(t *testing.T) {
	p := composePlan(gwRoute(), nameRoute("www", "a", "b"), RoutePlan{Name: "im", Medium: runbooks.MediumUpstream, ByRoom: true, Entry: true, Seats: []Seat{{"im", "home"}}})
	c := NewComposer(p)
	set := map[Seat]Share{{"www", "a"}: cloud(2000), {"www", "b"}: cloud(0), {"im", "home"}: cloud(5000), {"gw", "home"}: cloud(0)}
	got := c.Compose(set, map[Seat]float64{{"www", "a"}: 300, {"www", "b"}: 100})
	if got.Entries["www"]["cloud"] != 1500 || got.All["cloud"] != 1500 || got.Entries["im"]["cloud"] != 5000 {
		t.Errorf("im has no rate and stays outside the sum: %+v", got)
	}
	got = c.Compose(set, map[Seat]float64{{"www", "a"}: 300, {"www", "b"}: 100, {"im", "home"}: 400})
	if got.All["cloud"] != 3250 || got.Crossing != 2500 {
		t.Errorf("both have rates: %+v, want 3250, crossing 2500 (im only)", got)
	}
	got = c.Compose(map[Seat]Share{{"www", "b"}: cloud(4000)}, nil)
	if got.Entries["www"]["cloud"] != 4000 || len(got.Entries) != 1 {
		t.Errorf("a line with nothing alive doesn't count: %+v", got)
	}
	if got = c.Compose(nil, nil); len(got.All) != 0 || len(got.Entries) != 0 {
		t.Errorf("nothing is known: %+v", got)
	}
}

func TestComposeIntoForgets(t *testing.T) {
	c := NewComposer(composePlan(gwRoute(), nameRoute("www", "a")))
	var d Composed
	c.ComposeInto(&d, map[Seat]Share{{"www", "a"}: cloud(Whole)}, nil)
	next := map[Seat]Share{{"www", "a"}: cloud(0)}
	c.ComposeInto(&d, next, nil)
	if want := c.Compose(next, nil); !reflect.DeepEqual(d, want) {
		t.Errorf("used again: %+v, want %+v", d, want)
	}
	c.ComposeInto(&d, nil, nil)
	if len(d.All)+len(d.Entries) != 0 {
		t.Errorf("nothing known, used again: %+v", d)
	}
}

func TestEntriesOf(t *testing.T) {
	c := NewComposer(composePlan(gwRoute(), nameRoute("www", "a"), nameRoute("api", "a"),
		RoutePlan{Name: "inner", Follows: "gw"}, RoutePlan{Name: "deep", Follows: "inner"}, RoutePlan{Name: "pay", Stays: "home"}))
	for route, want := range map[string][]string{"gw": {"www", "api"}, "www": {"www"}, "inner": {"www", "api"}, "deep": {"www", "api"}, "pay": nil} {
		if got := c.EntriesOf(route); !reflect.DeepEqual(got, want) {
			t.Errorf("EntriesOf(%s) = %v, want %v", route, got, want)
		}
	}
}

func TestSeatShares(t *testing.T) {
	s := Seat{"im", "home"}
	inst := func(object string, room Room, w int, live bool) Held {
		return Held{Seat: s, Object: object, Room: room, Live: live, Weights: Share{room: w}}
	}
	for name, x := range map[string]struct {
		held []Held
		want Share
	}{
		"thirds":           {[]Held{inst("1", "a", 1, true), inst("2", "b", 1, true), inst("3", "c", 1, true)}, Share{"a": 3334, "b": 3333, "c": 3333}},
		"dead don't count": {[]Held{inst("1", "a", 1, true), inst("2", "b", 9, false)}, Share{"a": Whole}},
		"largest rest":     {[]Held{inst("1", "a", 1, true), inst("2", "b", 5, true)}, Share{"a": 1667, "b": 8333}},
		"nothing alive":    {[]Held{inst("1", "a", 1, false)}, nil},
		"all at zero":      {[]Held{inst("1", "a", 0, true)}, nil},
		"a ttl":            {[]Held{{Seat: s, Object: "t", Value: "60", Live: true}}, nil},
	} {
		if got := SeatShares(x.held)[s]; !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
	held := []Held{inst("1", "a", 3, true)}
	SeatShares(held)
	if held[0].Weights["a"] != 3 {
		t.Error("SeatShares wrote into the objects' weights")
	}
}

// randomCase is up to four rooms, a chain of up to three layers and random shares and rates.
func randomCase(r *rand.Rand, rooms int) (*Plan, map[Seat]Share, map[Seat]float64) {
	p := &Plan{}
	for i := range rooms {
		p.Rooms = append(p.Rooms, RoomPlan{Name: fmt.Sprintf("r%d", i)})
	}
	set, rates := map[Seat]Share{}, map[Seat]float64{}
	add := func(route RoutePlan, places ...string) {
		for _, at := range places {
			if r.IntN(8) == 0 {
				continue
			}
			s := Seat{route.Name, at}
			route.Seats = append(route.Seats, s)
			weights, sum := Share{}, 0
			for _, room := range p.Rooms {
				weights[room.Name] = r.IntN(1000)
				sum += weights[room.Name]
			}
			weights["r0"]++
			toBasisPoints(weights)
			set[s] = weights
			if r.IntN(3) > 0 {
				rates[s] = float64(r.IntN(5000))
			}
		}
		p.Routes = append(p.Routes, route)
	}
	var names []string
	for _, room := range p.Rooms {
		names = append(names, room.Name)
	}
	add(RoutePlan{Name: "gw", ByRoom: true, Into: "mesh"}, names...)
	add(RoutePlan{Name: "mesh", ByRoom: true}, names...)
	add(RoutePlan{Name: "www", Into: "gw", Entry: true}, "l1", "l2", "l3")
	add(RoutePlan{Name: "im", ByRoom: true, Entry: true}, names...)
	return p, set, rates
}

func TestComposeSumsToWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p, set, rates := randomCase(r, 2+r.IntN(3))
		c := NewComposer(p)
		got := c.Compose(set, rates)
		for name, sh := range got.Entries {
			if total(sh) != Whole {
				t.Fatalf("entry %s sums to %d: %v of %v", name, total(sh), sh, set)
			}
		}
		if len(got.Entries) > 0 && total(got.All) != Whole {
			t.Fatalf("all sums to %d: %+v of %v", total(got.All), got, set)
		}
		if got.Crossing < 0 || got.Crossing > Whole {
			t.Fatalf("crossing %d", got.Crossing)
		}
		for _, room := range p.Rooms {
			if in := c.In(room.Name, set, rates); in != got.All[room.Name] {
				t.Fatalf("In(%s) = %d, Compose says %d", room.Name, in, got.All[room.Name])
			}
		}
	}
}

// TestTriedIsComposed: trying single seats, in the memory of a state tried before, says what composing all of them says.
func TestTriedIsComposed(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		p, set, rates := randomCase(r, 2+r.IntN(3))
		c, rooms := NewComposer(p), p.Rooms
		seats := sortedSeats(set)
		if len(seats) == 0 {
			continue
		}
		for range 3 {
			room := rooms[r.IntN(len(rooms))].Name
			state := c.newTried(room, set, rates)
			for range 10 {
				seat := seats[r.IntN(len(seats))]
				if got := state.share(seat); !sameShare(got, set[seat]) {
					t.Fatalf("%s holds %v in the state, want %v", seat, got, set[seat])
				}
				if r.IntN(6) == 0 {
					delete(set, seat)
				} else {
					set[seat] = set[seats[r.IntN(len(seats))]]
				}
				if set[seat] == nil {
					delete(set, seat)
				}
				state.put(seat, set[seat])
				if got, want := state.left(), c.In(room, set, rates); got != want {
					t.Fatalf("%s of %v: tried %d, composed %d", room, set, got, want)
				}
			}
			c.giveBack(state)
		}
	}
}

// A seat that gives a room more never gives that room less of everything, where no layer turns requests round: every seat
// gives its own room at least as much as the others do.
func TestComposeIsMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		gwHome, gwCloud, name := r.IntN(Whole+1), r.IntN(Whole+1), r.IntN(Whole+1)
		if gwCloud < gwHome {
			gwHome, gwCloud = gwCloud, gwHome
		}
		c := NewComposer(composePlan(gwRoute(), nameRoute("www", "a")))
		set := map[Seat]Share{{"www", "a"}: cloud(name), {"gw", "home"}: cloud(gwHome), {"gw", "cloud"}: cloud(gwCloud)}
		before := c.Compose(set, nil).All["cloud"]
		seat := []Seat{{"www", "a"}, {"gw", "home"}, {"gw", "cloud"}}[r.IntN(3)]
		more := set[seat]["cloud"] + r.IntN(Whole-set[seat]["cloud"]+1)
		if seat == (Seat{"gw", "home"}) {
			more = min(more, gwCloud)
		}
		set[seat] = cloud(more)
		if after := c.Compose(set, nil).All["cloud"]; after < before {
			t.Fatalf("%s raised to %d: all went from %d to %d (names %d, gw %d/%d)", seat, more, before, after, name, gwHome, gwCloud)
		}
	}
}

func TestLoads(t *testing.T) {
	p := composePlan(gwRoute(), nameRoute("www", "a"), nameRoute("api", "a"), RoutePlan{Name: "inner", Follows: "gw", Calls: 4},
		RoutePlan{Name: "pay", Stays: "home", Bytes: 4000, Calls: 0.3})
	p.Groups = map[string][]string{"entry": {"www", "api"}}
	p.Rooms[1].Capacity = map[string]float64{"entry": 1000, "inner": 10000}
	p.Peak = map[string]float64{"entry": 4000}
	p.Links = []LinkPlan{{Name: "line", Between: [2]Room{"cloud", "home"}, Bits: 8e6}}
	c := NewComposer(p)
	set := map[Seat]Share{{"www", "a"}: cloud(1000), {"api", "a"}: cloud(1000), {"gw", "home"}: cloud(1000), {"gw", "cloud"}: cloud(Whole)}
	rates := map[Seat]float64{{"www", "a"}: 300, {"api", "a"}: 100}
	// 19 % of 400/s are in the cloud; 9 % cross the gateway with 20 kB, and each request in the cloud calls pay 0.3 times with 4 kB.
	now := c.Loads(set, rates, false)
	near(t, "load now", now.Room["cloud"], 0.076)
	near(t, "line now", now.Line["line"], (36*20000*8+76*0.3*4000*8)/8e6)
	peak := c.Loads(set, rates, true)
	near(t, "load at peak", peak.Room["cloud"], 0.76)
	if _, ok := now.Room["home"]; ok {
		t.Error("home declares no capacity, but has a load")
	}
	if load, ok := c.Load("cloud", cloud(1900), rates); !ok || load < 0.0759 || load > 0.0761 {
		t.Errorf("Load = %v %v, want 0.076", load, ok)
	}
	set[Seat{"api", "a"}] = cloud(3000) // www stays at 19 % with three quarters of the peak, api is at 37 %
	near(t, "load at peak, by parts", c.Loads(set, rates, true).Room["cloud"], 3*0.19+0.37)
	set[Seat{"api", "a"}] = cloud(1000)
	if none := c.Loads(set, nil, false); len(none.Room)+len(none.Line) != 0 {
		t.Errorf("no rate is known, but there are loads: %+v", none)
	}
	p.Rooms[1].Capacity = map[string]float64{"inner": 400}
	if load := NewComposer(p).Loads(set, rates, false).Room["cloud"]; load < 0.759 || load > 0.761 {
		t.Errorf("a follower called 4 times: load %v, want 0.76", load)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want*0.999 || got > want*1.001 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func BenchmarkCompose(b *testing.B) {
	c := NewComposer(composePlan(gwRoute(), nameRoute("www", testLines...), nameRoute("api", testLines...), nameRoute("h5", testLines...)))
	set, rates := map[Seat]Share{{"gw", "home"}: cloud(2200), {"gw", "cloud"}: cloud(Whole)}, map[Seat]float64{}
	for _, n := range []string{"www", "api", "h5"} {
		for _, l := range testLines {
			set[Seat{n, l}], rates[Seat{n, l}] = cloud(1000), 1000
		}
	}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Compose(set, rates)
		}
	})
	b.Run("into", func(b *testing.B) {
		b.ReportAllocs()
		var d Composed
		for b.Loop() {
			c.ComposeInto(&d, set, rates)
		}
	})
	b.Run("in", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.In("cloud", set, rates)
		}
	})
}
