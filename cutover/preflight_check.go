package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// WriterCheckPlan is a check that the write roles of pairs could move to a room now.
type WriterCheckPlan struct {
	To    Room     `json:"to"`
	Pairs []string `json:"pairs"`
}

// checkedPairs is what the preflights of a check step came to.
type checkedPairs struct {
	why string // what is worth reading of one that passed
	err error
}

// checkWriters asks for the preflight of each pair of a check; it moves nothing. In a worker.
func (e *engine) checkWriters(ctx context.Context, c *WriterCheckPlan, broken func(rule string) bool) checkedPairs {
	if e.w.Preflight == nil {
		return checkedPairs{err: errors.New("nothing here can look at a pair's masters")}
	}
	var said []string
	var errs []error
	for _, pair := range c.Pairs {
		found, err := e.w.Preflight.Preflight(ctx, pair, c.To, false)
		if err != nil {
			errs = append(errs, fmt.Errorf("the preflight of %s has no answer: %w", pair, err))
			continue
		}
		var wrong, warned []Finding
		well := 0
		for _, f := range found {
			switch {
			case f.OK:
				well++
			case f.Stands() && !broken(f.RuleOf(pair)):
				wrong = append(wrong, f)
			default:
				warned = append(warned, f)
			}
		}
		if len(wrong) > 0 {
			errs = append(errs, fmt.Errorf("preflight of %s: %s", pair, findingsText(pair, wrong)))
		}
		text := fmt.Sprintf("preflight of %s: %d checks are well", pair, well)
		if len(warned) > 0 {
			text += "; " + findingsText(pair, warned)
		}
		said = append(said, text)
	}
	if err := errors.Join(errs...); err != nil {
		return checkedPairs{err: errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))}
	}
	return checkedPairs{why: strings.Join(said, "; ")}
}
