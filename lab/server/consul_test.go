package server

import (
	"context"
	"testing"
	"time"
)

func TestConsul(t *testing.T) {
	for name, o := range map[string]ConsulOptions{"plain": {}, "three": {Servers: 3}, "acl": {ACL: true, Rules: `key_prefix "a/" { policy = "write" }`},
		"tls": {TLS: true, Datacenter: "cloud"}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			start := time.Now()
			c, err := StartConsul(ctx, t.TempDir(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Kill()
			t.Log("ready after", time.Since(start))
			if err := c.call(ctx, c.Nodes[0], "PUT", "/v1/kv/a/b", c.Management, "1", nil); err != nil {
				t.Fatal(err)
			}
			if o.ACL {
				if err := c.call(ctx, c.Nodes[0], "PUT", "/v1/kv/a/b", c.Token, "1", nil); err != nil {
					t.Error("the token may not do what its rules say:", err)
				}
				if err := c.call(ctx, c.Nodes[0], "PUT", "/v1/kv/b", c.Token, "1", nil); err == nil {
					t.Error("the token may do more than its rules say")
				}
			}
			c.Kill()
			if err := c.call(ctx, c.Nodes[0], "GET", "/v1/kv/a/b?raw", c.Management, nil, nil); err == nil {
				t.Fatal("a killed consul answers")
			}
			if err := c.Start(ctx); err != nil {
				t.Fatal("start again:", err)
			}
			if err := c.Ready(ctx); err != nil {
				t.Fatal("start again:", err)
			}
			var n int
			if err := c.call(ctx, c.Nodes[0], "GET", "/v1/kv/a/b?raw", c.Management, nil, &n); err != nil || n != 1 {
				t.Errorf("after a restart the key holds %d: %v", n, err)
			}
		})
	}
}
