package consul_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/lab/server"
)

func answer(status int, body string, header http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// oneKey is a plane of one percent key that holds 10, through a proxy.
func oneKey(t *testing.T) (*consul.NumberKeys, *cutovertest.Proxy, cutover.Fence, cutover.Change) {
	m, key := management(t), "gateway/"+unique()
	put(t, m, key, "10", 0)
	proxy := cutovertest.NewProxy(t, realHost())
	seat := cutover.Seat{Route: "gw", At: "home"}
	keys := client(t, proxy.Addr(), nil).NumberKeys("p", "home", map[cutover.Seat]consul.KeySpec{seat: {Key: key, As: "percent", Of: "cloud"}}, rooms)
	held, err := keys.Read(within10s(t), []cutover.Seat{seat})
	if err != nil {
		t.Fatal(err)
	}
	return keys, proxy, session(t, m), cutover.Change{Seat: seat, Plane: "p", Object: key, Before: "10", After: "20", Version: held[0].Version}
}

// TestAnswersToldApart: what didn't land for sure is failed, and says why and when to try again; the rest is unknown.
func TestAnswersToldApart(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		header  http.Header
		what    cutover.What
		is      error
		retry   cutover.T
		says    string
		atReads bool
	}{
		{429, "Your IP is issuing too many concurrent connections", http.Header{"Retry-After": {"7"}}, cutover.Failed, consul.ErrThrottled, 7 * cutover.Second, "too many", true},
		{429, "rate limit exceeded, try again later or against a different server", nil, cutover.Failed, consul.ErrThrottled, cutover.Second, "rate limit", true},
		{503, "rate limit exceeded, try again later", http.Header{"Retry-After": {"2"}}, cutover.Failed, consul.ErrThrottled, 2 * cutover.Second, "rate limit", true},
		{413, "Transaction contains too many operations (129 > 128)", nil, cutover.Failed, consul.ErrTooLarge, 0, "129", true},
		{500, "No cluster leader", nil, cutover.Failed, consul.ErrNoLeader, 0, "leader", true},
		{500, "rpc error making call: No cluster leader", nil, cutover.Failed, consul.ErrNoLeader, 0, "leader", true},
		{500, "No path to datacenter", nil, cutover.Failed, nil, 0, "datacenter", true},
		{500, "rpc error making call: leadership lost while committing log", nil, cutover.Unknown, cutover.ErrOutcomeUnknown, 0, "leadership lost", false},
		{500, "rpc error making call: EOF", nil, cutover.Unknown, cutover.ErrOutcomeUnknown, 0, "EOF", false},
		{502, "Bad Gateway", nil, cutover.Unknown, cutover.ErrOutcomeUnknown, 0, "Bad Gateway", false},
		{503, "no server is available", http.Header{"Retry-After": {"Fri, 01 Jan 2100 00:00:00 GMT"}}, cutover.Unknown, cutover.ErrOutcomeUnknown, 3600 * cutover.Second, "no server", false},
		{200, "<html>", nil, cutover.Unknown, cutover.ErrOutcomeUnknown, 0, "invalid", false},
		{200, `{"Results":null}`, nil, cutover.Unknown, cutover.ErrOutcomeUnknown, 0, "index", false},
		{403, "ACL not found", nil, cutover.Failed, consul.ErrForbidden, 0, "ACL not found", true},
		{400, "Bad request", nil, cutover.Failed, nil, 0, "Bad request", true},
		{404, "not here", nil, cutover.Failed, nil, 0, "not here", true},
		{307, "elsewhere", http.Header{"Location": {"http://127.0.0.1:1/"}}, cutover.Failed, nil, 0, "elsewhere", true},
		{409, `{"Errors":[{"OpIndex":0,"What":"failed session check"}]}`, nil, cutover.Failed, cutover.ErrLeaseLost, 0, "session", false},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.body), func(t *testing.T) {
			keys, proxy, fence, change := oneKey(t)
			var asked string
			proxy.Answer(func(r *http.Request) *http.Response {
				asked = r.Header.Get("X-Consul-Token")
				return answer(c.status, c.body+" "+echo(c.status, asked), c.header)
			})
			o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]
			if o.What != c.what || o.RetryAfter != c.retry || o.Err == nil || c.is != nil && !errors.Is(o.Err, c.is) {
				t.Fatalf("%v, retry after %v: %v, want %v, %v: %v", o.What, o.RetryAfter, o.Err, c.what, c.retry, c.is)
			}
			if !strings.Contains(o.Err.Error(), c.says) || !strings.Contains(o.Err.Error(), "home") {
				t.Errorf("%q doesn't say %q and which Consul", o.Err, c.says)
			}
			if asked != real.Token || strings.Contains(o.Err.Error(), real.Token) {
				t.Errorf("asked with the token %t; the error tells it: %v", asked == real.Token, o.Err)
			}
			if !c.atReads {
				return
			}
			proxy.Answer(func(r *http.Request) *http.Response { return answer(c.status, c.body+" "+real.Token, c.header) })
			_, err := keys.Read(within10s(t), keys.Seats())
			if err == nil || c.is != nil && !errors.Is(err, c.is) || strings.Contains(err.Error(), real.Token) {
				t.Errorf("read: %v, want %v without the token", err, c.is)
			}
		})
	}
}

