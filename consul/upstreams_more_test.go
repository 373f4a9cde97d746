package consul_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
)

// oneUpstream is an upstream of its own with these keys, by address.
func oneUpstream(t *testing.T, consumer consul.UpstreamConsumer, keys map[string]string) (ups *consul.Upstreams, seat cutover.Seat, prefix string) {
	t.Helper()
	m, name := management(t), unique()
	for addr, value := range keys {
		put(t, m, "upstreams/"+name+"/"+addr, value, 0)
	}
	seat = cutover.Seat{Route: "im", At: "home"}
	ups = client(t, "", nil).Upstreams("up", map[cutover.Seat]consul.UpstreamSpec{seat: {Name: name, Consumer: consumer}}, rooms[:], networks)
	return ups, seat, "upstreams/" + name + "/"
}

func shareTo(cloud int) cutover.Share {
	return cutover.Share{"home": cutover.Whole - cloud, "cloud": cloud}
}

// TestUpstreamListing: what is an instance, where it is, and what isn't read past.
func TestUpstreamListing(t *testing.T) {
	w := `{"weight":7}`
	for name, c := range map[string]struct {
		consumer consul.UpstreamConsumer
		keys     map[string]string
		want     string // room=units of each, in order; or a part of the error
	}{
		"both rooms":        {consul.Upsync, map[string]string{"10.2.0.1:80": w, "10.1.0.1:80": w}, "home=7 cloud=7"},
		"a folder":          {consul.Upsync, map[string]string{"": "", "10.1.0.1:80": w}, "home=7"},
		"the narrowest":     {consul.Upsync, map[string]string{"10.1.9.1:80": w}, "cloud=7"},
		"empty":             {consul.Upsync, map[string]string{"10.1.0.1:80": ""}, "home=1"},
		"none":              {consul.Upsync, nil, ""},
		"version 6":         {consul.APISIX, map[string]string{"[::ffff:10.1.0.1]:80": w}, "home=7"},
		"in no room":        {consul.Upsync, map[string]string{"192.0.2.1:80": w, "10.1.0.1:80": w}, "home=7 =0"},
		"no instance":       {consul.Upsync, map[string]string{"10.1.0.1": w}, "is no instance: want upstreams/"},
		"a name":            {consul.Upsync, map[string]string{"web-1:80": w}, "is no instance"},
		"below another":     {consul.Upsync, map[string]string{"old/10.1.0.1:80": w}, "isn't one of plane up"},
		"nobody reads it":   {consul.Upsync, map[string]string{"10.1.0.1:80": `{"weight":"x"}`}, "im@home: key "},
		"empty, for APISIX": {consul.APISIX, map[string]string{"10.1.0.1:80": ""}, "holds an empty value"},
	} {
		t.Run(name, func(t *testing.T) {
			ups, seat, prefix := oneUpstream(t, c.consumer, c.keys)
			wider := client(t, "", nil).Upstreams("up", map[cutover.Seat]consul.UpstreamSpec{seat: {Name: strings.Split(prefix, "/")[1], Consumer: c.consumer}}, rooms[:],
				append([]consul.Network{{Room: "cloud", Prefix: netip.MustParsePrefix("10.1.9.0/24")}}, networks...))
			if name == "the narrowest" {
				ups = wider
			}
			put(t, management(t), strings.TrimSuffix(prefix, "/")+"2/10.1.0.9:80", w, 0) // another upstream, whose name begins alike
			held, err := ups.Read(within10s(t), ups.Seats())
			var got []string
			for _, h := range held {
				got = append(got, fmt.Sprintf("%s=%d", h.Room, h.Weights[h.Room]))
				if h.Room == "" && (h.Live || len(consul.Roomless(held)) != 1) {
					t.Errorf("in no room, and %+v of %v", h, consul.Roomless(held))
				}
			}
			said := strings.Join(got, " ")
			if err != nil {
				said = err.Error()
			}
			if said != c.want && (err == nil || !strings.Contains(said, c.want)) {
				t.Errorf("%q, want %q", said, c.want)
			}
		})
	}
}

