package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func startRing(t *testing.T, e Engine) *Ring {
	t.Helper()
	r, err := StartRing(t.Context(), t.TempDir(), RingOptions{Engine: e, Rooms: [2]string{"home", "cloud"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

func execute(t *testing.T, m *Master, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := m.DB().ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %s: %v", m.Name, s, err)
		}
	}
}

// appears polls until a row is on a master, and says how long that took.
func appears(t *testing.T, m *Master, id int, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	err := m.process.Await(ctx, func(ctx context.Context) error {
		var n int
		err := m.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM app.rows_seen WHERE id=?", id).Scan(&n)
		if err == nil && n == 0 {
			err = fmt.Errorf("row %d isn't in %s", id, m.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// TestRing: both directions carry rows, a link is delayed, cut, reset and healed by itself, and a restarted master is fenced.
func TestRing(t *testing.T) {
	for _, e := range []Engine{MariaDB, MySQL} {
		t.Run(string(e), func(t *testing.T) { testRing(t, startRing(t, e)) })
	}
}

func testRing(t *testing.T, r *Ring) {
	home, cloud := r.Master("home"), r.Master("cloud")
	execute(t, home, "CREATE TABLE app.rows_seen (id INT PRIMARY KEY)", "INSERT INTO app.rows_seen VALUES (1)")
	appears(t, cloud, 1, 10*time.Second)

	r.Delay("home", "cloud", 400*time.Millisecond)
	execute(t, home, "INSERT INTO app.rows_seen VALUES (2)")
	if took := appears(t, cloud, 2, 10*time.Second); took < 350*time.Millisecond || took > 2*time.Second {
		t.Errorf("over a link of 400 ms a row took %v", took)
	}
	if cloud.Engine == MySQL {
		execute(t, cloud, "SET GLOBAL super_read_only=0") // it stands in admin's way, too
	}
	execute(t, cloud, "INSERT INTO app.rows_seen VALUES (3)") // admin passes read_only by
	if err := cloud.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := appears(t, home, 3, 10*time.Second); took > 300*time.Millisecond {
		t.Errorf("over the other link a row took %v", took)
	}

	r.Heal()
	r.Cut("home", "cloud")
	execute(t, home, "INSERT INTO app.rows_seen VALUES (4)")
	status, err := cloud.SlaveStatus(t.Context())
	if err != nil || status["Slave_IO_Running"] != "Yes" {
		t.Errorf("a cut was told: %v, %v", status["Slave_IO_Running"], err)
	}
	r.Heal()
	appears(t, cloud, 4, 10*time.Second)
	r.Reset("home", "cloud")
	execute(t, home, "INSERT INTO app.rows_seen VALUES (5)")
	appears(t, cloud, 5, 10*time.Second)

	home.Kill()
	if err := home.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !refusesWrites(t, home) {
		t.Error("a master that restarted takes writes")
	}
	if err := home.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if refusesWrites(t, home) || !refusesWrites(t, cloud) {
		t.Error("want home open and cloud fenced")
	}
}

// refusesWrites asks as the application.
func refusesWrites(t *testing.T, m *Master) bool {
	t.Helper()
	db, err := m.open(App)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "INSERT INTO app.rows_seen VALUES (FLOOR(1000 + RAND() * 1000000000))")
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && refused.Number == 1290 {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// TestMissingServer: without MariaDB the error says how to get it.
func TestMissingServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("ROOMSHIFT_DEPS", t.TempDir())
	if _, err := Find("mariadbd-that-nobody-has"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("%v, want ErrMissing with what to do", err)
	}
}
