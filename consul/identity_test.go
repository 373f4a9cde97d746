package consul_test

import (
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestOnceNeedsNoRight: who keeps what is asked by a token that may do no more than Policy says, and where but one plane is there nobody is asked.
func TestOnceNeedsNoRight(t *testing.T) {
	key := "gateway/" + unique()
	put(t, management(t), key, "5", 0)
	c := client(t, "", nil)
	var planes []cutover.Plane
	var held []cutover.Held
	for _, at := range []string{"home", "cloud"} {
		keys := c.NumberKeys("keys@"+at, at, map[cutover.Seat]consul.KeySpec{{Route: "once", At: at}: {Key: key, As: "percent", Of: "cloud"}}, rooms)
		planes = append(planes, c.Plane("keys@"+at, at, at, keys))
		of, err := keys.Read(within10s(t), keys.Seats())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, of...)
	}
	if err := consul.Once(within10s(t), planes, held); err == nil || err.Error() !=
		"once@home and once@cloud are one and the same: both are "+key+", since the addresses of two rooms lead to one Consul: leave one of the two out of the route's seats, or mend the address" {
		t.Errorf("it says %v", err)
	}
	nobody := client(t, "127.0.0.1:1", nil)
	alone := nobody.NumberKeys("keys", "home", map[cutover.Seat]consul.KeySpec{{Route: "once"}: {Key: key, As: "percent", Of: "cloud"}}, rooms)
	if err := consul.Once(within10s(t), []cutover.Plane{nobody.Plane("keys", "home", "home", alone)}, held[:1]); err != nil {
		t.Errorf("of one plane: %v", err)
	}
}
