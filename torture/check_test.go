package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover/writer"
)

// settled checks what must be so between moves, when nothing is at work: the record is STABLE, and its writer, and nobody else, takes
// writes.
func (s *scene) settled(ctx context.Context) (writer.Record, error) {
	r, _, err := s.record(ctx)
	if err != nil {
		return r, err
	}
	if r.Phase != writer.Stable {
		return r, fmt.Errorf("the record is %s of epoch %d", r.Phase, r.Epoch)
	}
	for _, room := range rooms {
		ro, super, err := s.readOnly(ctx, room)
		if err != nil {
			return r, err
		}
		want := room != r.Writer
		if ro != want || s.engine == "mysql" && super != want {
			return r, fmt.Errorf("the record is STABLE of %s, and %s says read_only %v, super_read_only %v", r.Writer, room, ro, super)
		}
	}
	return r, nil
}

// stuck is the error of a pair whose record is STABLE while its writer takes no writes, nothing is at work, and nobody ended a server: for
// longer than a second.
func (s *scene) stuck(ctx context.Context) error {
	for end := time.Now().Add(1200 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		r, _, err := s.record(ctx)
		if err != nil {
			return err
		}
		if r.Phase != writer.Stable {
			return nil // another law's
		}
		ro, super, err := s.readOnly(ctx, r.Writer)
		if err != nil {
			return err
		}
		if !ro && !super {
			return nil
		}
	}
	return errors.New("nothing is at work, the record is STABLE, and for a second its writer has taken no writes")
}

// verdict compares what was acknowledged with what both masters have; nobody writes any more.
func (c *clients) verdict(ctx context.Context) (string, error) {
	s := c.s
	for range 4 { // each waits for half a minute
		err := s.ring.Await(ctx)
		if err == nil {
			break
		}
		if wrong := c.checkOrder(ctx, false); wrong != nil {
			return "", wrong
		}
		if ctx.Err() != nil {
			return "", err
		}
	}
	if len(c.wrong) > 0 {
		return "", fmt.Errorf("clients saw: %s", strings.Join(c.wrong, "; "))
	}
	for _, room := range rooms {
		db := s.ring.Master(room).DB()
		if err := c.checkTokens(ctx, db, room); err != nil {
			return "", err
		}
		if err := c.checkLists(ctx, db, room); err != nil {
			return "", err
		}
		var sum int64
		if err := db.QueryRowContext(ctx, "SELECT SUM(balance) FROM app.accounts").Scan(&sum); err != nil {
			return "", err
		}
		if sum != 5000 {
			return "", fmt.Errorf("the accounts in %s hold %d at the end, want 5000", room, sum)
		}
	}
	if err := c.sameSums(ctx); err != nil {
		return "", err
	}
	if err := c.checkOrder(ctx, true); err != nil {
		return "", err
	}
	items := 0
	for k := range 4 {
		items += len(c.appends[k])
	}
	return fmt.Sprintf("%d tokens and %d items were acknowledged", len(c.tokens), items), nil
}

// checkOrder holds both binlogs against each other; where one may still get what the other has, not whole, as far as both go.
func (c *clients) checkOrder(ctx context.Context, whole bool) error {
	a, err := binlog(ctx, c.s.ring.Master(rooms[0]))
	if err != nil {
		return err
	}
	b, err := binlog(ctx, c.s.ring.Master(rooms[1]))
	if err != nil {
		return err
	}
	if n := min(len(a), len(b)); !whole {
		a, b = a[:n], b[:n]
	}
	return order(a, b, len(c.history)+c.hidden)
}

func (c *clients) checkTokens(ctx context.Context, db *sql.DB, room string) error {
	all, err := column(ctx, db, "SELECT token FROM app.tokens", 0)
	if err != nil {
		return err
	}
	has := make(map[string]int, len(all))
	for _, t := range all {
		has[t]++
		if has[t] > 1 {
			return fmt.Errorf("token %s is twice in %s", t, room)
		}
	}
	var lost []acked
	for _, a := range c.tokens {
		if has[a.token] == 0 {
			lost = append(lost, a)
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%s lacks %d of %d acknowledged tokens, the first %s, which %s acknowledged at %s", room, len(lost), len(c.tokens),
			lost[0].token, lost[0].room, lost[0].at.UTC().Format("15:04:05.000"))
	}
	return nil
}

// checkLists: what was acknowledged is there once, and each client's items are in the order in which it appended them.
func (c *clients) checkLists(ctx context.Context, db *sql.DB, room string) error {
	for k, items := range c.appends {
		var v string
		if err := db.QueryRowContext(ctx, "SELECT v FROM app.lists WHERE k = ?", k).Scan(&v); err != nil {
			return err
		}
		place := map[string]int{}
		for i, item := range strings.Split(strings.TrimSuffix(v, ","), ",") {
			if _, twice := place[item]; twice {
				return fmt.Errorf("list %d in %s has %s twice", k, room, item)
			}
			place[item] = i
		}
		last := map[string]int{}
		for _, item := range items {
			at, there := place[item]
			if !there {
				return fmt.Errorf("list %d in %s lacks %s, which was acknowledged", k, room, item)
			}
			who, _, _ := strings.Cut(item, "-")
			if before, any := last[who]; any && at <= before {
				return fmt.Errorf("list %d in %s has %s before what %s appended earlier", k, room, item, who)
			}
			last[who] = at
		}
	}
	return nil
}

func (c *clients) sameSums(ctx context.Context) error {
	for _, table := range []string{"tokens", "lists", "accounts", "beside"} {
		var sums [2]string
		for i, room := range rooms {
			got, err := column(ctx, c.s.ring.Master(room).DB(), "CHECKSUM TABLE app."+table, 1)
			if err != nil {
				return err
			}
			if len(got) != 1 {
				return fmt.Errorf("checksum of %s in %s: %d rows", table, room, len(got))
			}
			sums[i] = got[0]
		}
		if sums[0] != sums[1] {
			return fmt.Errorf("app.%s isn't the same on both masters: checksums %s and %s", table, sums[0], sums[1])
		}
	}
	return nil
}
