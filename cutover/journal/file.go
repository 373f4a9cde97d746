package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"roomshift/cutover"
)

// The names in a run's folder.
const (
	fileName    = "journal.jsonl"
	holderName  = "journal.pid"     // who holds the lock; the lock itself is on the journal
	reserveName = "journal.reserve" // room for going back on a full disk
)

// File is a run's journal on this machine. One process holds it: its lock is the operating system's and dies with the process.
type File struct {
	dir, run string
	file     *os.File
	disk     disk // file, or a test's
	reserve  *reserve

	busy   chan struct{} // holds one token; who has it may touch what follows
	size   int64         // of whole groups, all durable
	seq    int64
	prev   string
	torn   string // what was cut off when it was opened
	dirty  bool   // a failed write may have left bytes after size
	closed bool
	line   []byte
}

var _ cutover.Journal = (*File)(nil)

// disk is what Append does to the journal's file.
type disk interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
}

// Create makes DIR (0700) with an empty journal (0600) in it and opens it. The name of DIR is the run's. Reserve is how many
// bytes are kept back for going back on a full disk: 0 is 4 MiB, less than 0 none. An error if there is a journal already.
func Create(dir string, reserve int64) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the run's folder: %w", err)
	}
	path := filepath.Join(dir, fileName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already: the run %q was started before; take it over, or start one with another name", path, filepath.Base(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("make the journal: %w", err)
	}
	j, err := hold(dir, f, reserve)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	err = errors.Join(f.Sync(), syncDir(dir), syncDir(filepath.Dir(dir)))
	if err == nil && reserve >= 0 && !j.reserve.kept {
		err = fmt.Errorf("%w: no room for the reserve beside it; nothing was begun", cutover.ErrNoSpace)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the journal: %w", asFull(err)), j.Close(), os.Remove(path))
	}
	return j, nil
}

// Open opens the journal of a run whose process is gone. A torn tail is cut off; Read tells. The errors: somebody holds it
// (cutover.ErrHeld, with the process), its chain is broken (cutover.ErrChainBroken, with the line).
func Open(dir string) (*File, error) { return open(dir, 0) }

func open(dir string, reserve int64) (*File, error) {
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j, err := hold(dir, f, reserve)
	if err != nil {
		return nil, err
	}
	if err := j.recover(); err != nil {
		_ = j.Close() // the error to tell is the first
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return j, nil
}

// hold takes the lock. It closes f if it can't.
func hold(dir string, f *os.File, size int64) (*File, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w by %s; give that one your command, or end it first", cutover.ErrHeld, holder(dir))
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	j := &File{dir: dir, run: filepath.Base(abs), file: f, disk: f, busy: make(chan struct{}, 1), prev: cutover.Genesis()}
	j.reserve = &reserve{path: filepath.Join(dir, reserveName), size: size, make: allocate, drop: os.Remove}
	if err := j.reserve.keep(); err != nil && !isFull(err) {
		return nil, errors.Join(fmt.Errorf("keep room for the journal: %w", err), f.Close())
	}
	_ = os.WriteFile(filepath.Join(dir, holderName), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600) // it only names the holder to others
	j.busy <- struct{}{}
	return j, nil
}

// holder is the process that holds the journal, as it wrote down itself.
func holder(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, holderName))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return "process " + pid + " on this machine"
	}
	return "another process on this machine"
}

// recover reads what is there and cuts off a torn tail.
func (j *File) recover() error {
	c, err := j.load()
	if err != nil {
		return err
	}
	j.size, j.seq, j.prev, j.torn = c.good, int64(len(c.records)), c.prev, c.torn
	if c.torn == "" {
		return nil
	}
	return j.cut()
}

func (j *File) load() (*contents, error) {
	data, err := os.ReadFile(j.Path())
	if err != nil {
		return nil, err
	}
	return parse(data, j.run)
}

// cut makes the file end with its last whole group, durably.
func (j *File) cut() error {
	j.dirty = true
	if err := j.disk.Truncate(j.size); err != nil {
		return fmt.Errorf("cut off a half written group: %w", err)
	}
	if err := j.disk.Sync(); err != nil {
		return fmt.Errorf("cut off a half written group: %w", err)
	}
	j.dirty = false
	return nil
}

// Path is the journal's file.
func (j *File) Path() string { return filepath.Join(j.dir, fileName) }

