package runbooks

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// seeds are all files of testdata and all shipped ones.
func seeds(f *testing.F) {
	f.Helper()
	for _, glob := range []string{"testdata/*.yaml", "testdata/*/*.yaml", "testdata/*/*/*.yaml", "library/*.yaml", "init/*.yaml"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			f.Add(loadFile(f, file))
		}
	}
	f.Add([]byte("version: 1\r\nrooms: {a: {}, b: {}}\r\n"))
	f.Add([]byte("\ufeffversion: 1\n"))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("a: |\n  b\n? {}\n: c"))
}

// judge holds what is true of every problem: a place in the file, a rule that exists, one line, and a rendering.
func judge(t *testing.T, src []byte, ps []Problem) {
	t.Helper()
	lines := 1 + bytes.Count(src, []byte("\n"))
	for i, p := range ps {
		switch {
		case p.File != "f" || p.Line < 1 || p.Line > lines || p.Col < 1:
			t.Errorf("%s: the file has %d lines", p.Error(), lines)
		case p.Message == "" || strings.ContainsAny(p.Message, "\n\r"):
			t.Errorf("%q isn't a line", p.Message)
		}
		known := false
		for _, r := range allRules() {
			known = known || r == p.Rule
		}
		if !known {
			t.Errorf("%s: no such rule", p.Error())
		}
		if i > 0 && p == ps[i-1] {
			t.Errorf("%s: said twice", p.Error())
		}
		if !strings.HasPrefix(p.Render(src), p.Error()) {
			t.Errorf("%s isn't rendered", p.Error())
		}
	}
}

func FuzzLoadRooms(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		rooms, ps := LoadRooms("f", src)
		judge(t, src, ps)
		if len(ps) == 0 && (rooms == nil || len(rooms.Rooms) < 2 || rooms.Environment == "") {
			t.Error("no problem, but not what a rooms file must have")
		}
		if rooms == nil {
			return
		}
		// A runbook on rooms that are wrong must not fall over them.
		_, ps = LoadRunbook("f", []byte("version: 1\nname: x\nmove: {from: home, to: cloud}\nsteps:\n- shift: {cloud: {gw@home: [1%, 2%], entry: 1%}}\n- ttl: {entry: 1s}\n- writer: {to: cloud, pairs: [feed-db]}\n"), rooms)
		for _, p := range ps {
			if p.Line < 1 || p.Col < 1 {
				t.Error(p.Error())
			}
		}
	})
}

func FuzzLoadRunbook(f *testing.F) {
	rooms := mustRooms(f, "testdata/examples/rooms.yaml")
	seeds(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		book, ps := LoadRunbook("f", src, rooms)
		judge(t, src, ps)
		if len(ps) > 0 {
			return
		}
		if book == nil || len(book.Steps) == 0 || book.From == book.To {
			t.Fatal("no problem, but not what a runbook must have")
		}
		for _, s := range book.Steps {
			if s.Shift != nil && s.Shift.Rungs() < 1 {
				t.Errorf("step %s has no rung", s.Name)
			}
		}
		judgeNotYet(t, NotYetReal(rooms, book))
	})
}

func judgeNotYet(t *testing.T, ps []Problem) {
	t.Helper()
	for _, p := range ps {
		if p.Rule != RuleNotYet || p.Line < 1 {
			t.Error(p.Error())
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	roomsSrc, bookSrc := loadFile(b, "testdata/examples/rooms.yaml"), loadFile(b, "testdata/examples/spring-festival-out.yaml")
	b.SetBytes(int64(len(roomsSrc) + len(bookSrc)))
	b.ReportAllocs()
	for b.Loop() {
		rooms, ps := LoadRooms("rooms.yaml", roomsSrc)
		if _, more := LoadRunbook("book.yaml", bookSrc, rooms); len(ps)+len(more) > 0 {
			b.Fatal(ps, more)
		}
	}
}

// BenchmarkLoadThousandRoutes is the inventory of DESIGN §7: nothing in reading may grow with the square of it.
func BenchmarkLoadThousandRoutes(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			src := manyRoutes(n)
			b.ReportAllocs()
			for b.Loop() {
				rooms, ps := LoadRooms("rooms.yaml", src)
				if len(ps) > 0 {
					b.Fatal(ps[0])
				}
				if _, ps = LoadRunbook("f", []byte("version: 1\nname: x\nmove: {from: a, to: b}\nsteps:\n- shift: {b: {all: [1%, 5%, 20%]}}\n- shift: {b: {all: [30%, 50%]}}\n"), rooms); len(ps) > 0 {
					b.Fatal(ps[0])
				}
			}
		})
	}
}

func manyRoutes(n int) []byte {
	w := &strings.Builder{}
	w.WriteString("version: 1\nenvironment: lab\nrooms: {a: {}, b: {}}\nprometheus: {addr: \"http://127.0.0.1:9090\"}\nroutes:\n")
	for i := range n {
		fmt.Fprintf(w, "  r-%d: {consul: {upstream: u%d}, seats: [a]}\n", i, i)
	}
	w.WriteString("groups:\n  all: [r-0")
	for i := 1; i < n; i++ {
		fmt.Fprintf(w, ", r-%d", i)
	}
	w.WriteString("]\ngates:\n  errors: {each: room, ratio: {bad: 'x{room=\"$room\"}', of: 'y{room=\"$room\"}'}, abort: {above: 1%}}\n")
	return []byte(w.String())
}
