package dts

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// transaction is what was committed together.
type transaction struct {
	second  int64 // of its source's clock
	came    time.Time
	due     time.Duration // how much later than the delay it is written
	changes []change
	own     bool // written by the other task
}

// change is one row. before and after are its values by column, as SQL.
type change struct {
	table         string
	before, after []string
}

var (
	eventHead = regexp.MustCompile(`^#(\d{6}) +(\d{1,2}:\d{2}:\d{2}) server id`)
	rowHead   = regexp.MustCompile("^### (INSERT INTO|UPDATE|DELETE FROM) `(.+)`\\.`(.+)`$")
	rowValue  = regexp.MustCompile(`^###   @\d+=(.*)$`)
	negative  = regexp.MustCompile(`^(-\d+) \(\d+\)$`)
)

// read follows the binlog until ctx ends.
func (t *Task) read(ctx context.Context) {
	host, port, _ := net.SplitHostPort(t.from.Addr())
	cmd := exec.CommandContext(ctx, t.program, "--no-defaults", "--read-from-remote-server", "--host="+host, "--port="+port, "--user="+Reader,
		"--password="+Password, "--get-server-public-key", "--stop-never", "--verbose", "--base64-output=decode-rows", "--connection-server-id="+port, t.log)
	out, err := cmd.StdoutPipe()
	if err == nil {
		t.mu.Lock()
		t.reader = cmd
		err = cmd.Start()
		t.mu.Unlock()
	}
	if err != nil {
		t.Become("Failed", err.Error())
		return
	}
	p := &parser{task: t}
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		p.line(lines.Text())
	}
	err = cmd.Wait()
	if ctx.Err() == nil {
		t.Become("Failed", fmt.Sprintf("the binlog can't be read any more: %v", err))
	}
}

// parser makes transactions of mysqlbinlog's output.
type parser struct {
	task   *Task
	now    *transaction
	values *[]string
	second int64
}

func (p *parser) line(s string) {
	if m := eventHead.FindStringSubmatch(s); m != nil {
		if at, err := time.ParseInLocation("060102 15:04:05", m[1]+" "+m[2], time.Local); err == nil {
			p.second = at.Unix()
		}
		return
	}
	if m := rowHead.FindStringSubmatch(s); m != nil {
		if p.now == nil {
			p.now = &transaction{}
		}
		p.now.changes = append(p.now.changes, change{table: m[2] + "." + m[3]})
		p.now.own = p.now.own || m[2] == "dts"
		p.values = nil
		return
	}
	if p.now == nil {
		return
	}
	last := &p.now.changes[len(p.now.changes)-1]
	switch {
	case s == "### WHERE":
		p.values = &last.before
	case s == "### SET":
		p.values = &last.after
	case strings.HasPrefix(s, "COMMIT"):
		p.now.second, p.now.came = p.second, time.Now()
		p.task.came(p.now)
		p.now, p.values = nil, nil
	default:
		p.value(s)
	}
}

// value takes one of a row's values.
func (p *parser) value(s string) {
	m := rowValue.FindStringSubmatch(s)
	if m == nil || p.values == nil {
		return
	}
	v := m[1]
	if n := negative.FindStringSubmatch(v); n != nil {
		v = n[1]
	}
	*p.values = append(*p.values, v)
}

// came takes a transaction that was read.
func (t *Task) came(x *transaction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.own {
		return
	}
	t.count++
	if t.straggle > 0 && t.count%5 == 0 && !strings.HasPrefix(x.changes[0].table, "roomshift.") {
		x.due = t.straggle
	}
	t.queue = append(t.queue, x)
	t.poke()
}

// await returns when all that was committed before is read and written: a mark of its own goes the same way.
func (t *Task) await(ctx context.Context) error {
	n := strconv.FormatInt(time.Now().UnixNano(), 10)
	if _, err := t.from.DB().ExecContext(ctx, "INSERT INTO app.awaited (n) VALUES ("+n+")"); err != nil {
		return err
	}
	for {
		var got int
		if err := t.to.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM app.awaited WHERE n = "+n).Scan(&got); err != nil {
			return err
		}
		t.mu.Lock()
		left := len(t.queue)
		t.mu.Unlock()
		if got == 1 && left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("task from %s: %d transactions are left", t.from.Addr(), left)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
