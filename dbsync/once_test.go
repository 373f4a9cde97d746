package dbsync

import (
	"database/sql"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// TestOnceWaits: the waits of MySQL before 8.0.26, which look once and then wait for a second, on a server that still has them: what
// they say of a link is as true as what many looks say, only less close.
func TestOnceWaits(t *testing.T) {
	lab = labs[server.MySQL]
	t.Cleanup(func() { lab = labs[server.MariaDB] })
	heal(t)
	r := openLab(t, labPair())
	x, y, err := r.writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []Reading
	s, err := r.newSession(t.Context(), WatchOptions{Every: time.Second, MaxAge: 5 * time.Second, Now: clock, Put: func(r Reading) { got = append(got, r) }}, x, y)
	if err != nil {
		t.Fatal(err)
	}
	s.d = mysqlWith(mysqlForms{show: "SHOW REPLICA STATUS", log: "SHOW BINARY LOG STATUS", words: mysqlWords})
	onX, err := x.conn(t.Context(), s.patience)
	if err != nil {
		t.Fatal(err)
	}
	defer onX.Close()
	for _, link := range []struct {
		from, to  string
		delay     time.Duration
		forth, lo float64 // what is known of the way forth at least, and its lower bound
	}{{"home", "cloud", 300 * time.Millisecond, 0.3, 0}, {"home", "cloud", 1500 * time.Millisecond, 1.5, 0.8}, {"cloud", "home", 300 * time.Millisecond, 0, 0}, {"cloud", "home", 1500 * time.Millisecond, 0, 0}} {
		lab.Delay(link.from, link.to, link.delay)
		got = nil
		if err := followOnce(t, s, onX); err != nil {
			t.Fatal(err)
		}
		lab.Heal()
		for _, r := range got {
			if r.To == "cloud" && known(r) && (r.Hi < link.forth || r.Lo < link.lo || r.Lo > link.forth+0.2 || r.Hi > link.forth+0.5) {
				t.Errorf("%s over a link of %v from %s to %s", show(r), link.delay, link.from, link.to)
			}
			if r.To == "home" && known(r) && link.from == "cloud" && (r.Hi < link.delay.Seconds() || r.Lo > link.delay.Seconds()+0.2) {
				t.Errorf("%s over a link of %v from %s to %s", show(r), link.delay, link.from, link.to)
			}
		}
		if n := len(got); n < 2 || !known(got[n-1]) || got[n-1].To != "home" {
			t.Errorf("over a link of %v from %s to %s: %d readings, want the way back at last", link.delay, link.from, link.to, n)
		}
	}
	heal(t)
	query, params := s.d.only(s, beat{gtid: "aaaaaaaa-0000-11f1-8000-000000000001:1"}, 0)
	if a, code, _, err := s.wait(t.Context(), onX, query, params); err != nil || code.Int64 != 1 || a.missed != 0 || a.held < cutover.Second*9/10 {
		t.Errorf("what never comes: %+v, %v, %v; want it missed at the one look, before the wait", a, code, err)
	}
}

// followOnce writes one heartbeat and follows it round the ring, on connections of its own.
func followOnce(t *testing.T, s *session, onX *sql.Conn) error {
	t.Helper()
	y, err := s.onY.take(t.Context(), s.patience)
	if err != nil {
		return err
	}
	x, err := s.onX.take(t.Context(), s.patience)
	if err != nil {
		return err
	}
	h, err := s.write(t.Context(), onX)
	if err != nil {
		return err
	}
	h.seq = int(clock() / cutover.Millisecond)
	return s.follow(t.Context(), y, x, h, s.invite(t.Context(), h))
}
