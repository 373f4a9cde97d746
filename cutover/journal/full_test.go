package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// smallDisk is a journal on a disk of about 64 KiB with a reserve of 16 KiB, and a function that fills the disk up, and one that
// makes room. With the rights to mount it is a real file system; without, a budget that journal and reserve share.
func smallDisk(t *testing.T) (j *File, fill, room func()) {
	t.Helper()
	at := t.TempDir()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size=64k"); err != nil {
		t.Logf("no rights to mount a small disk (%v): a budget stands for it", err)
		return budgetDisk(t)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	j, err := Create(filepath.Join(at, runName), 16<<10)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, j) })
	filler := filepath.Join(at, "filler")
	return j, func() {
			if err := allocate(filler, 64<<10); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("the disk isn't full: %v", err)
			}
		}, func() {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		}
}

// budget counts bytes instead of a file system.
type budget struct {
	disk
	left, journal, kept int64
}

func (b *budget) WriteAt(p []byte, at int64) (int, error) {
	grows := max(0, at+int64(len(p))-b.journal)
	if grows > b.left {
		return 0, syscall.ENOSPC
	}
	b.left, b.journal = b.left-grows, b.journal+grows
	return b.disk.WriteAt(p, at)
}

func (b *budget) Truncate(n int64) error {
	if b.journal > n {
		b.left, b.journal = b.left+b.journal-n, n
	}
	return b.disk.Truncate(n)
}

func budgetDisk(t *testing.T) (j *File, fill, room func()) {
	t.Helper()
	j, _ = made(t, -1, 0)
	b := &budget{disk: j.disk, left: 48 << 10, kept: 16 << 10}
	j.disk = b
	j.reserve = &reserve{path: filepath.Join(j.dir, reserveName), size: 16 << 10, kept: true,
		make: func(_ string, n int64) error {
			if b.left < n {
				return syscall.ENOSPC
			}
			b.left, b.kept = b.left-n, n
			return nil
		},
		drop: func(string) error { b.left, b.kept = b.left+b.kept, 0; return nil }}
	var filled int64
	return j, func() { filled, b.left = b.left, 0 }, func() { b.left, filled = b.left+filled, 0 }
}

func TestAFullDisk(t *testing.T) {
	j, fill, room := smallDisk(t)
	rs := cutovertest.JournalRecords(t, runName, nil, 2)
	if err := j.Append(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	forward := func() error {
		r := cutovertest.ForwardRecord(t, rs)
		err := j.Append(t.Context(), []cutover.Record{r})
		if err == nil {
			rs = append(rs, r)
		}
		return err
	}
	calm := func() error {
		more := cutovertest.JournalRecords(t, runName, rs, 2)
		err := j.Append(t.Context(), more)
		if err == nil {
			rs = append(rs, more...)
		}
		return err
	}
	fill()
	fillPage(t, calm, func() bool { return !j.reserve.kept })
	for range 3 {
		if err := forward(); !errors.Is(err, cutover.ErrNoSpace) {
			t.Fatalf("a forward intent on a full disk: %v", err)
		}
	}
	taken := 0
	for taken < 10000 {
		err := calm()
		if err != nil {
			if !errors.Is(err, cutover.ErrNoSpace) {
				t.Fatalf("the reserve is used up: %v", err)
			}
			break
		}
		taken++
	}
	if taken < 10 || taken == 10000 {
		t.Errorf("the reserve took %d groups", taken)
	}
	if n := count(t, j); n != len(rs) {
		t.Errorf("%d records are there, %d were taken", n, len(rs))
	}
	room()
	if err := forward(); err != nil || !j.reserve.kept {
		t.Errorf("there is room again: %v, reserve %v", err, j.reserve.kept)
	}
	if err := calm(); err != nil {
		t.Error(err)
	}
	if n := count(t, j); n != len(rs) {
		t.Errorf("%d records are there, %d were taken", n, len(rs))
	}
}

// fillPage writes what doesn't go forward until the reserve is given up: the journal's last block has some room left.
func fillPage(t *testing.T, calm func() error, given func() bool) {
	t.Helper()
	for range 1000 {
		if given() {
			return
		}
		if err := calm(); err != nil {
			t.Fatalf("on a full disk with a reserve: %v", err)
		}
	}
	t.Fatal("the reserve was never given up")
}

// The first group that meets the full disk may be a forward one: it isn't written, and the reserve is kept.
func TestAForwardGroupLeavesTheReserve(t *testing.T) {
	j, fill, _ := smallDisk(t)
	rs := cutovertest.JournalRecords(t, runName, nil, 2)
	if err := j.Append(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	fill()
	for range 1000 {
		r := cutovertest.ForwardRecord(t, rs)
		err := j.Append(t.Context(), []cutover.Record{r})
		if errors.Is(err, cutover.ErrNoSpace) {
			if !j.reserve.kept {
				t.Error("the reserve is gone")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	t.Error("the disk never was full")
}

func TestCreateOnAFullDisk(t *testing.T) {
	j, fill, _ := smallDisk(t)
	if _, ok := j.disk.(*budget); ok {
		return // only a real disk is asked for folders
	}
	fill()
	dir := filepath.Join(filepath.Dir(j.dir), "0215-bb")
	if _, err := Create(dir, 16<<10); !errors.Is(err, cutover.ErrNoSpace) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("made on a full disk: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal is left behind: %v", err)
	}
}
