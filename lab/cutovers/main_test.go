package cutovers

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"roomshift/lab/server"
)

// program is the real roomshift, built once.
var program string

// labs are the labs that the cases run on, mysqlLabs those on MySQL.
var labs, mysqlLabs *pool

// patience is how long a case waits for what must come: a busy machine is slow, and it isn't wrong.
const patience = 90 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "roomshift-cutovers-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "roomshift")
	if out, err := exec.Command("go", "build", "-o", program, "roomshift/cmd/roomshift").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build roomshift: %v\n%s", err, out)
		return 1
	}
	side, err := sideBySide()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	labs, mysqlLabs = newPool(dir, server.MariaDB, side), newPool(dir, server.MySQL, 1)
	defer labs.stop()
	defer mysqlLabs.stop()
	return m.Run()
}

// sideBySide is how many cases run at once, each on a lab of its own: what -parallel says, else two for each processor and four at
// most. A case mostly waits, for a window of samples to fill; a lab takes an eighth of a processor.
func sideBySide() (int, error) {
	said := 0
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "test.parallel" {
			said, _ = strconv.Atoi(f.Value.String()) // it was parsed already
		}
	})
	if said > 0 {
		return said, nil
	}
	n := min(2*runtime.GOMAXPROCS(0), 4)
	return n, flag.Set("test.parallel", strconv.Itoa(n))
}
