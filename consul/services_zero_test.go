package consul_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

var search = cutover.Seat{Route: "search", At: "home"}

// servicesOf is the medium of one service for a consumer, through a proxy that counts.
func servicesOf(t testing.TB, service, consumer string, o consul.ServicesOptions) (*consul.Services, cutover.Plane, *cutovertest.Proxy) {
	t.Helper()
	proxy := cutovertest.NewProxy(t, realHost())
	c := client(t, proxy.Addr(), nil)
	if o.Rooms == nil {
		o.Rooms, o.Here = signs, "home"
	}
	s := c.Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: service, Consumer: consumer}}, o)
	return s, c.ServicesPlane("services", "home", "home", s), proxy
}

func listing(t testing.TB, s *consul.Services) []cutover.Held {
	t.Helper()
	held, err := s.Read(within10s(t), s.Seats())
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func shape(t testing.TB, s *consul.Services, held []cutover.Held, cloud int) [][]cutover.Change {
	t.Helper()
	waves, err := s.Shape(held, map[cutover.Seat]cutover.Share{search: {"home": cutover.Whole - cloud, "cloud": cloud}})
	if err != nil {
		t.Fatal(err)
	}
	return waves
}

// land writes waves and returns what turns them round.
func land(t testing.TB, s *consul.Services, pl cutover.Plane, f cutover.Fence, waves [][]cutover.Change) (undo []cutover.Change) {
	t.Helper()
	for _, wave := range waves {
		for _, pack := range cutover.Pack(pl, wave) {
			for i, o := range s.Write(within10s(t), f, pack) {
				if o.What != cutover.Done {
					t.Fatalf("%s from %s to %s: %v: %v", pack[i].Object, pack[i].Before, pack[i].After, o.What, o.Err)
				}
				c := pack[i]
				undo = append(undo, cutover.Change{Seat: c.Seat, Plane: c.Plane, Object: c.Object, Before: c.After, After: c.Before, Version: o.Version})
			}
		}
	}
	return undo
}

// passing are the IDs that consumers are told of.
func passing(t testing.TB, service string) []string {
	t.Helper()
	var ids []string
	for _, part := range strings.Split(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+service+"?passing&consistent", ""), `"ID":"`)[1:] {
		if id, _, _ := strings.Cut(part, `"`); strings.HasPrefix(id, service) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// whole is every byte of a service's instances and checks, but for the indexes that a write moves.
func whole(t testing.TB, service string) string {
	return indexIn.ReplaceAllString(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+service+"?consistent", ""), "#")
}

// TestServiceZero: a room that is to get nothing is told to nobody, though no weight 0 is ever written; it stays alive to us, and every byte
// comes back. Of the catalog's instances and of agents'.
func TestServiceZero(t *testing.T) {
	for _, agents := range []bool{false, true} {
		t.Run(fmt.Sprintf("agents %t", agents), func(t *testing.T) {
			service := "search-" + unique()
			o := consul.ServicesOptions{}
			if agents {
				o.Rooms, o.Here, o.AgentsPort = signs, "home", real.Nodes[0].HTTP
			}
			for i := range 2 {
				if agents {
					registered(t, service, fmt.Sprintf("%s-h%d", service, i), fmt.Sprintf("127.1.4.%d", i+1), 300)
					registered(t, service, fmt.Sprintf("%s-c%d", service, i), fmt.Sprintf("127.2.4.%d", i+1), 7)
				} else {
					external(t, service, fmt.Sprintf("%s-h%d", service, i), fmt.Sprintf("127.1.4.%d", i+1), 300, "")
					external(t, service, fmt.Sprintf("%s-c%d", service, i), fmt.Sprintf("127.2.4.%d", i+1), 7, "")
				}
			}
			s, pl, _ := servicesOf(t, service, "generic", o)
			f := session(t, management(t))
			before, all := whole(t, service), passing(t, service)
			undo := land(t, s, pl, f, shape(t, s, listing(t, s), 0))
			if got := passing(t, service); len(got) != 2 || len(all) != 4 || strings.Contains(fmt.Sprint(got), "-c") {
				t.Errorf("of %q consumers are told of %q, want home's", all, got)
			}
			if now := whole(t, service); strings.Contains(now, `"Passing":0`) || strings.Count(now, `"Passing":7`) != 2 {
				t.Errorf("the cloud's weights weren't left behind the check: %s", now)
			}
			for _, h := range listing(t, s) {
				if !h.Live || strings.Contains(h.Object, "-c") != (h.Weights["cloud"] == 0 && h.Room == "cloud") {
					t.Errorf("%+v: want it alive, and nothing of the cloud's", h)
				}
			}
			more := land(t, s, pl, f, shape(t, s, listing(t, s), 2000))
			if got := passing(t, service); !slices.Equal(got, all) {
				t.Errorf("at 20 %% consumers are told of %q, want %q", got, all)
			}
			slices.Reverse(more)
			for _, c := range append(more, undo...) { // the versions of the second are known by the first
				c.Version = ""
				if o := s.Write(within10s(t), f, []cutover.Change{c})[0]; o.What != cutover.Done {
					t.Fatalf("%s back to %s: %v: %v", c.Object, c.After, o.What, o.Err)
				}
			}
			if now := whole(t, service); now != before {
				t.Errorf("it was\n%s\nand is\n%s", before, now)
			}
		})
	}
}

// TestServiceWithoutLife: only what passes its checks carries a share; a room without it can't be given one, and keeps what it has.
func TestServiceWithoutLife(t *testing.T) {
	service := "search-" + unique()
	external(t, service, service+"-h0", "127.1.5.1", 100, "")
	cloud := []string{external(t, service, service+"-c0", "127.2.5.1", 1, ""), external(t, service, service+"-c1", "127.2.5.2", 1, "")}
	s, _, _ := servicesOf(t, service, "generic", consul.ServicesOptions{})
	if got := shape(t, s, listing(t, s), 1000)[0]; len(got) == 0 {
		t.Fatal("nothing is to be written for 10 %")
	}
	down(t, cloud[0])
	held := listing(t, s)
	if share := cutover.SeatShares(held)[search]; share["cloud"] != 99 { // 1 of 101
		t.Errorf("with one of two down the share is %v", share)
	}
	down(t, cloud[1])
	_, err := s.Shape(listing(t, s), map[cutover.Seat]cutover.Share{search: {"home": 9000, "cloud": 1000}})
	if err == nil || !strings.Contains(err.Error(), "cloud is to get 10 % and has nothing that serves") {
		t.Errorf("a room without a passing instance: %v, want it named", err)
	}
}

// TestServiceOwners: whose an instance is, and what can't be written is refused by name with what to do, while what can be is.
func TestServiceOwners(t *testing.T) {
	service := "search-" + unique()
	external(t, service, service+"-h0", "127.1.6.1", 100, "")
	registered(t, service, service+"-agent", "127.2.6.9", 1)
	external(t, service, service+"-sync", "127.2.6.1", 1, `,"Meta":{"external-source":"kubernetes"}`)
	external(t, service, service+"-sync2", "127.2.6.1", 1, `,"Meta":{"external-source":"nomad"}`)
	external(t, service, service+"-sync3", "127.2.6.1", 1, `,"Meta":{"external-source":"nomad"}`)
	native := external(t, service, service+"-native", "127.2.6.2", 1, `,"Connect":{"Native":true}`)
	external(t, service, service+"-lan", "127.2.6.3", 1, `,"TaggedAddresses":{"lan":{"Address":"127.0.0.9","Port":9}}`)
	s, pl, _ := servicesOf(t, service, "generic", consul.ServicesOptions{})
	held := listing(t, s)
	var lines []string
	for _, o := range s.Ownership(held) {
		lines = append(lines, o.String())
	}
	want := []string{"6 of 6 live in cloud, 1 owned by kubernetes, 2 owned by nomad, 1 owned by the catalog, weights fixed by Connect, " +
		"1 owned by the catalog, weights fixed by TaggedAddresses, 1 owned by their agents", "1 of 1 live in home, 1 owned by the catalog"}
	if !slices.Equal(lines, want) {
		t.Errorf("owners are %q, want %q", lines, want)
	}
	_, err := s.Shape(held, map[cutover.Seat]cutover.Share{search: {"home": 5000, "cloud": 5000}})
	for _, says := range []string{"-agent is its agent's", "agents: {port: 8501}", "-sync-1 is kept by kubernetes", "set its weight there",
		"-lan-1 has TaggedAddresses, which a transaction would drop", "-native-1 has Connect, which", "and 1 more"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: want %q", err, says)
		}
	}
	// Out needs no weight: what a transaction would drop stays.
	f := session(t, management(t))
	for _, h := range held {
		if h.Object != native {
			continue
		}
		_, before, _ := entryOf(t, native)
		c := cutover.Change{Seat: search, Plane: "services", Object: native, Before: h.Value, After: "0:1", Version: h.Version}
		undo := land(t, s, pl, f, [][]cutover.Change{{c}})
		if got := passing(t, service); strings.Contains(fmt.Sprint(got), "native") {
			t.Errorf("it is out, and consumers are told of %q", got)
		}
		land(t, s, pl, f, [][]cutover.Change{undo})
		if _, now, _ := entryOf(t, native); string(now) != string(before) {
			t.Errorf("it was %s and is %s", before, now)
		}
		c.After = "2"
		if o := s.Write(within10s(t), f, []cutover.Change{c})[0]; o.What != cutover.Failed || !strings.Contains(o.Err.Error(), "not sent") {
			t.Errorf("a weight over what a transaction would drop: %v: %v, want failed, not sent", o.What, o.Err)
		}
	}
}

