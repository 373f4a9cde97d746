package consul

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"roomshift/cutover"
)

// RecordFile is RecordKey where there is no Consul: a file beside the journal, for the processes of one machine. Its lock is flock's, which
// ends with its process. The file's first line has the index, the rest is the record; it is replaced in one step and is on the disk when
// Write returns.
type RecordFile struct {
	dir, pair, who string
	disk           disk

	mu      sync.Mutex
	lock    *os.File // nil: not held
	session string
	doubt   bool // whether the last replacement is on the disk isn't known
}

// disk is what of the file system can fail in the middle.
type disk struct {
	sync   func(*os.File) error
	rename func(from, to string) error
}

// NewRecordFile is the record of a pair in a folder that is there. who says who holds its lock, to others. Nothing is opened yet.
func NewRecordFile(dir, pair, who string) *RecordFile {
	return &RecordFile{dir: dir, pair: pair, who: who, disk: disk{(*os.File).Sync, os.Rename}}
}

// String is where the record is, for people.
func (r *RecordFile) String() string { return r.path() }

func (r *RecordFile) path() string { return filepath.Join(r.dir, "writer."+r.pair) }

// Take is RecordKey.Take's.
func (r *RecordFile) Take(ctx context.Context) (session string, err error) {
	if err := r.Release(ctx); err != nil {
		return "", err
	}
	f, err := os.OpenFile(r.path()+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w by %s", cutover.ErrHeld, holderOf(f))
		}
		return "", errors.Join(fmt.Errorf("writer of %s: lock %s: %w", r.pair, f.Name(), err), f.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.settle(); err != nil { // what somebody else left half done
		return "", errors.Join(fmt.Errorf("writer of %s: %w", r.pair, err), f.Close())
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(fmt.Sprintf("%s, process %d\n", r.who, os.Getpid())), 0) // it only names the holder to others
	}
	r.lock, r.session = f, rand.Text()
	return r.session, nil
}

func holderOf(f *os.File) string {
	b := make([]byte, 300)
	n, _ := f.ReadAt(b, 0)
	if who := strings.TrimSpace(string(b[:n])); who != "" {
		return who + " on this machine"
	}
	return "another process on this machine"
}

// Session is RecordKey.Session's.
func (r *RecordFile) Session() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// Release is RecordKey.Release's.
func (r *RecordFile) Release(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return nil
	}
	err := r.lock.Close()
	r.lock, r.session = nil, ""
	return err
}

// Read is RecordKey.Read's.
func (r *RecordFile) Read(context.Context) (value []byte, index uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doubt { // what is seen must be on the disk before anything rests on it
		if err := r.settle(); err != nil {
			return nil, 0, fmt.Errorf("writer of %s: %w", r.pair, err)
		}
	}
	return r.read()
}

func (r *RecordFile) read() (value []byte, index uint64, err error) {
	b, err := os.ReadFile(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	first, value, found := bytes.Cut(b, []byte("\n"))
	number, named := strings.CutPrefix(string(first), recordHead)
	index, err = strconv.ParseUint(number, 10, 64)
	if !found || !named || err != nil || index == 0 {
		return nil, 0, fmt.Errorf("writer of %s: %s doesn't begin with %q and a number: somebody has changed it by hand", r.pair, r.path(), recordHead)
	}
	return value, index, nil
}

// recordHead begins the first line.
const recordHead = "roomshift writer record, change "

// Write is RecordKey.Write's.
func (r *RecordFile) Write(ctx context.Context, session string, value []byte, index uint64) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if session == "" || session != r.session {
		return 0, fmt.Errorf("write the writer of %s: %w: not written", r.pair, cutover.ErrLeaseLost)
	}
	_, now, err := r.ready(ctx)
	if err != nil {
		return 0, fmt.Errorf("write the writer of %s: not written: %w", r.pair, err)
	}
	if now != index {
		return 0, fmt.Errorf("write the writer of %s: %w: it is at %d", r.pair, ErrRecordMoved, now)
	}
	next := index + 1
	content := append([]byte(recordHead+strconv.FormatUint(next, 10)+"\n"), value...)
	if err := r.prepare(r.path(), content); err != nil {
		return 0, fmt.Errorf("write the writer of %s: not written: %w", r.pair, err)
	}
	r.doubt = true
	err = r.disk.rename(r.path()+".new", r.path())
	if err == nil {
		err = r.settle()
	}
	if err != nil {
		return 0, fmt.Errorf("write the writer of %s: %w: %w", r.pair, cutover.ErrOutcomeUnknown, err)
	}
	return next, nil
}

// ready is what the record is, if the lock is still this one: a lock file that was made anew is somebody else's.
func (r *RecordFile) ready(ctx context.Context) (value []byte, index uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	ours, err := r.lock.Stat()
	if err != nil {
		return nil, 0, err
	}
	there, err := os.Stat(r.lock.Name())
	if err != nil || !os.SameFile(ours, there) {
		return nil, 0, errors.Join(fmt.Errorf("%w: somebody took %s away", cutover.ErrLeaseLost, r.lock.Name()), err)
	}
	if r.doubt {
		if err := r.settle(); err != nil {
			return nil, 0, err
		}
	}
	return r.read()
}

// prepare brings a file's new content to the disk, beside its place.
func (r *RecordFile) prepare(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = r.disk.sync(f)
	}
	return errors.Join(err, f.Close())
}

// settle brings the folder, and so the last replacement, to the disk.
func (r *RecordFile) settle() error {
	d, err := os.Open(r.dir)
	if err != nil {
		return err
	}
	err = errors.Join(r.disk.sync(d), d.Close())
	if err == nil {
		r.doubt = false
	}
	return err
}
