package lab

import (
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/dns/alidnstest"
	"roomshift/runbooks"
)

// given is how many of these resolvers, of the given line's, answer with a room's address.
func given(rs []*resolver, telecom bool, room string) (n, of int) {
	for _, r := range rs {
		if r.subnet.IsValid() != telecom {
			continue
		}
		of++
		if addr, ok := r.give(0); ok && addr.String() == addresses[room] {
			n++
		}
	}
	return n, of
}

// TestResolvers: they give what their line's records say, for its TTL and no longer, each from a moment of its own; those that stretch keep
// it for their minimum; and while no authority answers all go on with what they have.
func TestResolvers(t *testing.T) {
	const minimum = 5 * time.Second
	api, err := alidnstest.New(alidnstest.Options{Lines: map[string][]netip.Prefix{"telecom": {TelecomNetwork}}})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.AddZone(zone)
	id := map[string]string{}
	for _, line := range lines {
		id[line] = api.Add(alidnstest.Record{Zone: zone, RR: "www", Type: "A", Line: line, Value: addresses[Home], TTL: 2})
	}
	rs := newResolvers([]string{"www." + zone}, api.NameServers(), 40, 24, minimum, TelecomNetwork)
	defer rs.close()
	if err := rs.newer(t.Context(), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	to := func(line, room string) {
		if err := api.Change(id[line], func(r *alidnstest.Record) { r.Value = addresses[room] }); err != nil {
			t.Fatal(err)
		}
	}
	to("telecom", Cloud)
	began := time.Now()
	if n, of := given(rs.ordinary, true, Cloud); n > of/2 && time.Since(began) < 500*time.Millisecond {
		t.Errorf("%d of %d have the new answer at once: they keep none", n, of)
	}
	eventually(t, "half of those that keep to the TTL have the new answer", func() bool {
		n, of := given(rs.ordinary, true, Cloud)
		if n == of && time.Since(began) < time.Second {
			t.Fatalf("all %d have the new answer after %v of a TTL of 2 s: their answers end together", of, time.Since(began))
		}
		return n >= of/2
	})
	if n, of := given(rs.stretch, true, Cloud); n > of*4/5 && time.Since(began) < 2500*time.Millisecond {
		t.Errorf("%d of %d that keep answers for %v have the new one after %v", n, of, minimum, time.Since(began))
	}
	eventually(t, "all of that line have it", func() bool {
		a, of := given(rs.ordinary, true, Cloud)
		b, more := given(rs.stretch, true, Cloud)
		return a == of && b == more
	})
	if took := time.Since(began); took < minimum/2 {
		t.Errorf("those that stretch had the new answer after %v, and keep an answer for %v", took, minimum)
	}
	if n, of := given(append(rs.ordinary, rs.stretch...), false, Cloud); n > 0 || of != 32 {
		t.Errorf("%d of %d of the default line have the telecom line's answer", n, of)
	}
	for i := range api.NameServers() {
		api.Silence(i, true)
	}
	to("telecom", Home)
	lost := rs.lost.Load()
	eventually(t, "queries are lost", func() bool { return rs.lost.Load() > lost+askers })
	if n, of := given(rs.ordinary, true, Cloud); n != of {
		t.Errorf("%d of %d go on with what they had while nobody answers", n, of)
	}
	api.Silence(0, false) // the other one is silent yet
	eventually(t, "one authority is enough", func() bool { n, of := given(rs.ordinary, true, Home); return n == of })
}

// TestEnterByName: as many requests enter by the cloud as the name's weights say, within two points, and are counted under the name's route
// at the gateway that they entered by; what crosses is what the gateway sends on; and afterwards the load enters as it did.
func TestEnterByName(t *testing.T) {
	heal(t)
	n, err := lab.StartNames(t.Context(), NamesOptions{TTL: 2, PerSecond: 500, AtLeast: 3 * time.Second, Resolvers: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := counted(t); c.Entered[Cloud] > 0 || c.Failed > 0 {
		t.Errorf("at first %d of %d enter by the cloud, %d fail: %q", c.Entered[Cloud], c.Sent, c.Failed, c.Why)
	}
	if err := n.Set(20); err != nil {
		t.Fatal(err)
	}
	number(t, 30)
	if err := n.Renewed(t.Context()); err != nil {
		t.Fatal(err)
	}
	from, began := lab.Counts(), time.Now().Truncate(QuarterLength)
	enough := Enough(0.2, 0.02)
	eventually(t, "enough requests are answered", func() bool { return lab.Counts().Since(from).Sent >= enough })
	c := lab.Counts().Since(from)
	if err := lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	entered := 100 * float64(c.Entered[Cloud]) / float64(c.Sent)
	if crossed := 100 * float64(c.Crossed) / float64(c.Sent); math.Abs(entered-20) > 2 || math.Abs(crossed-24) > 2 || math.Abs(c.Share(Cloud)-44) > 2 {
		t.Errorf("%.1f %% enter by the cloud and %.1f %% cross, %.1f %% are served there, of %d; want 20, 24, 44", entered, crossed, c.Share(Cloud), c.Sent)
	}
	if c.Failed > 0 {
		t.Errorf("%d failed: %q", c.Failed, c.Why)
	}
	t.Logf("%.2f %% enter by the cloud, %.2f %% are served there, of %d; want 20, 44", entered, c.Share(Cloud), c.Sent)
	sum := int64(0)
	for _, s := range lab.Quarters(began) {
		sum += s.Entered[Home] + s.Entered[Cloud]
	}
	if sum < c.Sent || sum > c.Sent+3*int64(n.o.PerSecond) {
		t.Errorf("%d requests by quarters, %d in all", sum, c.Sent)
	}
	if answered, lost := n.Asked(); answered < 2000 || lost > 0 {
		t.Errorf("%d queries answered, %d lost", answered, lost)
	}
	n.Close()
	number(t, 3)
	if err := lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := counted(t); math.Abs(100*float64(c.Entered[Cloud])/float64(c.Sent)-10) > 1.5 {
		t.Errorf("%d of %d enter by the cloud when the names are gone", c.Entered[Cloud], c.Sent)
	}
}

// TestNamesAreAPart: with names, rooms.yaml and the runbook are ones that the language takes, no secret is in them, every word that the
// help says is understood, and nothing of it stays.
func TestNamesAreAPart(t *testing.T) {
	was := lab.RoomsYAML()
	n, err := lab.StartNames(t.Context(), NamesOptions{Resolvers: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	yaml := lab.RoomsYAML()
	rooms, problems := runbooks.LoadRooms(lab.RoomsFile(), []byte(yaml))
	book := lab.runbooks()["names"]
	_, more := runbooks.LoadRunbook("names.yaml", []byte(book), rooms)
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	if secrets := n.adds().secrets; len(secrets) < 2 || !slices.Contains(lab.Secrets(), secrets[1]) || strings.Contains(yaml+book, secrets[1]) {
		t.Error("the key is no secret of the lab's, or in a file beside its own")
	}
	for line := range strings.Lines(lab.Help()) {
		if word, rest, _ := strings.Cut(line, " "); word == "dns" {
			words, _, _ := strings.Cut(rest, " ")
			for w := range strings.SplitSeq(strings.ReplaceAll(words, "NUMBER", "7"), "|") {
				do(t, "dns "+w)
			}
		}
	}
	for _, bad := range []string{"dns", "dns dance", "dns 101", "dns -1", "dns up now"} {
		if _, err := lab.Do(t.Context(), bad); err == nil {
			t.Errorf("%s is understood", bad)
		}
	}
	if said := lab.status(t.Context()); !strings.Contains(said, "www.lab.test: weight 7 in the cloud") {
		t.Errorf("the status is %s", said)
	}
	do(t, "dns hang")
	do(t, "heal")
	if resp, err := http.Get(n.API.URL()); err != nil {
		t.Errorf("after heal the provider still hangs: %v", err)
	} else {
		_ = resp.Body.Close()
	}
	n.Close()
	if now := lab.RoomsYAML(); now != was {
		t.Errorf("rooms.yaml was\n%s\nand is\n%s", was, now)
	}
	if _, err := lab.Do(t.Context(), "dns up"); err == nil {
		t.Error("dns up is understood without names")
	}
}
