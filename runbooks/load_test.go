package runbooks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLibraryRunsToday(t *testing.T) {
	names := Library()
	if want := []string{"drill-3-percent", "move-writer", "spring-festival-back", "spring-festival-out", "to-cloud"}; !slices.Equal(names, want) {
		t.Fatalf("shipped are %q, want %q", names, want)
	}
	for _, name := range names {
		l, err := Load(name, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range append(l.Problems, NotYet(l.Book)...) {
			t.Errorf("%s", p.Error())
		}
		if l.Book.Name != name {
			t.Errorf("%s calls itself %s", name, l.Book.Name)
		}
		if l.Rooms.Environment != "simulation" {
			t.Errorf("%s: the shipped rooms are %s", name, l.Rooms.Environment)
		}
		if l.RoomsFile != "library/rooms.yaml" || l.BookFile != "library/"+name+".yaml" || len(l.BookSrc) == 0 || len(l.RoomsSrc) == 0 {
			t.Errorf("%s was read from %s and %s", name, l.BookFile, l.RoomsFile)
		}
	}
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range InitFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	book, rooms := filepath.Join(dir, "to-cloud.yaml"), filepath.Join(dir, "rooms.yaml")
	l, err := Load(book, "")
	if err != nil || len(l.Problems) > 0 || l.RoomsFile != rooms || l.Rooms.Environment != "lab" {
		t.Fatalf("the first files: %+v, %v", l, err)
	}

	if l, err = Load("to-cloud", rooms); err != nil || l.RoomsFile != rooms || l.Rooms.Environment != "lab" {
		t.Errorf("a shipped runbook with rooms of one's own: %v", err)
	}
}

// A path in a file is relative to that file, wherever the program was started.
func TestPathsAreBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	rooms := filepath.Join(dir, "other", "rooms.yaml")
	if err := os.MkdirAll(filepath.Dir(rooms), 0o700); err != nil {
		t.Fatal(err)
	}
	src := strings.Replace(string(InitFiles()["rooms.yaml"]), `{addr: "http://127.0.0.1:8500"}`, `{addr: "http://127.0.0.1:8500", tokenFile: home.token, caFile: /etc/ca.pem}`, 1)
	if err := os.WriteFile(rooms, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load("to-cloud", rooms)
	if err != nil || len(l.Problems) > 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	c := l.Rooms.Rooms[0].Consul
	if want := filepath.Join(dir, "other", "home.token"); c.TokenFile != want || c.CAFile != "/etc/ca.pem" {
		t.Errorf("files are %s and %s: want them beside the file that names them, %s, and absolute ones as they are", c.TokenFile, c.CAFile, want)
	}
}

func TestLoadSaysWhatCannotBeRead(t *testing.T) {
	_, err := Load("spring-festival-uot", "")
	if err == nil || !strings.Contains(err.Error(), "no such runbook: spring-festival-uot") ||
		!strings.Contains(err.Error(), "shipped are drill-3-percent, move-writer, spring-festival-back, spring-festival-out, to-cloud") ||
		!strings.Contains(err.Error(), `did you mean "spring-festival-out"?`) {
		t.Errorf("got %v", err)
	}
	book := filepath.Join(t.TempDir(), "alone.yaml")
	if err := os.WriteFile(book, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(book, ""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--rooms") {
		t.Errorf("rooms that aren't there: %v", err)
	}
	if _, err := Load(t.TempDir(), ""); err == nil {
		t.Error("a folder is no runbook")
	}
}

func TestProblemsOfBothFiles(t *testing.T) {
	dir := t.TempDir()
	book := filepath.Join(dir, "book.yaml")
	for name, text := range map[string]string{"rooms.yaml": "version: 1\n", "book.yaml": "version: 1\nfoo: bar\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Load(book, "")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]int)
	for _, p := range l.Problems {
		files[filepath.Base(p.File)]++
	}
	if files["rooms.yaml"] != 2 || files["book.yaml"] < 2 {
		t.Errorf("problems by file: %v of %v", files, l.Problems)
	}
	if !slices.IsSortedFunc(l.Problems, func(a, b Problem) int { return strings.Compare(a.File, b.File) }) {
		t.Error("problems aren't sorted")
	}
}

func TestUnreadableText(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"", "f:1:1: the file is empty [yaml]"},
		{"# nothing\n", "f:1:1: the file is empty [yaml]"},
		{"- a\n", "f:1:1: the file is a list: want a map [type]"},
		{"version: 1\n---\nversion: 1\n", "a second document: a file holds one [yaml]"},
		{"version: 1\nname: \xff\n", "f:2:7: this byte is not UTF-8 [yaml]"},
		{"version: 1\n# x\u2028password: hunter2\n", "f:2:4: U+2028 ends a line here, but not in most editors [yaml]"},
		{"version: 1\n# x\rname: b\n", "f:2:4: U+000D ends a line here"},
		{"~\n", "f:1:1: the file is empty [yaml]"},
		{"version: 1\nname: a\x00b\n", "not YAML"},
		{"version: 1\nrooms:\n\thome: {}\n", "f:3:1: not YAML: found character that cannot start any token [yaml]"},
		{"version: 1\npassword: *hunter2\n", "an alias (*) without its anchor [yaml]"},
		{"version: 1\n? [a]\n: b\n", "a list is no key [type]"},
	} {
		for kind, load := range map[string]func() []Problem{
			"rooms":   func() []Problem { _, ps := LoadRooms("f", []byte(c.src)); return ps },
			"runbook": func() []Problem { _, ps := LoadRunbook("f", []byte(c.src), &Rooms{}); return ps },
		} {
			ps := load()
			if !slices.ContainsFunc(ps, func(p Problem) bool { return strings.Contains(p.Error(), c.want) }) {
				t.Errorf("%s %q: got %v, want %q", kind, c.src, ps, c.want)
			}
			for _, p := range ps {
				if strings.Contains(p.Render([]byte(c.src)), "hunter2") {
					t.Errorf("%s shows the secret", p.Error())
				}
			}
		}
	}
}

func TestRunbookWithoutRooms(t *testing.T) {
	_, ps := LoadRunbook("f", []byte("version: 1\nname: a\nmove: {from: x, to: y}\nsteps: [{shft: 1}]\n"), nil)
	if len(ps) != 1 || ps[0].Rule != RuleUnknownKey {
		t.Errorf("got %v: want the unknown key alone, for nothing is known of the names", ps)
	}
}
