package runbooks

import (
	"os"
	"path/filepath"
	"testing"
)

// loadFile reads one file of testdata.
func loadFile(t testing.TB, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func noProblems(t testing.TB, src []byte, ps []Problem) {
	t.Helper()
	for _, p := range ps {
		t.Errorf("%s", p.Render(src))
	}
}

// exampleBooks is every runbook that must be right, with its rooms.
func exampleBooks(t testing.TB) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, dir := range []string{"testdata/examples", "testdata/examples/small", "library", "init"} {
		files, err := filepath.Glob(dir + "/*.yaml")
		if err != nil || len(files) < 2 {
			t.Fatalf("%s holds %d files, %v: want rooms.yaml and a runbook", dir, len(files), err)
		}
		for _, f := range files {
			if filepath.Base(f) != roomsName {
				out[f] = filepath.Join(dir, roomsName)
			}
		}
	}
	return out
}

func TestExamplesHaveNoProblems(t *testing.T) {
	for book, rooms := range exampleBooks(t) {
		l, err := Load(book, "")
		if err != nil {
			t.Fatal(err)
		}
		if l.RoomsFile != rooms {
			t.Errorf("%s was read with %s, want %s", book, l.RoomsFile, rooms)
		}
		for _, p := range l.Problems {
			t.Error(p.Error())
		}
		if len(l.Book.Steps) == 0 || len(l.Rooms.Routes) == 0 {
			t.Errorf("%s: nothing was read", book)
		}
	}
}
