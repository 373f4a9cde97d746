package cutovers

import (
	"strings"
	"testing"

	"roomshift/lab"
)

// TestAWriteBehindTheFence: on real masters an account that passes read_only by writes on the old one after the move. The run freezes by itself
// and names the transaction, and nothing moves any more.
func TestAWriteBehindTheFence(t *testing.T) {
	w := beginWriter(t, labs)
	w.flows(lab.Home)
	run := w.run("1s", strings.Replace(moveSteps, "bake: 3s", "bake: 10m", 1))
	run.await("is in cloud")
	w.exec(lab.Home, "INSERT INTO app.tokens (token) VALUES ('stray')")
	run.await("app-db was written behind its fence: ")
	run.await("Two rooms have written")
	w.stands(lab.Cloud)
}
