package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// OnlyKey is the key of a thing that runs in exactly one room: JSON that says which, or "none". A key that isn't there says none; one that
// holds nothing but a room's name, as people write it by hand, says that, too. Who obeys it is docs/only.md.
type OnlyKey struct {
	client *Client
	name   string
	key    string
	rooms  []cutover.Room
	count  func(ctx context.Context, to cutover.Room) cutover.OnlyCount
}

// Only is the key of a thing. rooms are the words that it may hold beside "none"; count says how much of it runs.
func (c *Client) Only(name, key string, rooms []cutover.Room, count func(context.Context, cutover.Room) cutover.OnlyCount) *OnlyKey {
	return &OnlyKey{client: c, name: name, key: key, rooms: rooms, count: count}
}

var _ cutover.OnlyKeeper = (*OnlyKey)(nil)

// OnlyPath is the key of a thing where rooms.yaml names none.
func OnlyPath(prefix, name string) string { return strings.Trim(prefix, "/") + "/only/" + name }

// errNotAKey: what a key holds is no word of ours.
var errNotAKey = errors.New("it holds what is neither a room nor none")

// Read is the key now, consistent.
func (k *OnlyKey) Read(ctx context.Context) cutover.OnlySeen {
	found, err := k.client.get(ctx, []string{k.key})
	if err != nil {
		return cutover.OnlySeen{Err: err}
	}
	pair := found[k.key]
	if pair == nil {
		return cutover.OnlySeen{Key: cutover.OnlyKey{Room: cutover.OnlyNone}}
	}
	key, err := k.parse(pair.Value)
	if err != nil {
		err = fmt.Errorf("%s in consul of %s: %w", k.key, k.client.name, err)
	}
	return cutover.OnlySeen{Key: key, Index: pair.ModifyIndex, Err: err}
}

func (k *OnlyKey) parse(value []byte) (cutover.OnlyKey, error) {
	var key cutover.OnlyKey
	text := strings.TrimSpace(string(value))
	if !strings.HasPrefix(text, "{") {
		key.Room = text
	} else if err := json.Unmarshal(value, &key); err != nil {
		return key, fmt.Errorf("%w: %.60q", errNotAKey, text)
	}
	if key.Room == cutover.OnlyNone {
		return key, nil
	}
	for _, room := range k.rooms {
		if room == key.Room {
			return key, nil
		}
	}
	return key, fmt.Errorf("%w: %.60q; rooms are %s", errNotAKey, text, strings.Join(k.rooms, ", "))
}

// Running counts what runs of it.
func (k *OnlyKey) Running(ctx context.Context, to cutover.Room) cutover.OnlyCount {
	return k.count(ctx, to)
}

// Write sets the key that was read at an index, 0: there is none, if the run's lock is still held by the fence's session.
func (k *OnlyKey) Write(ctx context.Context, f cutover.Fence, key cutover.OnlyKey, index uint64) cutover.MoveReply {
	value, err := json.Marshal(key)
	if err != nil {
		return cutover.MoveReply{What: cutover.Failed, Err: err}
	}
	act := "set the key of " + k.name
	if f.Session == "" {
		return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("%s in consul of %s: %w: not sent", act, k.client.name, cutover.ErrLeaseLost)}
	}
	answer, ok, what, _, err := k.client.txn(ctx, act, api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: f.Key, Session: f.Session}},
		{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: k.key, Value: value, Index: index}},
	})
	switch {
	case err != nil:
		return cutover.MoveReply{What: what, Err: err}
	case !ok:
		return cutover.MoveReply{What: cutover.Failed, Err: k.refused(act, f.Key, answer.Errors)}
	}
	return cutover.MoveReply{What: cutover.Done}
}

// refused says why a write was rolled back.
func (k *OnlyKey) refused(act, lockKey string, errs api.TxnErrors) error {
	for _, e := range errs {
		switch {
		case permissionDenied(e.What) && e.OpIndex == 0:
			return k.client.forbidden(lockKey, "read")
		case permissionDenied(e.What):
			return k.client.forbidden(k.key, "write")
		}
	}
	for _, e := range errs {
		if e.OpIndex == 0 {
			return fmt.Errorf("%s in consul of %s: %w: %s", act, k.client.name, cutover.ErrLeaseLost, e.What)
		}
	}
	return fmt.Errorf("%s in consul of %s: it has changed since it was read: %s", act, k.client.name, firstOf(errs))
}