// echo makes errors hold the token, as a proxy that prints headers would; not where the body must be JSON.
func echo(status int, token string) string {
	if status == 200 || status == 409 {
		return ""
	}
	return token
}

// TestWriteWithoutVersion: a change that knows the value before only is read first, and written by that version.
func TestWriteWithoutVersion(t *testing.T) {
	keys, proxy, fence, change := oneKey(t)
	m := management(t)
	put(t, m, change.Object, "10\n", 3)
	change.Version = ""
	before := proxy.Sent()
	if o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Done || o.Version == "" {
		t.Fatalf("%v at %q: %v, want done", o.What, o.Version, o.Err)
	}
	if p := get(t, m, change.Object); string(p.Value) != "20\n" || p.Flags != 3 {
		t.Errorf("the key holds %q with flags %d, want 20, its newline and 3", p.Value, p.Flags)
	}
	if n := proxy.Sent() - before; n != 2 {
		t.Errorf("%d requests, want one to read and one to write", n)
	}
	if o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Errorf("what is there already is %v: %v, want done", o.What, o.Err)
	}
	put(t, m, change.Object, "33", 0)
	if o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Foreign || o.Found != "33" {
		t.Errorf("another value is %v %q: %v, want foreign 33", o.What, o.Found, o.Err)
	}
}

// TestStrangeValues: what somebody else left at the key is foreign with what it was, and never written over.
func TestStrangeValues(t *testing.T) {
	keys, proxy, fence, change := oneKey(t)
	m := management(t)
	for _, value := range []string{"", "ten", "101", "-1", `{"cloud":10}`, strings.Repeat("1", consul.MaxValue+1)} {
		put(t, m, change.Object, value, 0)
		before := proxy.Sent()
		o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]
		if o.What != cutover.Foreign || o.Found == "" || o.Err == nil || !strings.Contains(o.Err.Error(), change.Object) {
			t.Errorf("%.20q is %v %q: %v, want foreign, found and the key named", value, o.What, o.Found, o.Err)
		}
		if n := proxy.Sent() - before; n != 2 {
			t.Errorf("%d requests, want one to write and one to see what is there", n)
		}
		overwrite := change
		overwrite.Before, overwrite.Version = o.Found, o.Version
		if value != "101" {
			if o := keys.Write(within10s(t), fence, []cutover.Change{overwrite})[0]; o.What == cutover.Done {
				t.Errorf("%.20q was written over as if all of it were the number", value)
			}
		}
		if held, err := keys.Read(within10s(t), keys.Seats()); err == nil || !strings.Contains(err.Error(), change.Object) {
			t.Errorf("%.20q is listed as %v: %v, want an error that names the key", value, held, err)
		}
		put(t, m, change.Object, "10", 0)
	}
	if _, err := m.KV().Delete(change.Object, nil); err != nil {
		t.Fatal(err)
	}
	if o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Foreign || !o.Gone {
		t.Errorf("a deleted key is %v, gone %t: %v, want foreign and gone", o.What, o.Gone, o.Err)
	}
	if _, err := keys.Read(within10s(t), keys.Seats()); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a deleted key reads as %v, want an error that says so", err)
	}
}