// TestServicePolicyIsLeast: with Policy and ServicePolicy both media can be read and written, agents too; without one line of it they can't,
// and the error names the right that lacks.
func TestServicePolicyIsLeast(t *testing.T) {
	one, two := "search-"+unique(), "mesh-"+unique()
	mesh(t, real.Addr, two, "", `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	registered(t, one, one+"-h0", "127.1.8.1", 5)
	external(t, one, one+"-c0", "127.2.8.1", 5, "")
	run := func(t *testing.T) error {
		s, _, _ := servicesOf(t, one, "generic", consul.ServicesOptions{Rooms: signs, Here: "home", AgentsPort: real.Nodes[0].HTTP})
		f := session(t, management(t))
		held, err := s.Read(within10s(t), s.Seats())
		if err != nil {
			return err
		}
		for _, h := range held {
			for _, after := range []string{"9", "0", "5"} {
				for _, o := range s.Write(within10s(t), f, []cutover.Change{{Seat: search, Plane: "services", Object: h.Object, Before: h.Value, After: after}}) {
					if o.What != cutover.Done {
						return o.Err
					}
				}
				h.Value = after
			}
		}
		splitters := client(t, "", nil).Splitters("p", map[cutover.Seat]consul.SplitterSpec{{Route: "mesh"}: {Service: two, Rooms: legNames}})
		if held, err = splitters.Read(within10s(t), splitters.Seats()); err != nil {
			return err
		}
		c := cutover.Change{Seat: held[0].Seat, Object: held[0].Object, Before: held[0].Value, After: "cloud=20.00,home=80.00"}
		back := c
		back.Before, back.After = c.After, c.Before
		for _, c := range []cutover.Change{c, back} {
			if o := splitters.Write(within10s(t), f, []cutover.Change{c})[0]; o.What != cutover.Done {
				return o.Err
			}
		}
		return nil
	}
	lines := consul.ServicePolicy([]string{one}, []string{two})
	setRules(t, consul.Policy("roomshift")+strings.Join(lines, "\n"))
	if err := run(t); err != nil {
		t.Fatalf("with all of %q: %v", lines, err)
	}
	for i, line := range lines {
		less := slices.Delete(slices.Clone(lines), i, i+1)
		for _, instead := range []string{"", strings.Replace(line, `"write"`, `"read"`, 1)} {
			if instead == line {
				continue
			}
			setRules(t, consul.Policy("roomshift")+strings.Join(append(less, instead), "\n"))
			if err := run(t); !errors.Is(err, consul.ErrForbidden) || instead == "" && !strings.Contains(err.Error(), strings.Replace(line, `"write"`, `"read"`, 1)) ||
				instead != "" && !strings.Contains(err.Error(), line) {
				t.Errorf("without %s but %q: %v, want ErrForbidden that says it", line, instead, err)
			}
		}
	}
}
