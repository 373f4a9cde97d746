package consul

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// Beside a record is a note: what a move has to remember that isn't the record's, for whoever goes on with it. It is written under the
// record's lock, without a comparison: PREFIX/beside/PAIR, or a file of its own.

func (r *RecordKey) beside() string { return r.prefix + "/beside/" + r.pair }

// Look is Read, and whether the lock is still held by this RecordKey's session, both as they were at one moment.
func (r *RecordKey) Look(ctx context.Context) (value []byte, index uint64, held bool, err error) {
	lock := r.lock.lockKey(r.who.Run)
	found, err := r.client.get(ctx, []string{lock, r.key})
	if err != nil {
		return nil, 0, false, fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	session := r.Session()
	held = session != "" && found[lock] != nil && found[lock].Session == session
	if pair := found[r.key]; pair != nil {
		value, index = pair.Value, pair.ModifyIndex
	}
	return value, index, held, nil
}

// Note is what is noted beside the record; nil: nothing.
func (r *RecordKey) Note(ctx context.Context) ([]byte, error) {
	found, err := r.client.get(ctx, []string{r.beside()})
	if err != nil {
		return nil, fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	if pair := found[r.beside()]; pair != nil {
		return pair.Value, nil
	}
	return nil, nil
}

// WriteNote replaces the note, if the lock is still held by the session. Errors are as Write's.
func (r *RecordKey) WriteNote(ctx context.Context, session string, note []byte) error {
	act := "note beside the writer of " + r.pair
	if session == "" || r.Session() != session {
		return fmt.Errorf("%s in consul of %s: %w: not sent", act, r.client.name, cutover.ErrLeaseLost)
	}
	lockKey := r.lock.lockKey(r.who.Run)
	answer, ok, _, _, err := r.client.txn(ctx, act, api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: lockKey, Session: session}},
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: r.beside(), Value: note}},
	})
	if err != nil {
		return err
	}
	if !ok {
		return r.refused(act, lockKey, r.beside(), answer.Errors)
	}
	return nil
}

// Look is RecordKey.Look's.
func (r *RecordFile) Look(ctx context.Context) (value []byte, index uint64, held bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		value, index, err = r.read()
		return value, index, false, err
	}
	value, index, err = r.ready(ctx)
	if errors.Is(err, cutover.ErrLeaseLost) {
		value, index, err = r.read()
		return value, index, false, err
	}
	return value, index, err == nil, err
}

func (r *RecordFile) beside() string { return filepath.Join(r.dir, "beside."+r.pair) }

// Note is RecordKey.Note's.
func (r *RecordFile) Note(context.Context) ([]byte, error) {
	b, err := os.ReadFile(r.beside())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// WriteNote is RecordKey.WriteNote's. It is on the disk when it returns.
func (r *RecordFile) WriteNote(ctx context.Context, session string, note []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	act := "note beside the writer of " + r.pair
	if session == "" || session != r.session {
		return fmt.Errorf("%s: %w: not written", act, cutover.ErrLeaseLost)
	}
	if _, _, err := r.ready(ctx); err != nil {
		return fmt.Errorf("%s: not written: %w", act, err)
	}
	if err := r.prepare(r.beside(), note); err != nil {
		return fmt.Errorf("%s: not written: %w", act, err)
	}
	err := r.disk.rename(r.beside()+".new", r.beside())
	if err == nil {
		err = r.settle()
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", act, cutover.ErrOutcomeUnknown, err)
	}
	return nil
}
