package consul

import (
	"context"
	"errors"
	"os"
	"testing"

	"roomshift/cutover"
)

// TestRecordFileDisk: a disk that fails before the record is replaced has changed nothing; one that fails with it, or behind it, leaves it
// unknown, and nothing rests on what is seen until it is on the disk.
func TestRecordFileDisk(t *testing.T) {
	ctx := context.Background()
	r := NewRecordFile(t.TempDir(), "feed-db", "zhang@ops")
	session, err := r.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.Write(ctx, session, []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	bad := disk{func(*os.File) error { return full }, os.Rename}
	good := r.disk

	r.disk = bad
	if _, err := r.Write(ctx, session, []byte("two"), at); !errors.Is(err, full) || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("not prepared: %v", err)
	}
	r.disk = good
	if value, index, err := r.Read(ctx); err != nil || string(value) != "one" || index != at {
		t.Errorf("%q at %d, %v", value, index, err)
	}

	syncs := 0
	r.disk.sync = func(f *os.File) error {
		if syncs++; syncs > 1 { // the folder's
			return full
		}
		return f.Sync()
	}
	if _, err := r.Write(ctx, session, []byte("two"), at); !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("replaced, and not known to be on the disk: %v", err)
	}
	if _, _, err := r.Read(ctx); !errors.Is(err, full) {
		t.Errorf("read though it isn't known to be on the disk: %v", err)
	}
	if _, err := r.Write(ctx, session, []byte("three"), at+1); !errors.Is(err, full) || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("written over what isn't known to be on the disk: %v", err)
	}
	r.disk = good
	if value, index, err := r.Read(ctx); err != nil || string(value) != "two" || index != at+1 {
		t.Errorf("%q at %d, %v once it is on the disk", value, index, err)
	}

	r.disk.rename = func(string, string) error { return full }
	if _, err := r.Write(ctx, session, []byte("three"), at+1); !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("not replaced: %v", err)
	}
	r.disk = good
	r.disk.sync = bad.sync
	if _, err := r.Take(ctx); !errors.Is(err, full) {
		t.Errorf("the lock is given though what is there isn't on the disk: %v", err)
	}
	if r.Session() != "" {
		t.Error("and it has a session")
	}
}
