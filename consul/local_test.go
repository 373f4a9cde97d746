package consul_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
)

// childHolds is what a child process is told that takes a lock, says so, and waits to be killed: address, token file, folder, run or pair.
const childHolds = "ROOMSHIFT_TEST_HOLDS"

// holdAsChild is that process. TestMain calls it.
func holdAsChild(told string) error {
	part := strings.Split(told, "\n")
	c, err := consul.New(consul.Config{Name: "home", Addr: part[0], TokenFile: part[1], TimeOut: 5 * time.Second})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o := consul.LockOptions{Local: part[2]}
	if name, isRun := strings.CutPrefix(part[3], "run "); isRun {
		_, err = c.Lock(part[4], o).Take(ctx, claimOf(name))
	} else {
		_, err = c.Record(part[4], part[3], cutover.Claim{Who: "wang", Host: "bastion-1", PID: os.Getpid(), Since: "2026-01-31T22:00:00+08:00"}, o).Take(ctx)
	}
	if err != nil {
		return err
	}
	fmt.Println("held")
	time.Sleep(time.Hour)
	return nil
}

// killedHolder is a process that has taken a lock and was killed with kill -9. reap: its parent has noticed; else it is a zombie, which every
// look at process numbers takes for alive.
func killedHolder(t *testing.T, dir, what, prefix string, reap bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(real.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), childHolds+"="+strings.Join([]string{real.Addr, token, dir, what, prefix}, "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "held" {
		t.Fatalf("the child says %q", lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until its end of the pipe is closed: nothing of it runs any more
	}
	if reap {
		_ = cmd.Wait()
		return
	}
	t.Cleanup(func() { _ = cmd.Wait() })
}

// TestKilledHolderLocal: what a process of this machine held that was killed is had at once, by the kernel's word and nobody's process
// number: the record's lock as well as a run's. Somebody without that file waits.
func TestKilledHolderLocal(t *testing.T) {
	for _, reap := range []bool{true, false} {
		pair, prefix, dir := unique(), "roomshift/"+unique(), t.TempDir()
		killedHolder(t, dir, pair, prefix, reap)
		who := cutover.Claim{Who: "li", Host: "bastion-1", PID: 1, Since: "2026-01-31T22:10:00+08:00"}
		elsewhere := client(t, "", nil).Record(prefix, pair, who, consul.LockOptions{Local: t.TempDir()})
		if _, err := elsewhere.Take(within10s(t)); !errors.Is(err, cutover.ErrHeld) {
			t.Fatalf("somebody who can't know that the holder is dead: %v, want ErrHeld", err)
		}
		heir := client(t, "", nil).Record(prefix, pair, who, consul.LockOptions{Local: dir})
		session, err := heir.Take(within10s(t))
		if err != nil {
			t.Fatal("the holder is dead:", err)
		}
		if _, err := heir.Write(within10s(t), session, []byte("x"), 0); err != nil {
			t.Error(err)
		}
		later := client(t, "", nil).Record(prefix, pair, who, consul.LockOptions{Local: dir})
		if _, err := later.Take(within10s(t)); !errors.Is(err, cutover.ErrHeld) {
			t.Errorf("of one that lives: %v, want ErrHeld", err)
		}
		if err := heir.Release(within10s(t)); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("after the release %v is there, %v", left, err)
		}
		if _, err := later.Take(within10s(t)); err != nil {
			t.Error("after a release:", err)
		}
		if err := later.Release(within10s(t)); err != nil {
			t.Error(err)
		}

		killedHolder(t, dir, "run r1", prefix, reap)
		again := claimOf("r1")
		o := lockOptions(nil)
		o.Local = dir
		if _, err := client(t, "", nil).Lock(prefix, o).Take(within10s(t), again); !errors.Is(err, cutover.ErrHeld) {
			t.Errorf("a new run of the same name: %v, want ErrHeld", err)
		}
		again.Resume = true
		lease, err := client(t, "", nil).Lock(prefix, o).Take(within10s(t), again)
		if err != nil {
			t.Fatal("the run's holder is dead:", err)
		}
		if err := lease.Release(within10s(t), false); err != nil {
			t.Error(err)
		}
	}
}

// TestLocalLockOfOneThatLives: a holder whose session Consul has ended has its file still; who has its lock then has it without a mark.
func TestLocalLockOfOneThatLives(t *testing.T) {
	m, prefix, dir := management(t), "roomshift/"+unique(), t.TempDir()
	o := lockOptions(nil)
	o.Local = dir
	old := client(t, "", nil).Lock(prefix, o)
	lost, err := old.Take(within10s(t), claimOf("r1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Session().Destroy(lost.Fence().Session, nil); err != nil {
		t.Fatal(err)
	}
	again := claimOf("r1")
	again.Resume = true
	next := client(t, "", nil).Lock(prefix, o)
	var lease cutover.Lease
	await(t, "the lock is free", func() bool { lease, err = next.Take(within10s(t), again); return err == nil })
	if v := string(get(t, m, prefix+"/lock/r1").Value); strings.Contains(v, `"local"`) {
		t.Errorf("the lock says %s: the file is another process's", v)
	}
	if err := lost.Release(within10s(t), false); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Error(err)
	}
	if _, err := old.Take(within10s(t), again); !errors.Is(err, cutover.ErrHeld) {
		t.Errorf("of one that lives, without a mark: %v, want ErrHeld", err)
	}
	if err := lease.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
}
