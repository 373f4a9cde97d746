package metrics

import (
	"strings"
	"testing"
	"time"
)

// queries are PromQL as people write it, with what must be found in them. real_test.go holds each against a real Prometheus.
var queries = []struct {
	query     string
	selectors string // joined by a space, in order; - before a shifted one
	literal   time.Duration
	windows   int
	counts    bool
}{
	{query: `up`, selectors: `up`},
	{query: `sum(rate(gw_requests_total{code=~"5.."}[$window]))`, selectors: `gw_requests_total{code=~"5.."}`, windows: 1},
	{query: `histogram_quantile(0.99, sum by (le) (rate(gw_seconds_bucket[5m])))`, selectors: `gw_seconds_bucket`, literal: 5 * time.Minute},
	{query: `sum by (served_by) (rate(a[$window]))`, selectors: `a`, windows: 1},
	{query: `SUM(rate(a[1m])) BY (served_by)`, selectors: `a`, literal: time.Minute},
	{query: `sum(a) without (instance, job) / sum(b) without (instance, job)`, selectors: `a b`},
	{query: `a / on (x, y) group_left (z) b`, selectors: `a b`},
	{query: `a / ignoring(x) group_right b`, selectors: `a b`},
	{query: `max(rate(ifHCOutOctets{link="line"}[$window])) * 8 / 10e9`, selectors: `ifHCOutOctets{link="line"}`, windows: 1},
	{query: `{__name__="a b",x!="}"}`, selectors: `{__name__="a b",x!="}"}`},
	{query: `a{b="[5m] offset 1h \"}", c='#'} # rate(x[9m])`, selectors: "a{b=\"[5m] offset 1h \\\"}\", c='#'}"},
	{query: "a{b=`\\`} + c", selectors: "a{b=`\\`} c"},
	{query: `rate(a[5m]) / rate(a[5m] offset 1w)`, selectors: `a -a`, literal: 5 * time.Minute},
	{query: `rate(a[1h30m] offset -5m)`, selectors: `-a`, literal: 90 * time.Minute},
	{query: `a @ 1609746000 + b`, selectors: `-a b`},
	{query: `a @ end() offset 5m`, selectors: `-a`},
	{query: `rate(a[90s] @ start())`, selectors: `-a`, literal: 90 * time.Second},
	{query: `max_over_time(rate(a[1m])[5m:15s])`, selectors: `a`, literal: 6 * time.Minute},
	{query: `max_over_time(rate(a[$window])[$window:1s])`, selectors: `a`, windows: 2},
	{query: `avg_over_time(a[10m:])`, selectors: `a`, literal: 10 * time.Minute},
	{query: `sum(increase(a[$window]))`, selectors: `a`, windows: 1, counts: true},
	{query: `job:requests:rate5m{job="gw"}`, selectors: `job:requests:rate5m{job="gw"}`, literal: 5 * time.Minute},
	{query: `job:requests:ratio_rate1m30s`, selectors: `job:requests:ratio_rate1m30s`, literal: 90 * time.Second},
	{query: `rate5m`, selectors: `rate5m`},
	{query: `sum(a) or vector(0)`, selectors: `a`},
	{query: `a and b unless c or d`, selectors: `a b c d`},
	{query: `count(a > bool 3) % 2 ^ 2 atan2 vector(pi())`, selectors: `a`},
	{query: `-a + +Inf - NaN + 0x1F + 1e-3 + .5`, selectors: `a`},
	{query: `label_replace(a{x="$1"}, "dst", "$1", "src", "(.*)")`, selectors: `a{x="$1"}`},
	{query: `label_join(a, "d", ",", "b", "c")`, selectors: `a`},
	{query: `quantile_over_time(0.9, a[1m]) + on () group_left () b`, selectors: `a b`, literal: time.Minute},
	{query: `topk(3, sum by (x) (a)) != 0`, selectors: `a`},
	{query: `count_values("v", a)`, selectors: `a`},
	{query: `absent(a{job="gw"}) * time()`, selectors: `a{job="gw"}`},
	{query: `sum(a{room="$room"}) by (le, on)`, selectors: `a{room="home"}`},
	{query: "sum(\n  rate(a[1m]) # one\n)\n/ # [9m]\nsum(b)", selectors: `a b`, literal: time.Minute},
	{query: `rate(a[ 1m ])`, selectors: `a`, literal: time.Minute},
	{query: `a:b`, selectors: `a:b`},
	{query: `offset_total offset 5m`, selectors: `-offset_total`},
	{query: `by_room{by="x"} * sum_total`, selectors: `by_room{by="x"} sum_total`},
	{query: `histogram_quantile(0.9, sum by (le) (rate(a[$window]))) > 0 or sum(rate(b[2m]))`, selectors: `a b`, literal: 2 * time.Minute, windows: 1},
	{query: `rate(a[$window] offset $window)`, selectors: `-a`, windows: 1},
}

func TestParseExpr(t *testing.T) {
	for _, c := range queries {
		e, err := parseExpr(c.query, "home", "gw")
		if err != nil {
			t.Error(err)
			continue
		}
		var names []string
		for _, s := range e.selectors {
			mark := ""
			if s.shift != "" {
				mark = "-"
			}
			names = append(names, mark+s.text)
		}
		got := strings.Join(names, " ")
		if got != c.selectors || e.literal != c.literal || e.windows != c.windows || e.counts != c.counts {
			t.Errorf("%s\nreads %s, back %v and %d windows, counts %v\nwant  %s, back %v and %d windows, counts %v",
				c.query, got, e.literal, e.windows, e.counts, c.selectors, c.literal, c.windows, c.counts)
		}
	}
}

func TestParseExprRefuses(t *testing.T) {
	for query, want := range map[string]string{
		``:                           "empty",
		`sum(a`:                      "a ) is missing",
		`a) or (b`:                   "a ) too many",
		`a{x="y"`:                    "a } is missing",
		`a{x="y}`:                    "a \" is missing",
		`rate(a[5m)`:                 "a ] is missing",
		`rate(a[5x])`:                "no duration",
		`rate(a[0s])`:                "no duration",
		`rate(a[$windows])`:          "no duration",
		`sum(rate(a[5m])) offset 1h`: "put it at the metrics",
		`max_over_time(rate(a[1m])[5m:1m] offset 1h)`: "put it at the metrics",
		`avg_over_time(a[5m:1m] @ end())`:             "put it at the metrics",
		`sum(a)[5m]`:                                  "a subquery is",
		`a{route="$route"}`:                           "no meaning here",
		`$rom`:                                        "has no meaning",
		`a; b`:                                        "has no meaning",
	} {
		_, err := parseExpr(query, "home", "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, wanted an error with %q", query, err, want)
		}
	}
	if _, err := parseExpr(`a{room="$room"}`, `x"} or b{y="`, ""); err == nil {
		t.Error("a room's name that ends the string it stands in was taken")
	}
}

func FuzzParseExpr(f *testing.F) {
	for _, c := range queries {
		f.Add(c.query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		e, err := parseExpr(query, "home", "gw")
		if err != nil {
			return
		}
		if e.literal < 0 || e.windows < 0 {
			t.Errorf("%q looks %v and %d windows back", query, e.literal, e.windows)
		}
		for _, s := range e.fresh() {
			if !strings.Contains(e.text, s.name) {
				t.Errorf("%q: selector %q isn't in it", query, s.text)
			}
		}
	})
}
