package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// TestHalfGone: instances that are down but still named blind a gate as soon as fewer than 80 % report; those that service
// discovery doesn't name any more are nobody's loss.
func TestHalfGone(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	gate := runbooks.Gate{Query: `sum(rate(quad_total{room="$room"}[3s]))`}
	ask := func() cutover.Sample {
		return gauge(t, m, &gate, cutover.GatePlan{MaxAge: 3 * cutover.Second}, "home").sample(t.Context(), 0)
	}
	is := func(why string) func() bool {
		return func() bool { return string(ask().Unknown) == why }
	}
	await(t, "all four report", is(""))
	for i, n := range quad[:2] {
		real.targets[n].refuse(true)
		await(t, fmt.Sprintf("%d of four are down", i+1), is(fmt.Sprintf("no data: only %d %% of the live instances report, wanted 80 %%", 75-25*i)))
	}
	if s := ask(); s.From != s.At || s.Lo != 0 {
		t.Errorf("%+v", s)
	}
	real.discover(quad[2:]...)
	await(t, "the other two are all that there are", is(""))
	if s := ask(); s.At-s.From != 3*cutover.Second || s.Lo < 19 || s.Lo > 31 {
		t.Errorf("two instances, and what the others counted within the range: %+v", s)
	}
	for _, n := range quad {
		real.targets[n].refuse(false)
	}
	real.discover(quad...)
	await(t, "they are back", is(""))
}

// TestStale: a series that its exporter stops telling is unknown from the next scrape on, though its range still has data.
func TestStale(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	home := real.targets["home"]
	tell := func(yes bool) {
		home.mu.Lock()
		defer home.mu.Unlock()
		delete(home.rates, "passing_total")
		if yes {
			home.rates["passing_total"] = 10
		}
	}
	for query, want := range map[string]string{
		`sum(rate(passing_total[20s]))`: "no data: none of the metrics that it reads has data",
		`sum(passing_total)`:            "no data: value is empty",
	} {
		tell(true)
		ask := func() cutover.Sample {
			return gauge(t, m, &runbooks.Gate{Query: query}, cutover.GatePlan{MaxAge: 10 * cutover.Second}, "home").sample(t.Context(), 0)
		}
		await(t, "it is told", func() bool { return ask().Unknown == "" })
		tell(false)
		began := m.now()
		await(t, query+" is unknown", func() bool { return string(ask().Unknown) == want })
		if took := m.now() - began; took > 9*cutover.Second {
			t.Errorf("%s: unknown after %v, sooner than its data is too old is wanted", query, took.Duration())
		}
	}
}

// front is a server in front of the real Prometheus that answers as the test says.
type front struct {
	*httptest.Server
	mu    sync.Mutex
	serve func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func newFront(t *testing.T, addr string) *front {
	t.Helper()
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	next := httputil.NewSingleHostReverseProxy(u)
	tr := http.DefaultTransport.(*http.Transport).Clone()
	next.Transport = tr
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		serve := f.serve
		f.mu.Unlock()
		if serve == nil {
			next.ServeHTTP(w, r)
			return
		}
		serve(w, r, next)
	}))
	t.Cleanup(func() {
		f.Server.Close()
		tr.CloseIdleConnections()
	})
	return f
}

func (f *front) set(serve func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serve = serve
}

// addField adds a field to a true answer.
func addField(field string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Accept-Encoding")
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		body, _ := io.ReadAll(rec.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rec.Code)
		fmt.Fprint(w, strings.TrimSuffix(strings.TrimSpace(string(body)), "}")+","+field+"}")
	}
}

// asked is a request again, with its form changed: to read the form takes the body away.
func asked(r *http.Request, change func(url.Values)) *http.Request {
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	change(r.Form)
	u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.Form.Encode()}
	again, err := http.NewRequestWithContext(r.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		panic(err)
	}
	return again
}

