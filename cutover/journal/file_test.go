package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

const runName = "0214-7a"

// made is a new journal with n records in it, one group each.
func made(t testing.TB, reserve int64, n int) (*File, []cutover.Record) {
	t.Helper()
	j, err := Create(filepath.Join(t.TempDir(), runName), reserve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, j) })
	rs := cutovertest.JournalRecords(t, runName, nil, n)
	for i := range rs {
		if err := j.Append(t.Context(), rs[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return j, rs
}

func count(t testing.TB, j cutover.Journal) int {
	t.Helper()
	rs, _, err := j.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(rs)
}

func TestCreateIsPrivateAndOnce(t *testing.T) {
	j, _ := made(t, 100000, 1)
	for path, want := range map[string]os.FileMode{j.dir: 0o700, j.Path(): 0o600, filepath.Join(j.dir, reserveName): 0o600} {
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, st.Mode().Perm(), err, want)
		}
	}
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(j.dir, reserveName), &st); err != nil || st.Size != 100000 || st.Blocks*512 < 100000 {
		t.Errorf("the reserve takes %d blocks for %d bytes, %v", st.Blocks, st.Size, err)
	}
	if _, err := Create(j.dir, -1); err == nil || !strings.Contains(err.Error(), "started before") {
		t.Errorf("made twice: %v", err)
	}
}

