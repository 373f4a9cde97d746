package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roomshift/runbooks"
)

// lab is one lab for all tests of this package; each heals what it broke.
var lab *Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "roomshift-lab-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if lab, err = Start(ctx, Options{Dir: dir, Enter: 10, Upstream: &UpstreamOptions{}, Services: &ServicesOptions{Agents: true}, Splitter: &SplitterOptions{}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	lab.Stop()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// heal ends a test's faults and waits until requests succeed in both rooms again.
func heal(t *testing.T) {
	t.Helper()
	if err := lab.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := lab.Ring.Await(context.Background()); err != nil {
		t.Fatal(err)
	}
	number(t, 3)
	eventually(t, "nothing fails any more", func() bool {
		c := during(500 * time.Millisecond)
		return c.Failed == 0 && c.Sent > 10 && c.Served[Cloud] > 0 && c.Served[Home] > 0
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if ok() {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not after 30 s: %s; %s", what, lab.status(context.Background()))
		}
	}
}

// during counts for a while.
func during(d time.Duration) Counts {
	before := lab.Counts()
	<-time.After(d)
	return lab.Counts().Since(before)
}

// counted is the next 500 requests, without those that were on their way already.
func counted(t *testing.T) Counts {
	t.Helper()
	if err := lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	from := lab.Counts()
	eventually(t, "500 requests are answered", func() bool { return lab.Counts().Since(from).Sent >= 500 })
	return lab.Counts().Since(from)
}

// number writes what home's gateway sends to the cloud, and waits until it obeys.
func number(t *testing.T, n int) {
	t.Helper()
	if err := lab.SetNumber(t.Context(), Home, fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway obeys", func() bool { return lab.Obeyed(Home) == n })
}

func do(t *testing.T, line string) {
	t.Helper()
	if _, err := lab.Do(t.Context(), line); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

// TestFilesAreTaken: the language has no problem with what the lab wrote.
func TestFilesAreTaken(t *testing.T) {
	src, err := os.ReadFile(lab.RoomsFile())
	if err != nil {
		t.Fatal(err)
	}
	rooms, problems := runbooks.LoadRooms(lab.RoomsFile(), src)
	for name := range lab.runbooks() {
		book, err := os.ReadFile(lab.Runbook(name))
		if err != nil {
			t.Fatal(err)
		}
		_, more := runbooks.LoadRunbook(name, book, rooms)
		problems = append(problems, more...)
		src = append(src, book...)
	}
	for _, p := range problems {
		t.Error(p)
	}
	for _, secret := range lab.Secrets() {
		if secret == "" || strings.Contains(string(src), secret) {
			t.Error("a secret is empty, or in a file beside env")
		}
	}
	info, err := os.Stat(lab.EnvFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: the file with secrets is for its owner only", info.Mode(), err)
	}
}

// TestGatewayObeys: of what enters by home as many reach the cloud as the number says; not one fails by changing it.
func TestGatewayObeys(t *testing.T) {
	heal(t)
	before := lab.Counts()
	for _, n := range []int{3, 30, 60, 0, 3} {
		number(t, n)
		c := counted(t)
		want := 10 + 0.9*float64(n)
		if got := c.Share(Cloud); math.Abs(got-want) > 2 {
			t.Errorf("at %d: %.1f %% in the cloud, wanted %.1f: %+v", n, got, want, c)
		}
		if part := 100 * float64(c.Entered[Cloud]) / float64(c.Sent); math.Abs(part-10) > 1.5 {
			t.Errorf("%.1f %% entered by the cloud, wanted 10", part)
		}
	}
	if c := lab.Counts().Since(before); c.Failed > 0 || c.Writes < c.Sent/20 {
		t.Errorf("%d of %d failed, %d writes: %q", c.Failed, c.Sent, c.Writes, c.Why)
	}
}

// TestGatewayKeeps: a Consul that is away, or a value that is no number, changes nothing.
func TestGatewayKeeps(t *testing.T) {
	heal(t)
	number(t, 20)
	before := lab.Counts()
	for _, value := range []string{"", "lots", "101", "-1", "20.5"} {
		if err := lab.SetNumber(t.Context(), Home, value); err != nil {
			t.Fatal(err)
		}
	}
	do(t, "consul home down")
	c := counted(t)
	if lab.Obeyed(Home) != 20 || math.Abs(c.Share(Cloud)-28) > 4 {
		t.Errorf("the gateway obeys %d, %.1f %% in the cloud", lab.Obeyed(Home), c.Share(Cloud))
	}
	do(t, "consul home up")
	number(t, 40)
	do(t, "consul home frozen")
	do(t, "consul home up")
	number(t, 3)
	if c := lab.Counts().Since(before); c.Failed > 0 {
		t.Errorf("%d failed: %q", c.Failed, c.Why)
	}
}

func TestErrors(t *testing.T) {
	heal(t)
	number(t, 50)
	do(t, "errors cloud 20%")
	c := counted(t)
	if part := float64(c.Failed) / float64(c.Served[Cloud]); part < 0.1 || part > 0.3 {
		t.Errorf("%.2f of the cloud's requests failed, wanted 0.2: %+v", part, c)
	}
	for _, why := range c.Why {
		if !strings.Contains(why, "service of cloud") {
			t.Errorf("a failure of elsewhere: %s", why)
		}
	}
	heal(t)
}

// TestLag: a row written at home is seen in the cloud after the delay of that direction, and of that only.
func TestLag(t *testing.T) {
	heal(t)
	const delay = 700 * time.Millisecond
	do(t, "lag home cloud 700ms")
	write := func() (seen time.Duration) {
		res, err := lab.Ring.Master(Home).DB().ExecContext(t.Context(), "INSERT INTO app.posts (room, text) VALUES ('test', 'lag')")
		if err != nil {
			t.Fatal(err)
		}
		id, err := res.LastInsertId()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		eventually(t, "the row is in the cloud", func() bool {
			n := 0
			err := lab.Ring.Master(Cloud).DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM app.posts WHERE id = ?", id).Scan(&n)
			return err == nil && n == 1
		})
		return time.Since(began)
	}
	if d := write(); d < delay-50*time.Millisecond || d > delay+time.Second {
		t.Errorf("seen after %v, wanted %v", d, delay)
	}
	do(t, "lag home cloud 0s")
	if d := write(); d > delay/2 {
		t.Errorf("seen after %v without a delay", d)
	}
	do(t, "applier cloud stop")
	status, err := lab.Ring.Master(Cloud).SlaveStatus(t.Context())
	if err != nil || status["Slave_SQL_Running"] != "No" {
		t.Errorf("the applier runs: %v %v", status["Slave_SQL_Running"], err)
	}
	heal(t)
	if d := write(); d > delay/2 {
		t.Errorf("seen after %v once healed", d)
	}
}

// TestWritesOff: requests go on, and the masters' own GTID streams stand still until writes are on again.
func TestWritesOff(t *testing.T) {
	heal(t)
	gtids := func() (text string) {
		for _, room := range rooms {
			var state string
			if err := lab.Ring.Master(room).DB().QueryRowContext(t.Context(), "SELECT @@gtid_binlog_state").Scan(&state); err != nil {
				t.Fatal(err)
			}
			text += room + " " + state + "; "
		}
		return text
	}
	do(t, "writes off")
	if err := lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lab.Ring.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := gtids()
	if c := counted(t); c.Writes > 0 || c.Failed > 0 {
		t.Errorf("%d writes, %d failures while nothing is written", c.Writes, c.Failed)
	}
	if now := gtids(); now != was {
		t.Errorf("the positions went from %s to %s", was, now)
	}
	heal(t)
	if c := counted(t); c.Writes == 0 || gtids() == was {
		t.Errorf("%d writes once healed", c.Writes)
	}
}

// TestCut: each room serves on by itself, what would cross fails, and heals.
func TestCut(t *testing.T) {
	heal(t)
	do(t, "cut")
	from := lab.Counts()
	eventually(t, "what would cross has failed, what doesn't is served", func() bool {
		c := lab.Counts().Since(from)
		return c.Failed > 0 && c.Served[Home] > 500 && c.Served[Cloud] > 50
	})
	heal(t)
}

// TestRoomDown: a room is away with all that it has, the other serves, and it comes back.
func TestRoomDown(t *testing.T) {
	heal(t)
	do(t, "room cloud down")
	number(t, 0)
	if c := counted(t); c.Failed == 0 || c.Served[Home] < 200 {
		t.Errorf("what entered by the cloud didn't fail, or home doesn't serve: %+v", c)
	}
	if code, err := health(Cloud); err == nil {
		t.Errorf("the room that is away answers: %d", code)
	}
	heal(t)
	if code, err := health(Cloud); err != nil || code != http.StatusOK {
		t.Errorf("the room that is back doesn't answer: %d, %v", code, err)
	}
}

// health is what a room's gateway says of itself.
func health(room string) (code int, err error) {
	resp, err := http.Get(lab.Gateway(room) + "/healthz")
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestPrometheusDown(t *testing.T) {
	heal(t)
	for _, s := range []string{"down", "frozen"} {
		do(t, "prometheus home "+s)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if lab.hasData(ctx, Home) {
			t.Errorf("prometheus of home is %s: it answers", s)
		}
		cancel()
		eventually(t, "the other one answers", func() bool { return lab.hasData(t.Context(), Cloud) })
		do(t, "prometheus home up")
		eventually(t, "it has data again", func() bool { return lab.hasData(t.Context(), Home) })
	}
}

func TestDoRefuses(t *testing.T) {
	for _, line := range []string{
		"lag home home 1s", "lag home cloud", "lag home cloud soon", "lag home cloud -1s", "errors cloud 20", "errors cloud 120%",
		"errors moon 2%", "database moon 2%", "database cloud 20", "room cloud frozen", "consul cloud off", "prometheus", "applier cloud up", "dance home now", "writes", "writes maybe", "set home",
		"replace", "replace gw", "replace moon", "instances search moon down", "instances search home", "instances im home down", "weight pay home lots",
		"weight pay home 101", "weight search home 0", "prometheus home leaderless",
	} {
		if said, err := lab.Do(t.Context(), line); err == nil {
			t.Errorf("%s: %s", line, said)
		}
	}
	for _, line := range []string{"", "help", "status"} {
		if _, err := lab.Do(t.Context(), line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestMissing: a server that isn't installed is said with how to get it.
func TestMissing(t *testing.T) {
	t.Setenv("ROOMSHIFT_MARIADBD", "/no/such/mariadbd")
	if _, err := Start(t.Context(), Options{Dir: t.TempDir()}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lab without MariaDB: %v", err)
	}
	if _, err := Start(t.Context(), Options{}); err == nil {
		t.Error("a lab without a folder")
	}
}
