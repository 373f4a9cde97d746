package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nobody is a server that doesn't exist. Port 1 of loopback refuses connections.
var nobody = raftPeer{ID: "00000000-0000-4000-8000-000000000001", Address: "127.0.0.1:1"}

// raftPeer is a voter of Consul's raft, as peers.json has it.
type raftPeer struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	NonVoter bool   `json:"non_voter"`
}

// LoseLeader makes a Consul of one server one that has lost its quorum: it is started anew as one of two voters, the other of which doesn't
// exist. It answers, and has no leader: whatever needs one is held for 7 s, and is an error then. What it had it keeps. FindLeader ends it.
func (c *Consul) LoseLeader(ctx context.Context) error {
	node, err := c.restartAmong(nobody)
	if err != nil {
		return err
	}
	return node.Process.Await(ctx, func(ctx context.Context) error {
		leader, err := c.leader(ctx, node)
		if err == nil && leader != "" {
			err = fmt.Errorf("it has the leader %s", leader)
		}
		return err
	})
}

// FindLeader makes the server the only voter again, and returns when it can be written.
func (c *Consul) FindLeader(ctx context.Context) error {
	if _, err := c.restartAmong(); err != nil {
		return err
	}
	return errors.Join(c.Start(ctx), c.Ready(ctx))
}

// HasLeader tells whether the first server knows one.
func (c *Consul) HasLeader(ctx context.Context) (bool, error) {
	leader, err := c.leader(ctx, c.Nodes[0])
	return leader != "", err
}

func (c *Consul) leader(ctx context.Context, node *ConsulNode) (leader string, err error) {
	if !node.Process.Owns(node.HTTP) {
		return "", fmt.Errorf("port %d isn't its own yet", node.HTTP)
	}
	return leader, c.call(ctx, node, "GET", "/v1/status/leader", "", nil, &leader)
}

// restartAmong starts the only server anew with itself and these as voters: it takes what peers.json says for its raft's newest members.
func (c *Consul) restartAmong(others ...raftPeer) (*ConsulNode, error) {
	if len(c.Nodes) != 1 {
		return nil, fmt.Errorf("consul %s has %d servers: only of one is it known how it loses its leader", c.Datacenter, len(c.Nodes))
	}
	node := c.Nodes[0]
	c.Kill()
	data := filepath.Join(node.dir, "data")
	id, err := os.ReadFile(filepath.Join(data, "node-id"))
	if err != nil {
		return nil, err
	}
	own := raftPeer{ID: strings.TrimSpace(string(id)), Address: fmt.Sprintf("127.0.0.1:%d", node.raft)}
	b, err := json.Marshal(append([]raftPeer{own}, others...))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(data, "raft", "peers.json"), b, 0o600); err != nil {
		return nil, err
	}
	return node, c.launch(node)
}
