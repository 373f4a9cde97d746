package consul_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
)

// BenchmarkServices shifts a service of 10,000 instances to and fro by the medium, packed as a run packs it, and in the same run by a bare
// loop over the same transactions: the ratio is what the medium costs, the listing before each shift left out of both.
func BenchmarkServices(b *testing.B) {
	const n = 10000
	m, service := management(b), "search-"+unique()
	fillCatalog(b, m, service, n)
	fence := session(b, m)
	c := client(b, "", nil)
	s := c.Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: service, Consumer: "generic"}}, consul.ServicesOptions{Rooms: signs, Here: "home"})
	pl := c.ServicesPlane("services", "home", "home", s)
	var requests [][]cutover.Change
	shares := []int{2000, 4000}
	b.Run("medium", func(b *testing.B) {
		for k := 0; b.Loop(); k++ {
			b.StopTimer()
			held, err := s.Read(context.Background(), s.Seats())
			if err != nil {
				b.Fatal(err)
			}
			waves := shape(b, s, held, shares[k%2])
			b.StartTimer()
			requests = nil
			for _, wave := range waves {
				requests = append(requests, cutover.Pack(pl, wave)...)
			}
			for _, pack := range requests {
				for i, o := range s.Write(context.Background(), fence, pack) {
					if o.What != cutover.Done {
						b.Fatal(pack[i].Object, o.What, o.Err)
					}
				}
			}
		}
		b.ReportMetric(float64(len(requests)), "requests/op")
	})
	b.Run("bare", func(b *testing.B) {
		for k := 0; b.Loop(); k++ {
			b.StopTimer()
			entries, _, err := m.Health().Service(service, "", false, &api.QueryOptions{RequireConsistent: true})
			if err != nil {
				b.Fatal(err)
			}
			of := map[string]*api.ServiceEntry{}
			for _, e := range entries {
				of[service+"/"+e.Node.Node+"/"+e.Service.ID] = e
			}
			b.StartTimer()
			for _, pack := range requests {
				ops := api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: fence.Key, Session: fence.Session}}}
				for _, c := range pack {
					e := of[c.Object]
					e.Service.Weights.Passing = 100 + k%2 + 7*(e.Service.Weights.Passing%2)
					e.Service.Proxy, e.Service.Connect = nil, nil
					ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceCAS, Node: e.Node.Node, Service: *e.Service}})
				}
				if ok, answer, _, err := m.Txn().Txn(ops, nil); err != nil || !ok {
					b.Fatal(ok, answer, err)
				}
			}
		}
	})
}

// fillCatalog registers n instances on nodes of their own, half of them in each room, by transactions.
func fillCatalog(b testing.TB, m *api.Client, service string, n int) {
	b.Helper()
	for begin := 0; begin < n; begin += 32 {
		var ops []map[string]any
		for i := begin; i < min(n, begin+32); i++ {
			node := fmt.Sprintf("%s-%05d", service, i)
			ops = append(ops, map[string]any{"Node": map[string]any{"Verb": "set", "Node": map[string]any{"Node": node, "Address": fmt.Sprintf("127.%d.%d.%d", 1+i%2, i/250, i%250+1)}}},
				map[string]any{"Service": map[string]any{"Verb": "set", "Node": node, "Service": map[string]any{"ID": node, "Service": service, "Port": 80,
					"Tags": []string{"v1"}, "Meta": map[string]string{"owner": "ops", "build": "2027-01-29"}, "Weights": map[string]int{"Passing": 100, "Warning": 1}}}})
		}
		body, err := json.Marshal(ops)
		if err != nil {
			b.Fatal(err)
		}
		asked(b, real.Addr, http.MethodPut, "/v1/txn", string(body))
	}
}
