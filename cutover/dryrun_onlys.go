package cutover

import (
	"context"
	"sync"
)

// dryOnly remembers what a thing's key would say. Once that is "none" nothing of it runs, as far as the dry run knows.
type dryOnly struct {
	OnlyKeeper
	clock Clock

	mu    sync.Mutex
	key   *OnlyKey
	index uint64
}

func newDryOnlys(onlys []Only, clock Clock) []Only {
	out := make([]Only, len(onlys))
	for i, o := range onlys {
		out[i] = Only{Name: o.Name, Place: o.Place, Keeper: &dryOnly{OnlyKeeper: o.Keeper, clock: clock}}
	}
	return out
}

func (d *dryOnly) Read(ctx context.Context) OnlySeen {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key != nil {
		return OnlySeen{Key: *d.key, Index: d.index}
	}
	return d.OnlyKeeper.Read(ctx)
}

func (d *dryOnly) Running(ctx context.Context, to Room) OnlyCount {
	d.mu.Lock()
	stopped := d.key != nil && d.key.Room == OnlyNone
	d.mu.Unlock()
	if stopped {
		return OnlyCount{At: d.clock.Now()}
	}
	return d.OnlyKeeper.Running(ctx, to)
}

func (d *dryOnly) Write(_ context.Context, _ Fence, k OnlyKey, _ uint64) MoveReply {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.key = &k
	d.index++
	return MoveReply{What: Done}
}