// Append makes a group durable. It returns nil: all of it is; an error that isn't cutover.ErrOutcomeUnknown: nothing of it is,
// or ever will be; cutover.ErrNoSpace: so, because the disk is full (the reserve takes groups without a forward intent until it
// is used up too). It doesn't begin after ctx ended; a disk that stalls keeps it until it goes on.
func (j *File) Append(ctx context.Context, rs []cutover.Record) error {
	if err := j.enter(ctx); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	defer j.leave()
	if len(rs) == 0 {
		return nil
	}
	group, prev, err := encode(j.line[:0], rs, j.seq, j.prev, j.run)
	j.line = group[:0]
	if err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	if err := j.alone(); err != nil {
		return err
	}
	if err := j.write(group, goesForward(rs)); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	j.size, j.seq, j.prev = j.size+int64(len(group)), j.seq+int64(len(rs)), prev
	return nil
}

func (j *File) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-j.busy:
	case <-ctx.Done():
		return fmt.Errorf("the append before it is still under way: %w", ctx.Err())
	}
	if j.closed {
		j.leave()
		return os.ErrClosed
	}
	return nil
}

func (j *File) leave() { j.busy <- struct{}{} }

// alone holds that nobody else has written: on a file system whose lock isn't one, a second holder's records are seen here.
func (j *File) alone() error {
	if j.dirty {
		if err := j.cut(); err != nil {
			return fmt.Errorf("append to the journal: nothing is written before the last failed write is undone: %w", asFull(err))
		}
	}
	at, err := os.Stat(j.Path())
	if err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	open, err := j.file.Stat()
	if err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	if !os.SameFile(at, open) || open.Size() != j.size {
		return fmt.Errorf("append to the journal: %w: somebody else wrote to %s: it has %d bytes, this process left it with %d", cutover.ErrLeaseLost, j.Path(), at.Size(), j.size)
	}
	return nil
}

// write puts a group behind the last one. On a full disk a group that doesn't go forward gets the reserve's room.
func (j *File) write(group []byte, forward bool) error {
	if forward {
		if err := j.reserve.keep(); err != nil {
			return fmt.Errorf("nothing goes forward without room for going back: %w", asFull(err))
		}
	}
	err := j.tryWrite(group)
	if err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) || !isFull(err) {
		return err
	}
	if forward || !j.reserve.give() {
		return fmt.Errorf("%w: %w", cutover.ErrNoSpace, err)
	}
	return asFull(j.tryWrite(group))
}

// tryWrite writes and syncs, and undoes both if one fails. If it can't undo, nobody knows what a reader would find.
func (j *File) tryWrite(group []byte) error {
	n, err := j.disk.WriteAt(group, j.size)
	if err == nil && n < len(group) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = j.disk.Sync()
	}
	if err == nil {
		return nil
	}
	if undo := j.cut(); undo != nil {
		return fmt.Errorf("%w: %w; and %w", cutover.ErrOutcomeUnknown, err, undo)
	}
	return err
}

// Read returns every whole record, and what was cut off when the journal was opened.
func (j *File) Read(ctx context.Context) ([]cutover.Record, string, error) {
	if err := j.enter(ctx); err != nil {
		return nil, "", fmt.Errorf("read the journal: %w", err)
	}
	defer j.leave()
	if j.dirty {
		if err := j.cut(); err != nil {
			return nil, "", fmt.Errorf("read the journal: %w: %w", cutover.ErrOutcomeUnknown, err)
		}
	}
	c, err := j.load()
	if err != nil {
		return nil, "", fmt.Errorf("read the journal: %s: %w", j.Path(), err)
	}
	if c.good != j.size {
		return nil, "", fmt.Errorf("read the journal: %w: somebody else wrote to %s", cutover.ErrLeaseLost, j.Path())
	}
	return c.records, j.torn, nil
}

// Close gives the journal up, once an append under way is over. It may be called twice.
func (j *File) Close() error {
	<-j.busy
	defer j.leave()
	if j.closed {
		return nil
	}
	j.closed = true
	return j.file.Close()
}

// ReadOnly reads a run's journal without its lock, for status and report: the run may be going on. What it says was cut off may
// be a group that is being written at this moment.
func ReadOnly(dir string) ([]cutover.Record, string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		return nil, "", fmt.Errorf("read the journal: %w", err)
	}
	c, err := parse(data, filepath.Base(abs))
	if err != nil {
		return nil, "", fmt.Errorf("read the journal: %s: %w", filepath.Join(dir, fileName), err)
	}
	return c.records, c.torn, nil
}

// syncDir makes a folder's entries durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
