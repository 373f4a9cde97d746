package main

import (
	"fmt"
	"testing"

	"github.com/hashicorp/consul/api"
)

// BenchmarkServices10000 is 10,000 instances by services' weights, of the catalog, each on a node of its own: see instanceBench. Traffic is
// kept from the cloud's at first, so that each of them takes two operations: its weight, and the check that goes.
func BenchmarkServices10000(b *testing.B) {
	(&instanceBench{addresses: [2]string{"127.1.0.0/16", "127.2.0.0/16"}, route: "service: web, consumer: generic", fill: fillServices, again: servicesAgain}).run(b)
}

// drainBench is roomshift's check on an instance of the cloud's.
func drainBench(verb, id string) benchOp {
	return benchOp{"Check": benchOp{"Verb": verb, "Check": benchOp{"Node": id, "CheckID": "roomshift-drained:" + id, "Name": "roomshift",
		"Notes": "roomshift: no traffic, until its weight is set again", "Status": "critical", "ServiceID": id, "ServiceName": "web"}}}
}

func fillServices(b *testing.B, u *instanceRun) {
	var ops []benchOp
	for i := range 2 * benchInstances {
		room, id := i/benchInstances, fmt.Sprintf("web-%05d", i)
		ops = append(ops, benchOp{"Node": benchOp{"Verb": "set", "Node": benchOp{"Node": id, "Address": fmt.Sprintf("127.%d.%d.%d", room+1, i%benchInstances/250, i%250+1)}}},
			benchOp{"Service": benchOp{"Verb": "set", "Node": id, "Service": benchOp{"ID": id, "Service": "web", "Port": 80,
				"Tags": []string{"v1"}, "Meta": map[string]string{"owner": "ops", "build": "2027-01-29"}, "Weights": map[string]int{"Passing": 100, "Warning": 1}}}})
		last := benchOp{"Check": benchOp{"Verb": "set", "Check": benchOp{"Node": id, "CheckID": "http", "Name": "http", "Status": "passing", "ServiceID": id, "ServiceName": "web"}}}
		if room == 1 {
			last = drainBench("set", id)
		}
		ops = append(ops, last)
	}
	u.put(b, ops)
}

func servicesAgain(b *testing.B, u *instanceRun, c *api.Client, check benchOp) [][]benchOp {
	entries, _, err := c.Health().Service("web", "", false, nil)
	if err != nil {
		b.Fatal(err)
	}
	of := map[string]*api.AgentService{}
	for _, e := range entries {
		of["web/"+e.Node.Node+"/"+e.Service.ID] = e.Service
	}
	var all [][]benchOp
	for _, objects := range u.sent {
		ops := []benchOp{check}
		for _, o := range objects {
			s := of[o]
			ops = append(ops, benchOp{"Service": benchOp{"Verb": "cas", "Node": s.ID, "Service": benchOp{"ID": s.ID, "Service": "web", "Port": s.Port,
				"Tags": s.Tags, "Meta": s.Meta, "Weights": map[string]int{"Passing": 100 + s.Weights.Passing%2, "Warning": 1}, "ModifyIndex": s.ModifyIndex}}})
			if s.ID >= fmt.Sprintf("web-%05d", benchInstances) {
				ops = append(ops, drainBench("delete", s.ID))
			}
		}
		all = append(all, ops)
	}
	return all
}
