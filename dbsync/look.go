package dbsync

import (
	"context"
	"fmt"
	"sync"

	"roomshift/cutover"
)

// readOnlyText is the fence as text, whatever type the variable has.
const readOnlyText = "CAST(@@global.read_only AS CHAR)"

// Rings are the pairs of a run by name. They are cutover.Writers.
type Rings map[string]*Ring

var _ cutover.Writers = Rings(nil)

// Look asks both masters of a pair whether they take writes.
func (rs Rings) Look(ctx context.Context, pair string) (cutover.Seen, error) {
	r, ok := rs[pair]
	if !ok {
		return cutover.Seen{}, fmt.Errorf("pair %s isn't open here", pair)
	}
	return r.Look(ctx)
}

// Look asks both masters at once whether they take writes. A master that can't be asked is in Seen.Why with the reason; the
// error is ctx's only.
func (r *Ring) Look(ctx context.Context) (cutover.Seen, error) {
	seen := cutover.Seen{ReadOnly: map[cutover.Room]bool{}, Why: map[cutover.Room]string{}}
	var both sync.WaitGroup
	var mu sync.Mutex
	for _, n := range r.nodes {
		both.Go(func() {
			fenced, err := n.readOnly(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				seen.Why[n.room] = say(err)
				return
			}
			seen.ReadOnly[n.room] = fenced
		})
	}
	both.Wait()
	return seen, ctx.Err()
}

func (n *node) readOnly(ctx context.Context, r *Ring) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var text, name string
	if err := n.db.QueryRowContext(ctx, "SELECT "+readOnlyText+", VERSION()").Scan(&text, &name); err != nil {
		return false, err
	}
	v, err := parseVersion(name)
	if err != nil {
		return false, err
	}
	if err := v.supported(); err != nil {
		return false, err
	}
	return parseReadOnly(text)
}

// writer is the one master that takes writes and the fenced one, or Unknown: none does, both do, or one can't be asked.
func (r *Ring) writer(ctx context.Context) (x, y *node, err error) {
	seen, err := r.Look(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range r.nodes {
		if why, ok := seen.Why[n.room]; ok {
			return nil, nil, unknown{cutover.NoAnswer + cutover.Reason(": master in "+n.room+": "+why)}
		}
	}
	a, b := r.nodes[0], r.nodes[1]
	switch {
	case seen.ReadOnly[a.room] && seen.ReadOnly[b.room]:
		return nil, nil, noData("no writer: %s and %s are both read_only", a.room, b.room)
	case !seen.ReadOnly[a.room] && !seen.ReadOnly[b.room]:
		return nil, nil, noData("two writers: neither %s nor %s is read_only", a.room, b.room)
	case seen.ReadOnly[a.room]:
		return b, a, nil
	}
	return a, b, nil
}
