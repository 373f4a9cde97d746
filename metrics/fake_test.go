package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// fakeSource is a Prometheus as far as a composed query goes: it has the parts that the query asks for, on a clock of its
// own. Real ones are tried in real_test.go; this one can have its clock wrong, and answer what a real one hardly would.
type fakeSource struct {
	*httptest.Server
	mu     sync.Mutex
	answer cutovertest.Answer
	parts  map[string]string // by part, the value of each; comma for several series
	frozen float64           // SameData: the moment of the data
	query  string            // the last one
	gone   chan struct{}
}

func newFakeSource(t *testing.T, parts map[string]string) *fakeSource {
	f := &fakeSource{answer: cutovertest.Good, parts: parts, gone: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		close(f.gone)
		f.Server.Close()
	})
	return f
}

func (f *fakeSource) set(a cutovertest.Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.frozen = a, float64(time.Now().UnixMilli())/1000
}

func (f *fakeSource) setPart(part, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts[part] = value
}

func (f *fakeSource) lastQuery() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.query
}

var askedPart = regexp.MustCompile(`"` + partLabel + `", "([^"]+)"`)

func (f *fakeSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.answer {
	case cutovertest.NoAnswer:
		panic(http.ErrAbortHandler) // the connection is cut
	case cutovertest.Hangs:
		f.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-f.gone:
		}
		f.mu.Lock()
		return
	case cutovertest.Fails:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`)
		return
	}
	f.query = r.FormValue("query")
	var result []any
	for _, m := range askedPart.FindAllStringSubmatch(f.query, -1) {
		result = append(result, f.series(m[1])...)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status": "success", "data": map[string]any{"resultType": "vector", "result": result},
	})
}

// series is one part of the answer. A source that is an hour off is so in all that it says.
func (f *fakeSource) series(name string) []any {
	now := float64(time.Now().UnixMilli()) / 1000
	taken := now - 0.005
	switch f.answer {
	case cutovertest.Fast:
		now, taken = now+3600, taken+3600
	case cutovertest.Slow:
		now, taken = now-3600, taken-3600
	case cutovertest.Stale:
		taken -= 600
	case cutovertest.SameData:
		taken = f.frozen
	}
	one := func(labels map[string]string, v string) any {
		labels[partLabel] = name
		return map[string]any{"metric": labels, "value": []any{now, v}}
	}
	kind, _, _ := strings.Cut(name, "-")
	switch {
	case kind == partNow:
		return []any{one(map[string]string{}, number64(now))}
	case f.answer == cutovertest.Null:
		return nil
	case kind == partAge:
		return []any{one(map[string]string{}, number64(taken))}
	}
	value, ok := f.parts[kind]
	if !ok {
		return nil
	}
	if kind == partValue || kind == partOf {
		switch f.answer {
		case cutovertest.NaN, cutovertest.Inf, cutovertest.MinusInf:
			value = string(f.answer)
		case cutovertest.TwoSeries:
			value += "," + value
		}
	}
	var all []any
	for i, v := range strings.Split(value, ",") {
		label, number, found := strings.Cut(v, "=")
		if !found {
			label, number = strconv.Itoa(i), v
		}
		all = append(all, one(map[string]string{"served_by": label}, number))
	}
	return all
}

func number64(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }

// testClock is the run's clock in tests. It begins far from 0, as a machine's does.
func testClock() func() cutover.T {
	began := time.Now()
	return func() cutover.T { return cutover.Minute + cutover.T(time.Since(began)) }
}
