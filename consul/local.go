package consul

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// localLock is a lock of this machine beside a lock in Consul: a file that its holder keeps locked (flock) for as long as it lives. Who gets
// it, and finds its mark in Consul's lock, knows that the process that took that one is gone: the kernel gives the file's lock back with
// the last of a process, zombies and numbers that are used again notwithstanding. Nobody needs to wait for its session then.
type localLock struct {
	file *os.File
	mark string
}

// takeLocal takes the local lock of a name in a folder, which it makes. nil without an error: another process has it.
func takeLocal(dir, name string) (*localLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, url.PathEscape(name)+".lock")
	for range 10 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, nil //nolint:nilnil // as said
			}
			return nil, err
		}
		ours, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return &localLock{file: f, mark: markOf(ours)}, nil
		}
		f.Close() // its holder took it away when it was done
	}
	return nil, fmt.Errorf("%s is made anew again and again", path)
}

// markOf names a file over all machines, and over restarts of one: "" where that can't be done. A name of a machine alone wouldn't do: two
// may have the same.
func markOf(f os.FileInfo) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	st, ok := f.Sys().(*syscall.Stat_t)
	if err != nil || !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", strings.TrimSpace(string(boot)), st.Dev, st.Ino)
}

// marked is its mark, "" none.
func (l *localLock) marked() string {
	if l == nil {
		return ""
	}
	return l.mark
}

// release takes the file away and gives its lock back.
func (l *localLock) release() {
	if l == nil {
		return
	}
	_ = os.Remove(l.file.Name()) // what is left says nothing
	_ = l.file.Close()
}

// beside takes the local lock that stands beside a run's lock in this Consul, if there is a folder for it; fresh: it wasn't had before. Without
// one, for whatever reason, a dead holder is waited for as one of another machine is.
func (l *Lock) beside(run string) (local *localLock, fresh bool) {
	if l.o.Local == "" {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.locals[run]; have != nil {
		return have, false
	}
	local, err := takeLocal(l.o.Local, l.client.name+" "+l.lockKey(run))
	if err != nil || local == nil {
		return nil, false
	}
	if l.locals == nil {
		l.locals = map[string]*localLock{}
	}
	l.locals[run] = local
	return local, true
}

// aside gives the local lock of a run back.
func (l *Lock) aside(run string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locals[run].release()
	delete(l.locals, run)
}

// gone tells whether the holder of the run's own lock is known to be dead.
func (l *Lock) gone(h holder, local *localLock) bool {
	return local.marked() != "" && h.Local == local.marked() || l.o.Dead(h.Host, h.PID)
}
