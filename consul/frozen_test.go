package consul_test

import (
	"context"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestFrozen: a Consul that stands still takes connections and answers nothing. Requests end by their time-out, a write is
// unknown, and what lands after the thaw is that write or nothing.
func TestFrozen(t *testing.T) {
	_, _, fence, change := oneKey(t)
	seats := map[cutover.Seat]consul.KeySpec{change.Seat: {Key: change.Object, As: "percent", Of: "cloud"}}
	keys := client(t, "", func(c *consul.Config) { c.TimeOut = 300 * time.Millisecond }).NumberKeys("p", "home", seats, rooms)
	if err := real.Freeze(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	o := keys.Write(context.Background(), fence, []cutover.Change{change})[0]
	_, err := keys.Read(context.Background(), keys.Seats())
	took := time.Since(start)
	if err := real.Thaw(); err != nil {
		t.Fatal(err)
	}
	if o.What != cutover.Unknown || o.Err == nil {
		t.Errorf("a write to a frozen consul is %v: %v, want unknown", o.What, o.Err)
	}
	if err == nil {
		t.Error("a frozen consul is read")
	}
	if took > 2*time.Second {
		t.Errorf("a write and a reading of 300 ms each took %v", took)
	}
	var held []cutover.Held
	await(t, "the thawed consul answers", func() bool {
		held, err = keys.Read(within10s(t), keys.Seats())
		return err == nil
	})
	if v := held[0].Value; v != change.Before && v != change.After {
		t.Errorf("the key holds %s, want %s or %s", v, change.Before, change.After)
	}
	change.Version = "" // by what is there now
	if o := keys.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Errorf("after the thaw the write is %v: %v, want done", o.What, o.Err)
	}
}
