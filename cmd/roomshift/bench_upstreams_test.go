package main

import (
	"fmt"
	"testing"

	"github.com/hashicorp/consul/api"
)

// BenchmarkUpstreams10000 is 10,000 instances by their upstream keys: see instanceBench.
func BenchmarkUpstreams10000(b *testing.B) {
	(&instanceBench{addresses: [2]string{"10.1.0.0/16", "10.2.0.0/16"}, route: "upstream: web", fill: fillUpstreams, again: upstreamsAgain}).run(b)
}

func fillUpstreams(b *testing.B, u *instanceRun) {
	var ops []benchOp
	for room, down := range []string{"", `,"down":1`} {
		for i := range benchInstances {
			ops = append(ops, benchOp{"KV": benchOp{"Verb": "set", "Key": fmt.Sprintf("upstreams/web/10.%d.%d.%d:8080", room+1, i/250, i%250+1),
				"Value": []byte(`{"weight":100,"max_fails":2,"fail_timeout":10` + down + `}`)}})
		}
	}
	u.put(b, ops)
}

func upstreamsAgain(b *testing.B, u *instanceRun, c *api.Client, check benchOp) [][]benchOp {
	pairs, _, err := c.KV().List("upstreams/web/", nil)
	if err != nil {
		b.Fatal(err)
	}
	index := map[string]uint64{}
	for _, p := range pairs {
		index[p.Key] = p.ModifyIndex
	}
	var all [][]benchOp
	for _, keys := range u.sent {
		ops := []benchOp{check}
		for _, k := range keys {
			ops = append(ops, benchOp{"KV": benchOp{"Verb": "cas", "Key": k, "Index": index[k], "Value": []byte(`{"weight":100,"max_fails":2,"fail_timeout":10,"down":0}`)}})
		}
		all = append(all, ops)
	}
	return all
}
