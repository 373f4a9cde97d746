package metrics

import (
	"context"
	"strings"
	"sync"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"roomshift/cutover"
)

// A recording rule's series are stamped when the rule is evaluated, whatever they were worked out from. How far back that goes
// stands in the name where people keep to the convention (job:requests:rate5m); otherwise only the source knows.

// ruleBook is what a source's recording rules read.
type ruleBook struct {
	mu    sync.Mutex // guards the rest; held while asking, so that nobody goes on without what is being learnt
	asked cutover.T  // 0: never
	back  map[string]time.Duration
}

// rulesAgain is how often rules that couldn't be read are asked for.
const rulesAgain = 30 * cutover.Second

// rules is how far back the data of the source's recording rules goes, by their names. It is asked for once, and only if one
// of the parts reads a name with a colon; nil where the source doesn't say.
func (s *source) rules(ctx context.Context, parts []part) map[string]time.Duration {
	if !readsRule(parts) {
		return nil
	}
	b := &s.ruling
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.back == nil && (b.asked == 0 || s.now()-b.asked > rulesAgain) {
		b.asked = s.now()
		b.back = s.readRules(ctx)
	}
	return b.back
}

func readsRule(parts []part) bool {
	for _, p := range parts {
		for _, sel := range p.e.selectors {
			if strings.Contains(sel.name, ":") {
				return true
			}
		}
	}
	return false
}

// readRules asks the source for its recording rules; nil if it doesn't answer.
func (s *source) readRules(ctx context.Context) map[string]time.Duration {
	ctx, cancel := context.WithTimeout(ctx, s.timeOut)
	defer cancel()
	all, err := s.api.Rules(ctx, nil)
	if err != nil {
		return nil
	}
	book := map[string][]recorded{}
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			if rec, ok := r.(v1.RecordingRule); ok {
				if e, err := parseExpr(rec.Query, "", ""); err == nil {
					book[rec.Name] = append(book[rec.Name], recorded{e, time.Duration(g.Interval * float64(time.Second))})
				}
			}
		}
	}
	back := map[string]time.Duration{}
	for name := range book {
		back[name] = reachOf(name, book, 0)
	}
	return back
}

// recorded is one rule of a name, and how often it is evaluated.
type recorded struct {
	e     *expr
	every time.Duration
}

// reachOf is how far back the data of a rule goes, with that of the rules that it reads: their newest sample may be one of their
// intervals old.
func reachOf(name string, book map[string][]recorded, depth int) time.Duration {
	var most time.Duration
	if depth > 10 { // rules that read one another in a ring
		return 0
	}
	for _, r := range book[name] {
		under := map[string]time.Duration{}
		for _, sel := range r.e.selectors {
			for _, u := range book[sel.name] {
				under[sel.name] = max(under[sel.name], u.every+reachOf(sel.name, book, depth+1))
			}
		}
		most = max(most, r.e.back(under))
	}
	return most
}
