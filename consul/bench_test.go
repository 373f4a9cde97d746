package consul_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
)

// BenchmarkWrite is a full request of 63 keys by Write and, in the same run, the bare transaction: the ratio is what the
// medium costs.
func BenchmarkWrite(b *testing.B) {
	m, id := management(b), "gateway/"+unique()
	fence := session(b, m)
	seats := map[cutover.Seat]consul.KeySpec{}
	for i := range consul.MaxChanges {
		key := fmt.Sprintf("%s/%02d", id, i)
		put(b, m, key, `{"split": 1}`, 0)
		seats[cutover.Seat{Route: key}] = consul.KeySpec{Key: key, Field: "split", As: "basispoints", Of: "cloud"}
	}
	keys := client(b, "", nil).NumberKeys("p", "home", seats, rooms)
	b.Run("medium", func(b *testing.B) {
		held, err := keys.Read(context.Background(), keys.Seats())
		if err != nil {
			b.Fatal(err)
		}
		changes := make([]cutover.Change, len(held))
		for i, h := range held {
			changes[i] = cutover.Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, After: h.Value, Version: h.Version}
		}
		n := 0
		for b.Loop() {
			n++
			for i := range changes {
				changes[i].Before, changes[i].After = changes[i].After, strconv.Itoa(n%10000)
			}
			for i, o := range keys.Write(context.Background(), fence, changes) {
				if o.What != cutover.Done {
					b.Fatal(o.Err)
				}
				changes[i].Version = o.Version
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		index := map[string]uint64{}
		pairs, _, err := m.KV().List(id, nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range pairs {
			index[p.Key] = p.ModifyIndex
		}
		n := 0
		for b.Loop() {
			n++
			ops := api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: fence.Key, Session: fence.Session}}}
			for _, p := range pairs {
				ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: p.Key, Index: index[p.Key],
					Value: []byte(`{"split": ` + strconv.Itoa(n%10000) + `}`)}})
			}
			ok, answer, _, err := m.Txn().Txn(ops, nil)
			if err != nil || !ok {
				b.Fatal(ok, err)
			}
			for _, r := range answer.Results {
				index[r.KV.Key] = r.KV.ModifyIndex
			}
		}
	})
}