// TestUpstreamLeftOut: an instance that somebody took out of a room that serves stays out; a room that is out as a whole comes in, and
// half-way there, by the plan of the run, what isn't in yet still does.
func TestUpstreamLeftOut(t *testing.T) {
	in, out := `{"weight":100}`, `{"weight":100,"down":1}`
	ups, seat, prefix := oneUpstream(t, consul.Upsync, map[string]string{
		"10.1.0.1:80": in, "10.1.0.2:80": out, "10.1.0.3:80": `{"weight":100,"backup":1}`, "10.2.0.1:80": out, "10.2.0.2:80": out})
	read := func() []cutover.Held {
		held, err := ups.Read(within10s(t), ups.Seats())
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	touched := func(held []cutover.Held, cloud int) (keys []string) {
		waves, err := ups.Shape(held, map[cutover.Seat]cutover.Share{seat: shareTo(cloud)})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range slices.Concat(waves...) {
			keys = append(keys, strings.TrimPrefix(c.Object, prefix))
		}
		slices.Sort(keys)
		return keys
	}
	first := read()
	if got := touched(first, 300); !slices.Equal(got, []string{"10.1.0.1:80", "10.2.0.1:80", "10.2.0.2:80"}) {
		t.Errorf("3 %% to a room that was out touches %v", got)
	}
	m := management(t)
	put(t, m, prefix+"10.2.0.1:80", `{"weight":3,"down":0}`, 0) // the first of two requests
	if got := touched(read(), 5000); slices.Contains(got, "10.2.0.2:80") {
		t.Errorf("without a plan, one that is out in a room that serves is brought in: %v", got)
	}
	ups.OutAtFirst(first)
	if got := touched(read(), 5000); !slices.Contains(got, "10.2.0.2:80") || slices.Contains(got, "10.1.0.2:80") || slices.Contains(got, "10.1.0.3:80") {
		t.Errorf("half-way, %v is touched: want the rest of the cloud, and neither home's that was out nor its backup", got)
	}
	put(t, m, prefix+"10.1.0.2:80", in, 0)
	for _, h := range read() {
		if want := !strings.HasSuffix(h.Object, ".3:80"); h.Live != want {
			t.Errorf("%s is live: %v, want %v", h.Object, h.Live, want)
		}
	}
}

// TestUpstreamLargest: a request of as many of the largest values as a plane sends is taken by a real Consul; what is larger is named.
func TestUpstreamLargest(t *testing.T) {
	keys := map[string]string{}
	value := `{"weight":100,"down":0,"note":"` + strings.Repeat("n", consul.MaxInstance-33) + `"}`
	for i := range consul.MaxChanges {
		keys[fmt.Sprintf("10.1.0.%d:80", i+1)] = value
	}
	keys["10.2.0.1:80"] = `{"weight":100}`
	ups, seat, prefix := oneUpstream(t, consul.Upsync, keys)
	held, err := ups.Read(within10s(t), ups.Seats())
	if err != nil || len(value) != consul.MaxInstance {
		t.Fatal(len(value), err)
	}
	waves, err := ups.Shape(held, map[cutover.Seat]cutover.Share{seat: shareTo(9000)})
	if err != nil || len(waves[0]) != consul.MaxChanges {
		t.Fatal(len(waves), err)
	}
	for _, o := range ups.Write(within10s(t), session(t, management(t)), waves[0]) {
		if o.What != cutover.Done {
			t.Fatal(o.Err)
		}
	}
	put(t, management(t), prefix+"10.1.0.1:80", value+" ", 0)
	if _, err := ups.Read(within10s(t), ups.Seats()); err == nil || !strings.Contains(err.Error(), "a value of 2049 bytes") {
		t.Errorf("a larger one: %v", err)
	}
}

// TestUpstreamGone: an instance that left meanwhile is foreign and gone, and the others are to be sent again without it.
func TestUpstreamGone(t *testing.T) {
	ups, seat, prefix := oneUpstream(t, consul.Upsync, map[string]string{"10.1.0.1:80": `{"weight":97}`, "10.1.0.2:80": `{"weight":97}`, "10.2.0.1:80": `{"weight":6}`})
	held, err := ups.Read(within10s(t), ups.Seats())
	if err != nil {
		t.Fatal(err)
	}
	waves, err := ups.Shape(held, map[cutover.Seat]cutover.Share{seat: shareTo(5000)})
	if err != nil {
		t.Fatal(err)
	}
	m := management(t)
	if _, err := m.KV().Delete(prefix+"10.1.0.1:80", nil); err != nil {
		t.Fatal(err)
	}
	fence := session(t, m)
	outs := ups.Write(within10s(t), fence, waves[0])
	if len(outs) != 2 || outs[0].What != cutover.Foreign || !outs[0].Gone || outs[1].What != cutover.Failed || outs[1].RetryAfter != 0 {
		t.Fatalf("%+v, want one that is foreign and gone, and one to be sent again", outs)
	}
	if o := ups.Write(within10s(t), fence, waves[0][1:])[0]; o.What != cutover.Done {
		t.Errorf("without it: %v", o.Err)
	}
}

// TestUpstreamPolicy: the rights that --grants prints are enough, and without one of them the error names it.
func TestUpstreamPolicy(t *testing.T) {
	ups, _, prefix := oneUpstream(t, consul.Upsync, map[string]string{"10.1.0.1:80": `{"weight":97}`})
	name := strings.Split(prefix, "/")[1]
	least := consul.Policy("roomshift") + strings.Join(consul.UpstreamPolicy(name), "\n")
	setRules(t, least)
	if held, err := ups.Read(within10s(t), ups.Seats()); err != nil || len(held) != 1 {
		t.Errorf("with the rights that are printed: %v, %v", held, err)
	}
	for _, rules := range []string{consul.Policy("roomshift"), strings.Replace(least, prefix+"\" { policy = \"write\"", prefix+"\" { policy = \"read\"", 1)} {
		setRules(t, rules)
		if _, err := ups.Read(within10s(t), ups.Seats()); !errors.Is(err, consul.ErrForbidden) || !strings.Contains(err.Error(), fmt.Sprintf("key_prefix %q", prefix)) {
			t.Errorf("without the right: %v", err)
		}
	}
}

// TestUpstreamFill: a plane of upstreams gives the newer instances of a room the weight at which the share is what it was, while those
// that were there keep theirs.
func TestUpstreamFill(t *testing.T) {
	ups, seat, prefix := oneUpstream(t, consul.Upsync, map[string]string{"10.1.0.1:80": `{"weight":97}`, "10.1.0.2:80": `{"weight":97}`,
		"10.2.0.1:80": `{"weight":6}`, "10.2.0.2:80": `{"weight":1}`, "10.2.0.3:80": `{"weight":1}`})
	held, err := ups.Read(within10s(t), ups.Seats())
	if err != nil {
		t.Fatal(err)
	}
	values := ups.Fill(held, func(h *cutover.Held) bool { return strings.HasPrefix(h.Object, prefix+"10.2.") && h.Value == "1" }, shareTo(1000))
	if len(values) != 2 {
		t.Fatalf("%v, want the two newer ones", values)
	}
	for i := range held {
		if v, ok := values[held[i].Object]; ok {
			if held[i].Weights, err = ups.Weigh(held[i], v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := cutover.SeatShares(held)[seat]["cloud"]; got < 900 || got > 1100 {
		t.Errorf("%v make %d basis points, want 1000", values, got)
	}
}
