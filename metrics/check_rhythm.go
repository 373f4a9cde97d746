package metrics

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// rhythm finds ranges so short that a rate wavers or is empty as soon as one scrape is missed, and a maxAge that good data is
// older than. What counts is how often the data itself comes: a job may be scraped, or a rule evaluated, less often than all.
func (c *checker) rhythm(ctx context.Context, f Finding, g *gateGauge, scrape time.Duration) {
	slowest := scrape
	for _, p := range g.parts {
		for _, r := range p.e.ranges {
			every := g.src.dataEvery(ctx, r.of, scrape)
			if r.of.shift == "" {
				slowest = max(slowest, every)
			}
			c.short(f, g, p, r, every)
		}
	}
	if age := g.plan.MaxAge.Duration(); age < slowest {
		c.bad(f, fmt.Sprintf("its data comes every %v, and maxAge is %v", slowest, age), "a maxAge of at least 2 such intervals",
			fmt.Sprintf("write maxAge: %v", 3*slowest))
	}
}

// short finds one range of less than 4 intervals.
func (c *checker) short(f Finding, g *gateGauge, p part, r lookback, every time.Duration) {
	switch want := 4 * every; {
	case r.literal > 0 && r.literal < want:
		c.bad(f, fmt.Sprintf("%s looks back %v in %s, which is %.1f intervals of %v", p.name, r.literal, cmp.Or(r.of.name, r.of.text), float64(r.literal)/float64(every), every),
			fmt.Sprintf("ranges of at least 4 intervals, %v", want), "write $window, which is fitted to each write, or a longer range")
	case r.windows > 0 && g.window.base < want && strings.HasPrefix(f.Check, "gate "): // observe has the narrowest of the gates'
		c.bad(f, fmt.Sprintf("$window is %v, which is %.1f intervals of %v", g.window.base, float64(g.window.base)/float64(every), every),
			fmt.Sprintf("a window of at least 4 intervals, %v", want), fmt.Sprintf("write window: %v", want))
	}
}

// dataEvery is how often s has new data, as the median of its series over 20 scrapes; at least scrape, and scrape where
// nothing tells. What is scraped comes no less often than the source means to, though it was busy lately.
func (s *source) dataEvery(ctx context.Context, sel selector, scrape time.Duration) time.Duration {
	at := fmt.Sprintf("timestamp(%s)[%dms:%dms]", sel.text, (20 * scrape).Milliseconds(), scrape.Milliseconds())
	query := fmt.Sprintf("quantile(0.5, (max_over_time(%s) - min_over_time(%s)) / (changes(%s) > 0))", at, at, at)
	ctx, cancel := context.WithTimeout(ctx, s.timeOut)
	defer cancel()
	v, _, _, err := s.api.Query(ctx, query, time.Time{})
	vec, ok := v.(model.Vector)
	if err != nil || !ok || len(vec) != 1 {
		return scrape
	}
	every := float64(vec[0].Value)
	if math.IsNaN(every) || math.IsInf(every, 0) || every < 1.5*scrape.Seconds() || every > lately.Seconds() {
		return scrape
	}
	if !strings.Contains(sel.name, ":") {
		if most := s.scrapes(ctx); most > 0 && every > most.Seconds() {
			return max(scrape, most)
		}
	}
	return time.Duration(every * float64(time.Second)).Round(max(100*time.Millisecond, scrape/10))
}

// scrapes is the longest interval at which the source means to scrape any of its targets, 0 if it doesn't say.
func (s *source) scrapes(ctx context.Context) time.Duration {
	all, err := s.api.Targets(ctx)
	if err != nil {
		return 0
	}
	longest := time.Duration(0)
	for _, t := range all.Active {
		if d, err := model.ParseDuration(t.DiscoveredLabels["__scrape_interval__"]); err == nil {
			longest = max(longest, time.Duration(d))
		}
	}
	return longest
}