// TestManyKeys: listings of more than a transaction holds, and a write of as many as it holds.
func TestManyKeys(t *testing.T) {
	m, id := management(t), "gateway/"+unique()
	seats := map[cutover.Seat]consul.KeySpec{}
	for i := range 150 {
		key := fmt.Sprintf("%s/%03d", id, i)
		put(t, m, key, `{"pad":"`+strings.Repeat("x", 3800)+`","n":10}`, 0)
		seats[cutover.Seat{Route: fmt.Sprintf("r%03d", i)}] = consul.KeySpec{Key: key, Field: "n", As: "basispoints", Of: "home"}
	}
	c := client(t, "", nil)
	keys := c.NumberKeys("p", "home", seats, rooms)
	held, err := keys.Read(within10s(t), keys.Seats())
	if err != nil || len(held) != 150 {
		t.Fatalf("%d objects: %v", len(held), err)
	}
	want := map[cutover.Seat]cutover.Share{}
	for _, h := range held {
		want[h.Seat] = cutover.Share{"home": 9, "cloud": 9991}
	}
	waves, err := keys.Shape(held, want)
	if err != nil || len(waves) != 1 || len(waves[0]) != 150 {
		t.Fatalf("shape: %d waves: %v", len(waves), err)
	}
	for _, o := range keys.Write(within10s(t), session(t, m), waves[0][:consul.MaxChanges+1]) {
		if o.What != cutover.Failed || !strings.Contains(o.Err.Error(), "not sent") {
			t.Fatalf("more than MaxChanges: %v: %v, want failed, not sent", o.What, o.Err)
		}
	}
	for _, o := range keys.Write(within10s(t), session(t, m), waves[0][:consul.MaxChanges]) { // 63 of nearly the largest values
		if o.What != cutover.Done {
			t.Fatal(o.What, o.Err)
		}
	}
	delete(seats, cutover.Seat{Route: "r000"})
	if _, err := m.KV().Delete(id+"/070", nil); err != nil {
		t.Fatal(err)
	}
	if held, err := keys.Read(within10s(t), keys.Seats()); err == nil || !strings.Contains(err.Error(), id+"/070") {
		t.Errorf("%d objects: %v, want the missing one named", len(held), err)
	}
}

