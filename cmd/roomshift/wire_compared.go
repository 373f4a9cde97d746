package main

import (
	"context"
	"path/filepath"

	"roomshift/cutover"
	"roomshift/dbsync"
)

// comparisons tells what roomshift verify kept for an environment on this machine.
type comparisons struct{ environment string }

var _ cutover.Comparisons = comparisons{}

// Compared reads the newest comparison of a pair.
func (c comparisons) Compared(_ context.Context, pair string) (cutover.Compared, error) {
	base, err := stateDir()
	if err != nil {
		return cutover.Compared{}, err
	}
	last, err := dbsync.LastComparison(filepath.Join(base, c.environment), pair)
	if err != nil || last == nil {
		return cutover.Compared{}, err
	}
	v := last.Verdict()
	out := cutover.Compared{At: last.At, Equal: v == dbsync.Equal, Differ: last.Different(), Tables: len(last.Tables), Rows: last.Rows}
	if v == dbsync.Incomplete {
		out.Lacks = "not every row could be compared"
	}
	return out, nil
}
