package torture

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"roomshift/lab/server"
)

// sampler asks both masters without pause whether they take writes: first one, then the other, then the first again, so that nothing that
// moves between two answers is taken for two writers.
type sampler struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	count int
	wrong []string
}

func startSampler(s *scene) (*sampler, error) {
	ctx, stop := context.WithCancel(context.Background())
	p := &sampler{stop: stop}
	var dbs [2]*sql.DB
	for i, room := range rooms {
		db, err := pool(s.ring.Master(room).DSN(server.Roomshift))
		if err != nil {
			stop()
			return nil, err
		}
		dbs[i] = db
	}
	writes := func(i int) bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var ro int
		q := "SELECT @@global.read_only"
		if s.engine == server.MySQL {
			q = "SELECT @@global.read_only OR @@global.super_read_only"
		}
		err := dbs[i].QueryRowContext(ctx, q).Scan(&ro)
		return err == nil && ro == 0
	}
	p.all.Go(func() {
		defer dbs[0].Close()
		defer dbs[1].Close()
		for ctx.Err() == nil {
			first := writes(0)
			if first && writes(1) && writes(0) {
				p.mu.Lock()
				p.wrong = append(p.wrong, fmt.Sprintf("%s: both masters take writes", time.Now().UTC().Format("15:04:05.000")))
				p.mu.Unlock()
			}
			p.mu.Lock()
			p.count++
			p.mu.Unlock()
			time.Sleep(time.Millisecond)
		}
	})
	return p, nil
}

func (p *sampler) end() {
	p.stop()
	p.all.Wait()
}

func (p *sampler) seen() (int, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count, append([]string(nil), p.wrong...)
}
