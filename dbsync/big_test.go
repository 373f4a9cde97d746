package dbsync

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestLagOfBigTransactions: one transaction of very many rows is a lag of the whole time that it takes to be applied, and is read as
// such; what is said of either direction is never against what polling finds.
func TestLagOfBigTransactions(t *testing.T) { onBoth(t, testLagOfBigTransactions) }

func testLagOfBigTransactions(t *testing.T) {
	heal(t)
	truth := mark(t, "home", "cloud", 10*time.Millisecond)
	bigTransactions(t)
	began := clock()
	g := watch(t, openLab(t, labPair()), WatchOptions{Every: 100 * time.Millisecond})
	var forth []Reading
	g.await(t, 0, "cloud", 40*time.Second, "a lag of 50 ms or more", func(r Reading) bool {
		if known(r) && r.From >= began {
			forth = append(forth, r)
		}
		return known(r) && r.Lo >= 0.05
	})
	forth = append(forth, g.gather(t, "cloud", clock(), 10)...)
	var widest, most float64
	for _, r := range forth {
		widest, most = max(widest, r.Hi-r.Lo), max(most, r.Hi)
		if wrong := truth.contradicts(r); wrong != "" {
			t.Errorf("%s: %s", show(r), wrong)
		}
	}
	if truth.arrived() < 10 {
		t.Errorf("%d markers were seen to arrive: nothing was held against them", truth.arrived())
	}
	t.Logf("%d readings of up to %.4f s, the widest %.4f s wide", len(forth), most, widest)
	g.end()
}

// bigTransactions writes transactions of 20,000 rows on home, with a pause between them, until the test ends.
func bigTransactions(t *testing.T) {
	t.Helper()
	run(t, "home", "CREATE TABLE IF NOT EXISTS app.ten (n INT PRIMARY KEY)", "REPLACE INTO app.ten VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"CREATE TABLE IF NOT EXISTS app.big (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if _, err := lab.Master("home").DB().ExecContext(ctx, "INSERT INTO app.big (v) SELECT REPEAT('x', 100) FROM "+
				"app.ten a, app.ten b, app.ten c, app.ten d, (SELECT 1 UNION ALL SELECT 2) e"); err != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		all.Wait()
		run(t, "home", "DROP TABLE app.big")
	})
}
