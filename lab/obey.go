package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Obey runs something in exactly one room: while its key says this room and the record of its pair says that the writer is here, and not
// one moment longer than it can see both. It is what docs/only.md asks of a job, for whoever writes one.
type Obey struct {
	Consul    *api.Client
	Room      string        // where this process is
	Key       string        // roomshift/only/feed-jobs
	Records   []string      // roomshift/writer/feed-db
	Every     time.Duration // how often it looks; 2 s
	BlindStop time.Duration // it stops when it hasn't seen them for so long; 15 s
}

// Run looks until ctx ends. It calls work whenever it may run here; work's context ends when it may no longer, and work must return soon
// then: what it has begun it finishes, and it begins nothing. Run returns when work has.
func (o Obey) Run(ctx context.Context, work func(context.Context)) {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.BlindStop == 0 {
		o.BlindStop = 15 * time.Second
	}
	halt := func() {}
	runs := false
	defer func() { halt() }()
	seen := time.Now() // when what was seen last was true: before it was asked for
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		asked := time.Now()
		may, err := o.may(ctx)
		if err == nil {
			seen = asked
		}
		switch {
		case err != nil && time.Since(seen)+o.Every+o.patience() < o.BlindStop: // it goes on as it was told: the next look comes in time
		case err != nil || !may:
			halt()
			halt, runs = func() {}, false
		case !runs:
			halt, runs = begin(ctx, work), true
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// begin starts work, and returns what ends it and waits for that.
func begin(ctx context.Context, work func(context.Context)) (halt func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// patience is how long one look may take.
func (o Obey) patience() time.Duration { return o.BlindStop / 5 }

// may reads the key and the records at one moment, consistently, in much less time than it may be blind for.
func (o Obey) may(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, o.patience())
	defer cancel()
	read := (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
	key, _, err := o.Consul.KV().Get(o.Key, read)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", o.Key, err)
	}
	if key == nil || roomIn(key.Value) != o.Room {
		return false, nil
	}
	for _, name := range o.Records {
		record, _, err := o.Consul.KV().Get(name, read)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", name, err)
		}
		var r struct{ Phase, Writer string }
		if record == nil || json.Unmarshal(record.Value, &r) != nil || r.Phase != "STABLE" || r.Writer != o.Room {
			return false, nil
		}
	}
	return true, nil
}

// roomIn is the room that a key says: in JSON, or alone as people write it by hand.
func roomIn(value []byte) string {
	text := strings.TrimSpace(string(value))
	var k struct{ Room string }
	if json.Unmarshal(value, &k) == nil {
		return k.Room
	}
	return text
}
