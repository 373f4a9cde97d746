package lab_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/lab"
	"roomshift/lab/server"
)

// TestObey: a job runs where its key and its pair's record say, in no two rooms at once, and in none when it doesn't see them.
func TestObey(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	real, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{Datacenter: "home"})
	if err != nil {
		t.Fatal(err)
	}
	defer real.Kill()
	c, err := api.NewClient(&api.Config{Address: real.Addr})
	if err != nil {
		t.Fatal(err)
	}
	var runs [2]atomic.Bool
	var twice atomic.Int32
	for i, room := range []string{"home", "cloud"} {
		o := lab.Obey{Consul: c, Room: room, Key: "roomshift/only/jobs", Records: []string{"roomshift/writer/db"}, Every: 50 * time.Millisecond, BlindStop: 3 * time.Second}
		go o.Run(ctx, func(ctx context.Context) {
			runs[i].Store(true)
			for ctx.Err() == nil {
				if runs[1-i].Load() {
					twice.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
			runs[i].Store(false)
		})
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := c.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	key := func(text string) { t.Helper(); put("roomshift/only/jobs", text) }
	record := func(phase, writer string) {
		t.Helper()
		put("roomshift/writer/db", fmt.Sprintf(`{"v":1,"epoch":2,"phase":%q,"writer":%q}`, phase, writer))
	}
	becomes := func(what string, home, cloud bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if runs[0].Load() == home && runs[1].Load() == cloud {
				time.Sleep(300 * time.Millisecond) // it stays so, many looks later
				if runs[0].Load() == home && runs[1].Load() == cloud {
					return
				}
			}
		}
		t.Fatalf("%s: it runs in home %v, in cloud %v; want %v, %v", what, runs[0].Load(), runs[1].Load(), home, cloud)
	}
	becomes("no key and no record", false, false)
	key("home")
	becomes("no record", false, false)
	record("STABLE", "home")
	becomes("both say home", true, false)
	record("FENCING", "home")
	becomes("the writer moves", false, false)
	record("STABLE", "home")
	becomes("given up", true, false)
	key(`{"v":1,"room":"none","epoch":2}`)
	becomes("none", false, false)
	record("STABLE", "cloud")
	becomes("the writer is in cloud", false, false)
	key(`{"v":1,"room":"cloud","epoch":3}`)
	becomes("both say cloud", false, true)
	key("{")
	becomes("a key that is no word", false, false)
	key(`{"v":1,"room":"cloud","epoch":4}`)
	becomes("again", false, true)
	real.Kill()
	becomes("out of sight", false, false)
	if n := twice.Load(); n > 0 {
		t.Errorf("%d times it ran in both rooms", n)
	}
}
