package cutovers

import (
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
			w := beginWriter(t, p)
			w.flows(lab.Home)
			began := time.Now()
			run := w.run("1s", moveSteps)
			run.await("writer-in-cloud")
			run.await("is in cloud")
			w.flows(lab.Cloud)
			w.stands(lab.Cloud)
			t.Logf("no write was acknowledged for %v; the run: %v", w.silence(began), withoutWriter.FindString(run.text()))
			t.Log(run.text())
			w.nothingLost()
		})
	}
}
