package dbsync

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestComparisonsAreKept: the newest of all tables counts, one of some of them only where it saw something differ.
func TestComparisonsAreKept(t *testing.T) {
	dir := t.TempDir()
	last := func() *Comparison {
		t.Helper()
		c, err := LastComparison(dir, "feed-db")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := last(); c != nil {
		t.Fatalf("%+v, and none was kept", c)
	}
	at := time.Date(2026, 2, 1, 3, 0, 0, 0, time.UTC)
	keep := func(c Comparison) string {
		t.Helper()
		at = at.Add(time.Hour)
		c.Pair, c.At = "feed-db", at
		file, err := c.Keep(dir)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	same := []TableCompared{{Name: "app.a", Rows: 3, Chunks: 1}}
	file := keep(Comparison{Tables: same})
	whole := at
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want it readable by its owner alone", info, err)
	}
	keep(Comparison{Tables: same, Only: []string{"app.a"}})
	keep(Comparison{Tables: same, Ended: "interrupted"})
	if c := last(); !c.At.Equal(whole) || c.Verdict() != Equal || !c.Whole() {
		t.Errorf("%+v, want the one of all tables", c)
	}
	keep(Comparison{Tables: []TableCompared{{Name: "app.a", Differs: 1}}, Only: []string{"app.a"}})
	if c := last(); c.Verdict() != Drifted || c.Different()[0] != "app.a" {
		t.Errorf("%+v, want the later one that differs", c)
	}
	keep(Comparison{Tables: same})
	if c := last(); c.Verdict() != Equal {
		t.Errorf("%+v, want the one of all tables that came after", c)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LastComparison(dir, "feed-db"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want the file named that can't be read", err)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Comparison
		want Verdict
	}{
		{"no table", Comparison{}, Equal},
		{"equal", Comparison{Tables: []TableCompared{{Rows: 2}}}, Equal},
		{"early", Comparison{Ended: "interrupted", Tables: []TableCompared{{Rows: 2}}}, Incomplete},
		{"moving", Comparison{Tables: []TableCompared{{Moving: 1}, {}}}, Incomplete},
		{"counted", Comparison{Tables: []TableCompared{{Lack: "it has no key"}}}, Incomplete},
		{"differs", Comparison{Ended: "interrupted", Tables: []TableCompared{{Lack: "it has no key"}, {Differs: 1}}}, Drifted},
		{"wrong", Comparison{Tables: []TableCompared{{Wrong: "it is in home only"}}}, Drifted},
	} {
		if got := c.c.Verdict(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
