package dbsync

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// listening is how often hears looks again.
const listening = 100 * time.Millisecond

// checkAlive: each side heard from its source a moment ago. Threads and Seconds_Behind go on saying Yes and 0 while the line
// is cut, for as long as slave_net_timeout.
func checkAlive(v ringView) []Finding {
	var found []Finding
	for i, s := range v.sides {
		f := Finding{Check: "alive", Room: s.room, Seen: "hears from its source", Wanted: "an event or a heartbeat of replication within two periods", OK: true}
		if v.alive[i] != "" {
			f.OK, f.Seen = false, v.alive[i]
			f.Do = "its threads may say Yes and still be cut off: look at the line between the rooms and at the other master"
		}
		found = append(found, f)
	}
	return found
}

// hears looks at a side's channel until something comes over it, an event or a heartbeat, for at most two periods. It
// returns "" or what is wrong.
func (n *node) hears(ctx context.Context, timeout time.Duration, s side) (string, error) {
	if len(s.channels) != 1 {
		return "no single source", nil
	}
	first := s.channels[0]
	limit := min(max(2*first.period(), listening), 2*longestPeriod)
	began := time.Now()
	tick := time.NewTicker(listening)
	defer tick.Stop()
	for {
		var status []row
		if err := n.bounded(ctx, timeout, func(ctx context.Context) error {
			conn, err := n.db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			status, err = s.d.askStatus(ctx, conn)
			return err
		}); err != nil {
			return "", err
		}
		if len(status) == 1 && heard(first.row, status[0]) {
			return "", nil
		}
		if waited := time.Since(began); waited > limit {
			return fmt.Sprintf("nothing heard for %v: stale", waited.Round(listening)), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
}

// heard tells whether anything came over a channel between two looks at it.
func heard(before, after row) bool {
	for _, c := range []string{"Slave_received_heartbeats", "Read_Master_Log_Pos", "Master_Log_File", "Gtid_IO_Pos", "Retrieved_Gtid_Set"} {
		if before[c] != after[c] {
			return true
		}
	}
	return false
}

// checkHeartbeat: the source says often enough that it is alive. The server's default is half of slave_net_timeout: 30 s, and
// every CHANGE MASTER that doesn't name the period sets it back to that.
func checkHeartbeat(v ringView) []Finding {
	return direction(v, "heartbeat", "a heartbeat of replication each 2 s or more often", func(s side, c channel) (string, string) {
		p := c.period()
		if p > 0 && p <= longestPeriod {
			return fmt.Sprintf("each %v", p), ""
		}
		seen := fmt.Sprintf("each %v", p)
		if p == 0 {
			seen = "none"
		}
		return seen, s.d.words.set(s.d.words.heartbeat) + " in " + s.room + ": else a quiet line can't be told from a cut one"
	})
}

// shortestRetries is how long a master must go on trying to connect to its source.
const shortestRetries = time.Hour

// checkRetries: a line that is away for long doesn't end replication for good. MySQL 9 gives up after 10 tries by itself; MariaDB says
// nothing about it here, and tries 100,000 times.
func checkRetries(v ringView) []Finding {
	if v.sides[0].version.mariadb {
		return nil
	}
	return direction(v, "retries", "connects again for an hour or longer", func(s side, c channel) (string, string) {
		count, err := strconv.ParseInt(c.row["Master_Retry_Count"], 10, 64)
		pause, err2 := strconv.ParseInt(c.row["Connect_Retry"], 10, 64)
		switch {
		case err != nil || err2 != nil:
			return "not told", "look at " + s.d.words.status + " in " + s.room
		case count == 0:
			return "for ever", ""
		case time.Duration(count*pause)*time.Second < shortestRetries:
			return fmt.Sprintf("%d tries, %d s apart", count, pause),
				s.d.words.set(s.d.words.retries, s.d.words.heartbeat) + " in " + s.room + ": else it stays stopped when the line was away for long"
		}
		return fmt.Sprintf("%d tries, %d s apart", count, pause), ""
	})
}
