package dbsync

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// preflightPools are a preflight's own connections: its statements are told to give up by themselves, and nothing that hangs on one of them
// keeps the ring's from being used.
type preflightPools struct {
	dbs  [2]*sql.DB
	free chan struct{}
}

func (r *Ring) preflightPools(f flight) (*preflightPools, error) {
	p := &preflightPools{free: make(chan struct{}, preflightConns)}
	for i, n := range r.nodes {
		c := n.config.Clone()
		limit := f.o.Limit
		c.ReadTimeout, c.WriteTimeout = limit+limit/2, limit
		c.Params["lock_wait_timeout"] = fmt.Sprint(max(1, int(limit.Seconds())))
		switch s := f.sides[i]; {
		case s.version.mariadb:
			c.Params["max_statement_time"] = fmt.Sprintf("%.1f", limit.Seconds())
		default:
			c.Params["max_execution_time"] = fmt.Sprint(limit.Milliseconds())
		}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, n.fail(err)
		}
		p.dbs[i] = sql.OpenDB(connector)
		p.dbs[i].SetMaxIdleConns(preflightConns)
	}
	return p, nil
}

// take is one connection to each side, when one is free: the time of a check begins then.
func (p *preflightPools) take(ctx context.Context) (conns [2]*sql.Conn, err error) {
	select {
	case p.free <- struct{}{}:
	case <-ctx.Done():
		return conns, ctx.Err()
	}
	for i, db := range p.dbs {
		if conns[i], err = db.Conn(ctx); err != nil {
			p.give(conns)
			return conns, err
		}
	}
	return conns, nil
}

func (p *preflightPools) give(conns [2]*sql.Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close() // back to its pool
		}
	}
	<-p.free
}

func (p *preflightPools) close() {
	for _, db := range p.dbs {
		if db != nil {
			_ = db.Close()
		}
	}
}
