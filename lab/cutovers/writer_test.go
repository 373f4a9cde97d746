package cutovers

import (
	"strings"
	"testing"
	"time"

	"roomshift/lab"
)

// moveSteps is the shipped move-writer, of the lab's pair and in a minute.
const moveSteps = `  - name: a few users first
    shift: {cloud: {gw@home: [4%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - name: feed writes
    writer: {to: cloud, pairs: [app-db], noWriter: 2s}
    bake: 3s
  - checkpoint: writer-in-cloud
`

// TestWriterMovesAndComesBack: under load the writer goes to the cloud, and back brings it home. The run says how long there was no writer;
// nothing that was acknowledged is lost.
func TestWriterMovesAndComesBack(t *testing.T) {
	for name, p := range map[string]*pool{"mariadb": labs, "mysql": mysqlLabs} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "mysql" {
				t.Skip("short: TestKilledMove moves it there")
			}
			w := beginWriter(t, p)
			w.flows(lab.Home)
			dry := w.start("run", "--dry-run", "--rooms", w.lab.RoomsFile(), w.book("1s", moveSteps))
			dry.await("app-db is in cloud, epoch 2")
			dry.wait()
			if open := w.open(); len(open) != 1 || open[0] != lab.Home || w.hasRecord() {
				t.Fatalf("after a dry run %v take writes, and there is a record: %v", open, w.hasRecord())
			}
			began := time.Now()
			run := w.run("1s", moveSteps)
			run.exits(7)
			w.flows(lab.Cloud)
			w.stands(lab.Cloud)
			w.tells(run, lab.Cloud, began)
			began = time.Now()
			back := w.start("back", "--to", "start")
			back.exits(3)
			w.flows(lab.Home)
			w.stands(lab.Home)
			w.tells(back, lab.Home, began)
			w.restored()
			if page := w.start("report").exits(0); !strings.Contains(page, lab.Pair+" was without a writer for ") {
				t.Errorf("the report doesn't tell the time without a writer:\n%s", page)
			}
			w.nothingLost()
		})
	}
}

// tells fails unless a process said how long nobody took writes, and that is no more than applications felt.
func (w *writerScene) tells(p *process, room string, since time.Time) {
	w.t.Helper()
	m := withoutWriter.FindStringSubmatch(p.text())
	if m == nil || m[1] != room {
		w.t.Errorf("the time without a writer isn't told:\n%s", p.text())
		return
	}
	w.t.Logf("no write was acknowledged for %v; the run: %s", w.Silence(since).Round(time.Millisecond), m[0])
}

// hasRecord: the pair has a record in home's Consul.
func (w *writerScene) hasRecord() bool {
	_, _, err := ask(w.t.Context(), w.lab, "GET", lab.Home, "/v1/kv/roomshift/writer/"+lab.Pair+"?raw")
	return err == nil
}