func TestASecondOpenerHearsWho(t *testing.T) {
	j, _ := made(t, -1, 1)
	_, err := Open(j.dir)
	if want := fmt.Sprintf("process %d", os.Getpid()); !errors.Is(err, cutover.ErrHeld) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
	if rs, torn, err := ReadOnly(j.dir); err != nil || len(rs) != 1 || torn != "" {
		t.Errorf("status reads beside it: %d records, %q, %v", len(rs), torn, err)
	}
	closeNow(t, j)
	if err := j.Append(t.Context(), cutovertest.JournalRecords(t, runName, nil, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
}

func TestOpenOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), runName)
	if _, err := Open(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, _, err := ReadOnly(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestARenamedFolderIsAnotherRun(t *testing.T) {
	j, _ := made(t, -1, 2)
	closeNow(t, j)
	other := filepath.Join(filepath.Dir(j.dir), "0215-bb")
	if err := os.Rename(j.dir, other); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{closeAny(open(other, -1)), func() error { _, _, err := ReadOnly(other); return err }()} {
		if err == nil || !strings.Contains(err.Error(), runName) || !strings.Contains(err.Error(), "0215-bb") {
			t.Errorf("%v", err)
		}
	}
}

func TestAJournalThatWasReplaced(t *testing.T) {
	j, rs := made(t, -1, 1)
	if err := os.Rename(j.Path(), j.Path()+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.Path(), readFile(t, j.Path()+".old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), cutovertest.JournalRecords(t, runName, rs, 1)); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("wrote into a file that nobody reads: %v", err)
	}
}

// badDisk is a disk whose next calls fail.
type badDisk struct {
	disk
	short           int // WriteAt writes that many bytes and says ENOSPC; -1: all of them
	sync, truncates []error
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (d *badDisk) WriteAt(b []byte, at int64) (int, error) {
	if d.short < 0 {
		return d.disk.WriteAt(b, at)
	}
	n, err := d.disk.WriteAt(b[:min(d.short, len(b))], at)
	if err == nil {
		err = syscall.ENOSPC
	}
	d.short = -1
	return n, err
}

func (d *badDisk) Sync() error {
	if err := next(&d.sync); err != nil {
		return err
	}
	return d.disk.Sync()
}

func (d *badDisk) Truncate(n int64) error {
	if err := next(&d.truncates); err != nil {
		return err
	}
	return d.disk.Truncate(n)
}

// After every fault either nothing of the group is there, and the next append goes on behind the last whole group, or the
// error says that nobody knows.
func TestABadDisk(t *testing.T) {
	eio := syscall.EIO
	for name, c := range map[string]struct {
		bad     badDisk
		unknown bool // of the append that met the fault
		again   bool // the append after it fails too, and leaves nothing
		is      error
	}{
		"a short write":                        {badDisk{short: 50}, false, false, cutover.ErrNoSpace},
		"a write of nothing":                   {badDisk{short: 0}, false, false, cutover.ErrNoSpace},
		"a sync that fails":                    {badDisk{short: -1, sync: []error{eio}}, false, false, eio},
		"a full disk, said by sync":            {badDisk{short: -1, sync: []error{syscall.EDQUOT}}, false, false, cutover.ErrNoSpace},
		"a sync that fails, undone unsynced":   {badDisk{short: -1, sync: []error{eio, eio}}, true, false, eio},
		"a short write that can't be undone":   {badDisk{short: 50, truncates: []error{eio}}, true, false, eio},
		"a sync that fails, undone much later": {badDisk{short: -1, sync: []error{eio}, truncates: []error{eio, eio}}, true, true, eio},
	} {
		t.Run(name, func(t *testing.T) {
			j, rs := made(t, -1, 2)
			bad := c.bad
			bad.disk = j.disk
			j.disk = &bad
			group := cutovertest.JournalRecords(t, runName, rs, 3)
			err := j.Append(t.Context(), group)
			if errors.Is(err, cutover.ErrOutcomeUnknown) != c.unknown || !errors.Is(err, c.is) {
				t.Errorf("%v; want unknown %v, %v", err, c.unknown, c.is)
			}
			if !c.unknown {
				if onDisk, _, err := ReadOnly(j.dir); err != nil || len(onDisk) != 2 {
					t.Errorf("it says that nothing was written, and there are %d records, %v", len(onDisk), err)
				}
			}
			err = j.Append(t.Context(), group)
			if (err != nil) != c.again || errors.Is(err, cutover.ErrOutcomeUnknown) {
				t.Errorf("the next append: %v", err)
			}
			if c.again {
				err = j.Append(t.Context(), group)
			}
			if n := count(t, j); err != nil || n != 5 {
				t.Errorf("in the end: %d records, %v", n, err)
			}
		})
	}
}

// A disk that stalls stops appends, and nothing else: the next append gives up with its context, and begins nothing.
func TestADiskThatStalls(t *testing.T) {
	j, rs := made(t, -1, 1)
	stall := &stallingDisk{disk: j.disk, met: make(chan struct{}), goOn: make(chan struct{})}
	j.disk = stall
	group := cutovertest.JournalRecords(t, runName, rs, 2)
	first := make(chan error)
	go func() { first <- j.Append(context.Background(), group[:1]) }()
	<-stall.met
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := j.Append(ctx, group[1:]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("append behind a stalled one: %v", err)
	}
	close(stall.goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := count(t, j); n != 2 {
		t.Errorf("%d records", n)
	}
}

type stallingDisk struct {
	disk
	met, goOn chan struct{}
}

func (d *stallingDisk) Sync() error {
	close(d.met)
	<-d.goOn
	return d.disk.Sync()
}

// A process that is killed with kill -9 while it appends as fast as it can leaves every group it was told is durable.
func TestKilledWhileAppending(t *testing.T) {
	for round := range 5 {
		dir := filepath.Join(t.TempDir(), runName)
		cmd := exec.Command(os.Args[0], "-test.run=^TestChildThatAppends$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		durable := 0
		lines := bufio.NewScanner(out)
		for durable < 40+round*17 && lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				durable = n
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				durable = n
			}
		}
		_ = cmd.Wait() // it was killed
		j, err := open(dir, -1)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, j); durable == 0 || n < durable || n%3 != 1 {
			t.Errorf("%d records were said to be durable, %d are there; groups are of 3 after the first", durable, n)
		}
		closeNow(t, j)
	}
}

const childDir = "ROOMSHIFT_TEST_JOURNAL_CHILD"

// TestChildThatAppends is the process that TestKilledWhileAppending kills.
func TestChildThatAppends(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return // not the child
	}
	j, err := Create(dir, -1)
	if err != nil {
		t.Fatal(err)
	}
	rs := cutovertest.JournalRecords(t, runName, nil, 1)
	n := 0
	for err = j.Append(t.Context(), rs); err == nil; err = j.Append(t.Context(), rs) {
		n += len(rs)
		fmt.Println(n)
		rs = cutovertest.JournalRecords(t, runName, rs, 3)
	}
	t.Fatal(err)
}

func BenchmarkAppendSynced(b *testing.B) {
	j, rs := made(b, -1, 1)
	for b.Loop() {
		rs = cutovertest.JournalRecords(b, runName, rs, 1)
		if err := j.Append(b.Context(), rs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryAppend(b *testing.B) {
	m := NewMemory(runName)
	rs := cutovertest.JournalRecords(b, runName, nil, 4)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; n%100 == 0 {
			m = NewMemory(runName)
		}
		if err := m.Append(b.Context(), rs); err != nil {
			b.Fatal(err)
		}
	}
}
