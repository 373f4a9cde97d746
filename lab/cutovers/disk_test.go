package cutovers

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAFullDiskObeysAPerson: the disk of the journal fills up in a bake. What people say is obeyed at once, by the room that was
// kept for it; going back ends at every byte that was there.
func TestAFullDiskObeysAPerson(t *testing.T) {
	s := begin(t)
	smallDisk(t, s.dir)
	p := s.run("10m", few)
	p.await("baking")
	fillUp(t, s.dir)
	for range 20 { // more than what is left of the journal's last block takes
		s.start("mute", "slow", "--for", "1m", "--reason", "to write something down").exits(0)
	}
	s.start("back", "--to", "start").exits(0)
	p.exits(3)
	s.restored()
	s.unharmed()
}

// smallDisk mounts 16 MiB at a folder. Who may not mount sees the same with a budget for a disk in cutover/journal.
func smallDisk(t *testing.T, at string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no rights to mount a small disk: %v; run it as root", err)
		}
		t.Skipf("no rights to mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
}

// fillUp leaves no byte on a disk.
func fillUp(t *testing.T, at string) {
	t.Helper()
	f, err := os.Create(filepath.Join(at, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}
