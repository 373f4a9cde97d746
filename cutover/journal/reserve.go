package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"roomshift/cutover"
)

// defaultReserve takes some 10,000 records: going back with everything that it may have to say.
const defaultReserve = 4 << 20

// reserve is a file that only takes up room. When the disk is full it is given up, and the journal writes in its place what
// doesn't go forward. As long as it isn't there, nothing goes forward; it is made again as soon as there is room.
type reserve struct {
	path string
	size int64 // 0: defaultReserve; less: none is kept
	kept bool
	make func(path string, size int64) error
	drop func(path string) error
}

// keep makes the reserve if it isn't there.
func (r *reserve) keep() error {
	if r.kept || r.size < 0 {
		return nil
	}
	size := r.size
	if size == 0 {
		size = defaultReserve
	}
	if st, err := os.Stat(r.path); err == nil && st.Size() == size {
		r.kept = true
		return nil
	}
	if err := r.make(r.path, size); err != nil {
		if drop := r.drop(r.path); drop != nil && !errors.Is(drop, os.ErrNotExist) {
			err = fmt.Errorf("%w; and %w", err, drop)
		}
		return fmt.Errorf("the reserve of %d bytes: %w", size, err)
	}
	r.kept = true
	return nil
}

// give gives the reserve's room up, and tells whether there was any.
func (r *reserve) give() bool {
	if !r.kept {
		return false
	}
	r.kept = false
	return r.drop(r.path) == nil
}

// allocate writes a file of size bytes, durably: a hole, or what a file system packs, wouldn't take up room.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	x := uint64(0x9E3779B97F4A7C15)
	for left := size; left > 0 && err == nil; left -= int64(len(block)) {
		block = block[:min(left, int64(len(block)))]
		for i := range block {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			block[i] = byte(x)
		}
		_, err = f.Write(block)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// isFull tells whether a disk, a quota or a limit has no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// asFull marks an error of a full disk.
func asFull(err error) error {
	if err != nil && isFull(err) && !errors.Is(err, cutover.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", cutover.ErrNoSpace, err)
	}
	return err
}
