package consul_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/lab/server"
)

// The tests use one real Consul with ACLs, and a token that may do no more than Policy says for a prefix of keys.
var (
	real  *server.Consul
	rules = consul.Policy("roomshift") + `key_prefix "gateway/" { policy = "write" }` + "\n" + `key_prefix "upstreams/" { policy = "write" }` + "\n" + serviceRules
	rooms = [2]cutover.Room{"home", "cloud"}
)

func TestMain(m *testing.M) {
	if told := os.Getenv(childHolds); told != "" {
		fmt.Fprintln(os.Stderr, holdAsChild(told)) // it is killed, unless something is wrong
		os.Exit(1)
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "consul-test")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	real, err = server.StartConsul(ctx, dir, server.ConsulOptions{Datacenter: "home", ACL: true, Rules: rules, Connect: true})
	if err != nil {
		return 1, err
	}
	defer real.Kill()
	code := m.Run()
	real.Kill()
	if err := goleak.Find(); err != nil && code == 0 {
		return 1, err
	}
	return code, nil
}

// management is somebody else, who may do anything. Its connections end with the test.
func management(t testing.TB) *api.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: real.Addr, Token: real.Management, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client is the real Consul's, through a host:port if one is given.
func client(t testing.TB, through string, change func(*consul.Config)) *consul.Client {
	t.Helper()
	config := consul.Config{Name: "home", Addr: real.Addr, TokenFile: real.TokenFile}
	if through != "" {
		config.Addr = "http://" + through
	}
	if change != nil {
		change(&config)
	}
	c, err := consul.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func realHost() string { return strings.TrimPrefix(real.Addr, "http://") }

var serial atomic.Int64

// unique is a word that no other test uses.
func unique() string { return fmt.Sprintf("t%d", serial.Add(1)) }

// session makes a session that holds the lock of a run of its own.
func session(t testing.TB, m *api.Client) cutover.Fence {
	t.Helper()
	id, _, err := m.Session().CreateNoChecks(&api.SessionEntry{TTL: "60s", LockDelay: time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := m.Session().Destroy(id, nil); err != nil {
			t.Error(err)
		}
	})
	f := cutover.Fence{Session: id, Key: "roomshift/lock/" + unique(), Index: 1}
	if ok, _, err := m.KV().Acquire(&api.KVPair{Key: f.Key, Session: id}, nil); err != nil || !ok {
		t.Fatal("acquire:", ok, err)
	}
	return f
}

func put(t testing.TB, m *api.Client, key, value string, flags uint64) {
	t.Helper()
	if _, err := m.KV().Put(&api.KVPair{Key: key, Value: []byte(value), Flags: flags}, nil); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, m *api.Client, key string) *api.KVPair {
	t.Helper()
	pair, _, err := m.KV().Get(key, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// numberIn finds the number in the suite's values, not by the product's way.
var numberIn = regexp.MustCompile(`^(\s*|[^#]*"cloud" :\t)([0-9]+)`)

// keysUnderTest are three number keys in the real Consul: plain with a newline, plain per mille, and a JSON field among others.
func keysUnderTest(t *testing.T) cutovertest.MediumUnderTest {
	m := management(t)
	id := "gateway/" + unique()
	json, plain, permille := id+"/json", id+"/plain", id+"/permille"
	put(t, m, json, "{ \"name\":\"gw ✓\",\r\n  \"cloud\": 7, \"split\": {\"home\":90.50, \"cloud\" :\t10.00 ,\"x\":1.50e1},\"z\":[{\"cloud\":3}] }\n", 42)
	put(t, m, plain, "5\n", 0)
	put(t, m, permille, " 20", 7)
	seats := map[cutover.Seat]consul.KeySpec{
		{Route: "gw", At: "home"}:  {Key: json, Field: "split.cloud", As: "percent", Of: "cloud"},
		{Route: "gw", At: "cloud"}: {Key: plain, As: "percent", Of: "cloud"},
		{Route: "api"}:             {Key: permille, As: "permille", Of: "cloud"},
	}
	fence := session(t, m)
	proxy := cutovertest.NewProxy(t, realHost())
	c := client(t, proxy.Addr(), nil)
	keys := c.NumberKeys("keys@home", "home", seats, rooms)
	change := changes(t, m)
	return cutovertest.MediumUnderTest{
		Medium: keys, Plane: c.Plane("keys@home", "home", "home", keys), Seats: keys.Seats(), Rooms: rooms, Fence: fence,
		Inexpressible: 50, Secrets: []string{real.Token, real.Management}, Wire: proxy.Wire(),
		Foreign: func(object, value string) {
			change(object, func(p *api.KVPair) { p.Value = numberIn.ReplaceAll(p.Value, []byte("${1}"+value)) })
		},
		Rest: func(object string) string {
			p := get(t, m, object)
			return fmt.Sprintf("%d %q", p.Flags, numberIn.ReplaceAll(p.Value, []byte("${1}#")))
		},
		Disturb: func(object string) {
			change(object, func(p *api.KVPair) { p.Value, p.Flags = append(p.Value, " \n\n"...), p.Flags+1 })
		},
		Remake: remakes(t, m),
		Hide: func() {
			setRules(t, rules+fmt.Sprintf("key %q { policy = \"deny\" }\n", permille))
		},
		LoseLease: ends(t, m, fence),
	}
}

// changes is a way to write a key as somebody else would.
func changes(t testing.TB, m *api.Client) func(object string, f func(p *api.KVPair)) {
	return func(object string, f func(p *api.KVPair)) {
		p := get(t, m, object)
		f(p)
		put(t, m, object, string(p.Value), p.Flags)
	}
}

// remakes is a way to make a key anew, as it is.
func remakes(t testing.TB, m *api.Client) func(object string) {
	return func(object string) {
		p := get(t, m, object)
		if _, err := m.KV().Delete(object, nil); err != nil {
			t.Fatal(err)
		}
		put(t, m, object, string(p.Value), p.Flags)
	}
}

// ends is a way to end the session behind a lock.
func ends(t testing.TB, m *api.Client, f cutover.Fence) func() {
	return func() {
		if _, err := m.Session().Destroy(f.Session, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// setRules changes what the token may do until the test ends.
func setRules(t *testing.T, now string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := real.SetRules(ctx, now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := real.SetRules(ctx, rules); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNumberKeys(t *testing.T) { cutovertest.MediumSuite(t, keysUnderTest) }