// TestBadSpecs: what can't be right is said by the first Read, without a request.
func TestBadSpecs(t *testing.T) {
	proxy := cutovertest.NewProxy(t, realHost())
	c := client(t, proxy.Addr(), nil)
	gw, api := cutover.Seat{Route: "gw"}, cutover.Seat{Route: "api"}
	good := consul.KeySpec{Key: "gateway/x", As: "percent", Of: "cloud"}
	for says, seats := range map[string]map[cutover.Seat]consul.KeySpec{
		`"" is no key`:           {gw: {As: "percent", Of: "cloud"}},
		`"parts": want percent`:  {gw: {Key: "k", As: "parts", Of: "cloud"}},
		`none of the rooms`:      {gw: {Key: "k", As: "percent", Of: "mars"}},
		`the field "a..b"`:       {gw: {Key: "k", Field: "a..b", As: "percent", Of: "cloud"}},
		`the field ".a"`:         {gw: {Key: "k", Field: ".a", As: "percent", Of: "cloud"}},
		`the field "a."`:         {gw: {Key: "k", Field: "a.", As: "percent", Of: "cloud"}},
		`gateway/x is api's too`: {gw: good, api: good},
	} {
		keys := c.NumberKeys("p", "home", seats, rooms)
		if _, err := keys.Read(within10s(t), keys.Seats()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want an error with %q", seats, err, says)
		}
	}
	if n := proxy.Sent(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestNothingFromTheEnvironment: what consul's own tools read there must not reach another room's Consul.
func TestNothingFromTheEnvironment(t *testing.T) {
	_, proxy, _, change := oneKey(t)
	for k, v := range map[string]string{"CONSUL_HTTP_TOKEN": "somebody's", "CONSUL_HTTP_TOKEN_FILE": "/nowhere", "CONSUL_HTTP_SSL": "true",
		"CONSUL_NAMESPACE": "n", "CONSUL_HTTP_AUTH": "user:word", "CONSUL_CACERT": "/nowhere", "CONSUL_PARTITION": "p", "HTTP_PROXY": "http://127.0.0.1:1"} {
		t.Setenv(k, v)
	}
	keys := client(t, proxy.Addr(), nil).NumberKeys("p", "home", map[cutover.Seat]consul.KeySpec{change.Seat: {Key: change.Object, As: "percent",
		Of: "cloud"}}, rooms)
	if _, err := keys.Read(within10s(t), keys.Seats()); err != nil {
		t.Fatal(err)
	}
	bare := client(t, proxy.Addr(), func(c *consul.Config) { c.TokenFile, c.Datacenter = "", "elsewhere" })
	var got *http.Request
	proxy.Answer(func(r *http.Request) *http.Response { got = r; return answer(500, "no", nil) })
	_, _ = bare.NumberKeys("p", "", map[cutover.Seat]consul.KeySpec{{Route: "x"}: {Key: "x", As: "percent", Of: "home"}}, rooms).
		Read(within10s(t), []cutover.Seat{{Route: "x"}})
	if got == nil || got.Header.Get("X-Consul-Token") != "" || got.Header.Get("Authorization") != "" || got.URL.Query().Get("ns") != "" ||
		got.URL.Query().Get("partition") != "" || got.URL.Query().Get("dc") != "elsewhere" || !got.URL.Query().Has("consistent") {
		t.Errorf("the request is %v, want no token, namespace or user, dc=elsewhere and consistent", got)
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	two := filepath.Join(dir, "two")
	if err := os.WriteFile(two, []byte("one\ntwo-is-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, c := range map[string]consul.Config{
		"is no http://HOST:PORT": {Name: "home", Addr: "127.0.0.1:8500"},
		"holds a user":           {Name: "home", Addr: "http://me:secret@127.0.0.1:8500"},
		"nowhere":                {Name: "home", Addr: real.Addr, TokenFile: filepath.Join(dir, "nowhere")},
		"no token on one line":   {Name: "home", Addr: real.Addr, TokenFile: two},
		"set up TLS":             {Name: "home", Addr: real.Addr, CAFile: two},
		"both client cert":       {Name: "home", Addr: real.Addr, CertFile: two},
	} {
		if _, err := consul.New(c); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "home") ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want an error with %q and no secret", c, err, says)
		}
	}
}

// TestPolicyIsLeast: Policy is enough for a whole run, and without any one line of it the error names the right that lacks.
func TestPolicyIsLeast(t *testing.T) {
	m, key, prefix := management(t), "gateway/"+unique(), "roomshift/"+unique()
	put(t, m, key, "10", 0)
	seat := cutover.Seat{Route: "gw", At: "home"}
	run := func(t *testing.T) error {
		c := client(t, "", nil)
		keys := c.NumberKeys("p", "home", map[cutover.Seat]consul.KeySpec{seat: {Key: key, As: "percent", Of: "cloud"}}, rooms)
		held, err := keys.Read(within10s(t), []cutover.Seat{seat})
		if err != nil {
			return err
		}
		lease, err := c.Lock(prefix, lockOptions(nil)).Take(within10s(t), claimOf("r1", "gw"))
		if err != nil {
			return err
		}
		change := cutover.Change{Seat: seat, Plane: "p", Object: key, Before: held[0].Value, After: held[0].Value, Version: held[0].Version}
		err = keys.Write(within10s(t), lease.Fence(), []cutover.Change{change})[0].Err
		return errors.Join(err, lease.Release(within10s(t), false))
	}
	policy := consul.Policy(prefix, key)
	setRules(t, policy)
	if err := run(t); err != nil {
		t.Fatalf("with all of\n%s: %v", policy, err)
	}
	for _, c := range []struct{ instead, with, says string }{
		{`key "` + key + `" { policy = "write" }`, "", `key "` + key + `" { policy = "read" }`},
		{`key "` + key + `" { policy = "write" }`, `key "` + key + `" { policy = "read" }`, `key "` + key + `" { policy = "write" }`},
		{`key_prefix "` + prefix + `/" { policy = "write" }`, "", `key "` + prefix + `/`},
		{`key_prefix "` + prefix + `/" { policy = "write" }`, `key_prefix "` + prefix + `/" { policy = "read" }`, `{ policy = "write" }`},
		{`session_prefix "" { policy = "write" }`, "", `session_prefix "" { policy = "write" }`},
	} {
		less := strings.Replace(policy, c.instead, c.with, 1)
		if less == policy {
			t.Fatalf("%s isn't in the policy\n%s", c.instead, policy)
		}
		setRules(t, less)
		if err := run(t); !errors.Is(err, consul.ErrForbidden) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("without %s but %q: %v, want ErrForbidden that says %s", c.instead, c.with, err, c.says)
		}
	}
}

func TestTLS(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	take := func(change func(*consul.Config)) error {
		config := consul.Config{Name: "cloud", Addr: s.Addr, CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile}
		change(&config)
		c, err := consul.New(config)
		if err != nil {
			return err
		}
		defer c.Close()
		lease, err := c.Lock("roomshift", lockOptions(nil)).Take(ctx, claimOf("r1", "gw"))
		if err != nil {
			return err
		}
		return lease.Release(ctx, false)
	}
	if err := take(func(*consul.Config) {}); err != nil {
		t.Error(err)
	}
	if err := take(func(c *consul.Config) { c.ServerName = "localhost" }); err != nil {
		t.Error("by another name of the certificate:", err)
	}
	for name, change := range map[string]func(*consul.Config){
		"no client certificate": func(c *consul.Config) { c.CertFile, c.KeyFile = "", "" },
		"no authority":          func(c *consul.Config) { c.CAFile = "" },
		"another server's name": func(c *consul.Config) { c.ServerName = "consul.example" },
		"plain HTTP":            func(c *consul.Config) { c.Addr = strings.Replace(c.Addr, "https", "http", 1) },
	} {
		if err := take(change); err == nil {
			t.Errorf("%s: taken, want an error", name)
		}
	}
}
