package consul_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

var networks = []consul.Network{
	{Room: "home", Prefix: netip.MustParsePrefix("10.1.0.0/16")},
	{Room: "cloud", Prefix: netip.MustParsePrefix("10.2.0.0/16")},
}

// fill makes n instances of an upstream in each room, with the value of each as given.
func fill(t testing.TB, m *api.Client, upstream string, home, cloud int, value func(i int) string) {
	t.Helper()
	var ops api.TxnOps
	flush := func() {
		if ok, answer, _, err := m.Txn().Txn(ops, nil); err != nil || !ok {
			t.Fatal("fill:", answer, err)
		}
		ops = nil
	}
	for room, n := range []int{home, cloud} {
		for i := range n {
			key := fmt.Sprintf("upstreams/%s/10.%d.%d.%d:8080", upstream, room+1, i/250, i%250+1)
			ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: []byte(value(i)), Flags: uint64(i)}})
			if len(ops) == 63 {
				flush()
			}
		}
	}
	if len(ops) > 0 {
		flush()
	}
}

// oursIn finds our members in the suite's values, not by the product's way.
var (
	memberIn = regexp.MustCompile(`"weight" *: *"?([0-9]+)"?`)
	outIn    = regexp.MustCompile(`,?"(down|check_status)" *: *"?(0|1|true|false)"?`)
)

// upstreamsUnderTest are two upstreams of one consumer in the real Consul, of three and five instances in each room.
func upstreamsUnderTest(t *testing.T, consumer consul.UpstreamConsumer, first func(i int) string, put2 func(was, value string) string) cutovertest.MediumUnderTest {
	m := management(t)
	one, two := unique(), unique()
	fill(t, m, one, 3, 3, first)
	fill(t, m, two, 5, 2, first)
	seats := map[cutover.Seat]consul.UpstreamSpec{{Route: "api", At: "home"}: {Name: one, Consumer: consumer}, {Route: "im", At: "home"}: {Name: two, Consumer: consumer}}
	fence := session(t, m)
	proxy := cutovertest.NewProxy(t, realHost())
	c := client(t, proxy.Addr(), nil)
	ups := c.Upstreams("upstreams@home", seats, rooms[:], networks)
	change := changes(t, m)
	return cutovertest.MediumUnderTest{
		Medium: ups, Plane: c.Plane("upstreams@home", "home", "home", ups), Seats: ups.Seats(), Rooms: rooms, Fence: fence,
		Inexpressible: 0, Shares: []int{300, 1000, 6000, 10000, 0}, Secrets: []string{real.Token, real.Management}, Wire: proxy.Wire(),
		Foreign: func(object, value string) {
			change(object, func(p *api.KVPair) { p.Value = []byte(put2(string(p.Value), value)) })
		},
		Rest: func(object string) string {
			p := get(t, m, object)
			return fmt.Sprintf("%d %q", p.Flags, outIn.ReplaceAllString(memberIn.ReplaceAllString(string(p.Value), "W"), ""))
		},
		Disturb: func(object string) {
			change(object, func(p *api.KVPair) {
				p.Value, p.Flags = []byte(strings.Replace(string(p.Value), `"max_fails":2`, `"max_fails":7 , "note":"✓"`, 1)), p.Flags+1
			})
		},
		Remake: remakes(t, m),
		Hide: func() {
			setRules(t, rules+fmt.Sprintf("key \"upstreams/%s/10.1.0.2:8080\" { policy = \"deny\" }\n", one))
		},
		LoseLease: ends(t, m, fence),
	}
}

// TestUpstreams runs the contract on the keys of both consumers.
func TestUpstreams(t *testing.T) {
	t.Run("upsync", func(t *testing.T) {
		cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest {
			return upstreamsUnderTest(t, consul.Upsync, func(i int) string {
				return fmt.Sprintf("{\"weight\":100,\"max_fails\":2, \"fail_timeout\":%d,\"down\":0,\"backup\":0}\n", i)
			}, func(was, value string) string {
				weight, down, _ := strings.Cut(value, " down=")
				return strings.Replace(memberIn.ReplaceAllString(was, `"weight":`+weight), `"down":0`, `"down":`+down, 1)
			})
		})
	})
	t.Run("apisix", func(t *testing.T) {
		cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest {
			return upstreamsUnderTest(t, consul.APISIX, func(i int) string {
				return fmt.Sprintf(`{"weight": "%d", "max_fails":2,"fail_timeout":%d}`, 120, i)
			}, func(was, value string) string {
				weight, status, out := strings.Cut(value, " check_status=")
				now := memberIn.ReplaceAllString(outIn.ReplaceAllString(was, ""), `"weight": "`+weight+`"`)
				if out {
					now = strings.Replace(now, "}", `,"check_status":`+status+"}", 1)
				}
				return now
			})
		})
	})
}
