package metrics

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"roomshift/cutover"
)

// Everything that one sample needs is asked in one query, so that value, age and clock belong together: each part is a
// vector whose series carry the part's name in the label below, and `or` joins them.
//
//	value, good, bad, of   what the person asked for
//	age                    for each metric that is read, when its data was taken: four fifths of the instances have data at
//	                       least so new. The newest alone would hide instances that fell silent; the oldest alone would let
//	                       one that nobody misses blind a gate.
//	live                   of the instances that gave this metric now or lately and that service discovery still names, the
//	                       part that answers scrapes
//	ahead                  the moment of the newest data, where that lies in the future: see ahead
//	now                    the source's clock
const partLabel = "roomshift_part"

const (
	partValue = "value"
	partGood  = "good"
	partBad   = "bad"
	partOf    = "of"
	partAge   = "age"
	partLive  = "live"
	partAhead = "ahead"
	partNow   = "now"
)

// reporting is the part of the instances that must have fresh data.
const reporting = 0.8

// part is one vector of a query.
type part struct {
	name string
	e    *expr
	// base: without its data the sample means nothing, and its instances are counted.
	base bool
}

// compose is the query that asks for all parts at once, with w in place of $window. future: also for data ahead of the clock.
func compose(parts []part, w time.Duration, future bool) string {
	b := &strings.Builder{}
	add := func(name, text string) {
		if b.Len() > 0 {
			b.WriteString("\nor ")
		}
		// The line breaks keep a comment at the end of a person's query from swallowing what follows.
		fmt.Fprintf(b, "label_replace(\n%s\n, %q, %q, \"\", \"\")", text, partLabel, name)
	}
	for i, p := range parts {
		add(p.name, p.e.over(w))
		for j, s := range p.e.fresh() {
			mark := fmt.Sprintf("%s-%d-%d", p.name, i, j)
			add(partAge+"-"+mark, fmt.Sprintf("quantile(%v, max by (job, instance) (timestamp(%s%s)))", 1-reporting, s.text, over(s.shift, w)))
			if future && s.shift == "" {
				add(partAhead+"-"+mark, ahead(s.text))
			}
			if p.base && s.shift == "" {
				add(partLive+"-"+mark, live(s.text))
			}
		}
	}
	add(partNow, "vector(time())")
	return b.String()
}

// live is the part of s's instances that answer scrapes. An instance that doesn't has no series now; that it had some is
// looked up in the last minutes, and at a few moments of the last hours, so that one that has been down for long still counts
// as missing.
func live(s string) string {
	known := []string{fmt.Sprintf("group by (job, instance) (present_over_time(%s[5m]))", s)}
	for _, at := range []string{"5m", "1h", "6h"} {
		known = append(known, fmt.Sprintf("group by (job, instance) (%s offset %s)", s, at))
	}
	return "avg(up and on (job, instance) (" + strings.Join(known, " or ") + "))"
}

// ahead is the newest moment of s's data that the source's clock hasn't reached yet. Exporters may write their own timestamps
// (honor_timestamps); one whose clock is 5 m fast hides each sample for 5 m, and then lets it look new. Prometheus takes no
// data more than 10 m ahead.
func ahead(s string) string {
	return fmt.Sprintf("(max(timestamp(%s offset -10m)) or max(timestamp(%s offset -5m)))", s, s)
}

// answer is what one query brought, part by part.
type answer struct {
	parts map[string][]series
	now   float64 // the source's clock, seconds
	sent  cutover.T
}

// series is one series of a part, without the part's label.
type series struct {
	labels model.Metric
	value  float64
	odd    bool // a native histogram, which is no number
}

// readAnswer takes apart what Prometheus sent for a composed query.
func readAnswer(v model.Value, sent cutover.T) (*answer, error) {
	vec, ok := v.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("the answer is a %s, wanted a vector", v.Type())
	}
	a := &answer{parts: map[string][]series{}, sent: sent, now: math.NaN()}
	for _, s := range vec {
		name, _, _ := strings.Cut(string(s.Metric[partLabel]), "-")
		labels := s.Metric.Clone()
		delete(labels, partLabel)
		a.parts[name] = append(a.parts[name], series{labels, float64(s.Value), s.Histogram != nil})
	}
	if now := a.parts[partNow]; len(now) == 1 {
		a.now = now[0].value
	}
	if math.IsNaN(a.now) || math.IsInf(a.now, 0) {
		return nil, fmt.Errorf("the answer lacks the source's clock")
	}
	return a, nil
}

// number is the one value of a part. ok is false when it has no series; the reason says why it has none or isn't one.
func (a *answer) number(part string) (v float64, ok bool, why cutover.Reason) {
	switch s := a.parts[part]; {
	case len(s) == 0:
		return 0, false, because(cutover.NoData, "%s is empty", part)
	case len(s) > 1:
		return 0, false, because(cutover.NotNumber, "%s has %d series, such as %s and %s; wanted one", part, len(s), s[0].labels, s[1].labels)
	case s[0].odd:
		return 0, false, because(cutover.NotNumber, "%s is a native histogram", part)
	case math.IsNaN(s[0].value) || math.IsInf(s[0].value, 0):
		return 0, false, because(cutover.NotNumber, "%s is %v", part, s[0].value)
	default:
		return s[0].value, true, ""
	}
}

// taken is when the data was taken, by the source's clock in seconds: the oldest of what was read. ok is false when nothing
// tells it.
func (a *answer) taken() (at float64, ok bool) {
	at = math.Inf(1)
	for _, s := range a.parts[partAge] {
		if !math.IsNaN(s.value) {
			at, ok = min(at, s.value), true
		}
	}
	return min(at, a.now), ok
}

// silent says why too few instances report, "" when enough do or when nothing tells.
func (a *answer) silent() cutover.Reason {
	for _, s := range a.parts[partLive] {
		if s.value < reporting {
			return because(cutover.NoData, "only %.0f %% of the live instances report, wanted %.0f %%", 100*s.value, 100*reporting)
		}
	}
	return ""
}

// age is how old data taken at the source's moment is. Where its stamps run ahead of the source's clock, it is older by that.
func (a *answer) age(taken float64) cutover.T {
	return cutover.T(math.Round((a.now-taken)*1e9)) + a.ahead()
}

// ahead is how far stamps run ahead of the source's clock. Less than a scrape shows in some answers only.
func (a *answer) ahead() cutover.T {
	most := 0.0
	for _, s := range a.parts[partAhead] {
		if !math.IsNaN(s.value) {
			most = max(most, s.value-a.now)
		}
	}
	return cutover.T(math.Round(most * 1e9))
}

// because is a reason with its words.
func because(r cutover.Reason, format string, args ...any) cutover.Reason {
	return r + ": " + cutover.Reason(fmt.Sprintf(format, args...))
}