func answers(code int, body string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// TestRemote: a Prometheus behind something that is slow, hangs, fails, or answers in part. What isn't a whole answer is unknown,
// in time and by name; one that is late is as old as it is.
func TestRemote(t *testing.T) {
	const timeOut = 400 * time.Millisecond
	f := newFront(t, real.addr(t))
	rooms := realRoomsYAML(t)
	rooms.Prometheus.Addr = f.URL
	m := mustNew(t, Config{Rooms: rooms, TimeOut: timeOut})
	gone := make(chan struct{})
	wait := func(d time.Duration, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		case <-gone:
		}
	}
	defer close(gone)
	for _, c := range []struct {
		name  string
		serve func(http.ResponseWriter, *http.Request, http.Handler)
		why   string
	}{
		{"as it is", nil, ""},
		{"slow before it is asked", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			wait(timeOut/2, r)
			next.ServeHTTP(w, r)
		}, ""},
		{"slow after it was asked", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := httptest.NewRecorder()
			r.Header.Del("Accept-Encoding")
			next.ServeHTTP(rec, r)
			wait(timeOut/2, r)
			_, _ = w.Write(rec.Body.Bytes())
		}, ""},
		{"hangs", func(_ http.ResponseWriter, r *http.Request, _ http.Handler) { wait(time.Minute, r) },
			"no answer: the shared prometheus didn't answer within 400ms"},
		{"hangs in the middle of its answer", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"status":"success","data":{`)
			w.(http.Flusher).Flush()
			wait(time.Minute, r)
		}, "no answer: the shared prometheus didn't answer within 400ms"},
		{"cuts its answer", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"status":"success","data":{`)
		}, "no answer: the shared prometheus: …EOF"},
		{"500", answers(500, "<html>oops</html>"), "error: the shared prometheus: server error: 500"},
		{"502", answers(502, ""), "error: the shared prometheus: server error: 502"},
		{"503 with its reason", answers(503, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`),
			"error: the shared prometheus: server error: 503: query timed out in expression evaluation"},
		{"422 with its reason", answers(422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}`),
			"error: the shared prometheus: query processing would load too many samples into memory"},
		{"429", answers(429, "slow down"), "error: the shared prometheus: client error: 429"},
		{"a login page", answers(200, "<html>please log in</html>"), "error: the shared prometheus: …"},
		{"nothing", answers(200, ""), "error: the shared prometheus: …"},
		{"another value than a vector", answers(200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`),
			"error: the shared prometheus: the answer is a matrix, wanted a vector"},
		{"an empty vector, without its clock", answers(200, `{"status":"success","data":{"resultType":"vector","result":[]}}`),
			"error: the shared prometheus: the answer lacks the source's clock"},
		{"a part of its stores", addField(`"warnings":["store 10.0.0.7 unavailable"]`),
			"error: the shared prometheus answered only in part: store 10.0.0.7 unavailable"},
		{"a remark", addField(`"infos":["metric might not be a counter"]`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.set(c.serve)
			gg := gauge(t, m, &runbooks.Gate{Query: `sum(grid_total)`}, cutover.GatePlan{MaxAge: 3 * cutover.Second}, "home")
			direct := mustNew(t, Config{Rooms: realRoomsYAML(t)})
			stamp, _ := stampOf(t, direct, "grid_total")
			before := m.now()
			s := gg.sample(t.Context(), 0)
			after := m.now()
			if after-before > cutover.T(timeOut)+cutover.Second {
				t.Errorf("it took %v", (after - before).Duration())
			}
			if !fitsText(string(s.Unknown), c.why) || c.why == "" && s.Unknown != "" {
				t.Fatalf("%q, wanted %q", s.Unknown, c.why)
			}
			if c.why != "" {
				if s.From != s.At || s.At < before || s.At > after {
					t.Errorf("%+v: not of the moment of asking, %d to %d", s, before, after)
				}
				return
			}
			// However slow: never younger than the truth, and no older than it took.
			truth := runMoment(m, stamp)
			if again, _ := stampOf(t, direct, "grid_total"); again.Equal(stamp) && (s.At > truth+2*cutover.Millisecond || s.At < truth-(after-before)-2*cutover.Millisecond) {
				t.Errorf("%+v: the data is of %d, asked from %d to %d", s, truth, before, after)
			}
		})
	}
}

// TestNoLookingAhead: a Prometheus before 2.33 refuses negative offsets; it is then asked without.
func TestNoLookingAhead(t *testing.T) {
	f := newFront(t, real.addr(t))
	refused := 0
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.FormValue("query") != "" && strings.Contains(r.FormValue("query"), "offset -") {
			refused++
			answers(400, `{"status":"error","errorType":"bad_data","error":"negative offset is disabled, use --enable-feature=promql-negative-offset to enable it"}`)(w, r, next)
			return
		}
		next.ServeHTTP(w, asked(r, func(url.Values) {}))
	})
	rooms := realRoomsYAML(t)
	rooms.Prometheus.Addr = f.URL
	m := mustNew(t, Config{Rooms: rooms})
	for range 2 {
		s := gauge(t, m, &runbooks.Gate{Query: `sum(grid_total)`}, cutover.GatePlan{MaxAge: 3 * cutover.Second}, "home").sample(t.Context(), 0)
		if s.Unknown != "" {
			t.Errorf("%+v", s)
		}
	}
	if refused != 1 {
		t.Errorf("it was asked to look ahead %d times, wanted once", refused)
	}
}
