package torture

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

var (
	plantAll = flag.Bool("mutants", false, "let TestMutants run: it builds the tool with each mistake, and moves until that is noticed")
	which    = flag.String("mutant", "", "with -mutants: a regular expression, of their names")
)

// patch is one place of a copy of the tree; old occurs there exactly once.
type patch struct{ file, old, new string }

// mutant is a rule of the writer move left out of the tool.
type mutant struct {
	name, rule string
	engine     server.Engine
	faults     string // what is let loose
	scene      bool   // not the tool's, but the servers': they come up writable
	patches    []patch
}

var (
	noKillNoLock = []patch{
		{"dbsync/server.go", "if holder.Valid {", "if false {"},
		{"dbsync/server.go", "return ident, s.getLock(ctx, conn, ident)", "return ident, nil"},
	}
	openAnyway = patch{"dbsync/server_fence.go", `IF(" + pending + " = 0, 0, @@global.read_only)`, `IF(" + pending + " = 0, 0, 0)`}
)

// mutants are those of WRITER §7 that can be planted in what is shipped, and some more.
var mutants = []mutant{
	{name: "no server lock", rule: "R1", engine: server.MySQL, faults: "late,freeze,kill", patches: noKillNoLock},
	{name: "fence and open travel on another session", rule: "R1", engine: server.MySQL, faults: "late,freeze,kill", patches: []patch{
		{"dbsync/server_ask.go", "tables, err := s.ask(ctx, limit, query, args...)\n\tswitch {",
			"tables, err := s.aside(ctx, limit, query, args...)\n\tif err != nil && !clean(err) {\n\t\terr = lostError{s.fail(err)}\n\t}\n\tswitch {"}}},
	{name: "open over a pending fence, no server lock", rule: "R2", engine: server.MySQL, faults: "lock,lost,cut,abort,kill", patches: append([]patch{openAnyway,
		{"cutover/writer/seen.go", "case s.Pending != \"\" || s.ReadOnly != s.SuperReadOnly:", "case s.Pending != \"\" && false:"}}, noKillNoLock...)},
	{name: "undo without ABORT", rule: "R3", engine: server.MariaDB, faults: "late,cut,abort", patches: []patch{
		{"cutover/writer/decide_rows.go", "if t.f.mayUndo(t.rec, t.w, t.x) {\n\t\treturn t.undoFirst(why)", "if t.wm == ReadOnly && t.xm == ReadOnly {\n\t\treturn t.undoFirst(why)"}}},
	{name: "undo after COMMIT was sent", rule: "R4, R5", engine: server.MariaDB, faults: "late,cut,abort", patches: []patch{
		{"cutover/writer/fencer.go", "return f.whole() && !f.sent && f.Holds(r)", "return f.whole() && f.Holds(r)"}}},
	{name: "the undoer stays fencer", rule: "R4", engine: server.MariaDB, faults: "cut,abort,lost", patches: []patch{
		{"cutover/writer/fencer.go", "if f.rec.Epoch > 0 && room == f.rec.Writer {\n\t\treturn f.over()", "if f.rec.Epoch < 0 && room == f.rec.Writer {\n\t\treturn f.over()"}}},
	{name: "forward on an unknown COMMIT", rule: "R5", engine: server.MariaDB, faults: "late,cut,lost", patches: []patch{
		{"cutover/writer/fencer.go", "return f.whole() && f.received", "return f.whole() && f.sent"}}},
	{name: "a taker-over commits blind", rule: "R7", engine: server.MariaDB, faults: "cut,freeze,kill", patches: []patch{
		{"cutover/writer/decide_rows.go", "if t.f.mayCommitBlind(t.rec, w, x) && forward {\n\t\treturn t.write(Commit, w.Room, t.f.pos,",
			"if t.xm == ReadOnly && forward {\n\t\treturn t.write(Commit, w.Room, x.Pos,"}}},
	{name: "no wait again", rule: "R9", engine: server.MariaDB, faults: "old,lag", patches: []patch{
		{"cutover/writer/decide_rows.go", "case w.Beyond == BeyondNone:\n\t\treturn t.open(x, \"it was decided", "case w.Beyond != BeyondUnknown:\n\t\treturn t.open(x, \"it was decided"}}},
	{name: "no ABORT row", rule: "R10", engine: server.MariaDB, faults: "kill", patches: []patch{
		{"cutover/writer/decide_rows.go", "case t.wm == ReadOnly && t.xm == ReadOnly:\n\t\treturn t.openOld(\"the move was given up\")",
			"case t.wm == ReadOnly && t.xm == ReadOnly:\n\t\treturn t.hold(true, \"the record\", \"ABORT\", \"a row\", \"none\")"}}},
	{name: "restart writable", rule: "R12", engine: server.MariaDB, faults: "crash", scene: true},
	{name: "XA not looked for", rule: "R13", engine: server.MySQL, faults: "xa", patches: []patch{
		{"dbsync/server_seen.go", "out.Clients, out.XA, out.Pos = len(st.Clients), st.XA, string(st.Position)", "out.Clients, out.XA, out.Pos = len(st.Clients), nil, string(st.Position)"},
		{"dbsync/server_seen.go", "got.st.XA = append(got.st.XA, xid(r))", "_ = xid(r)"}}},
	{name: "nobody is killed: XA before the kill", rule: "R13", engine: server.MySQL, faults: "xa", patches: []patch{
		{"dbsync/server_seen.go", "out.Clients, out.XA, out.Pos = len(st.Clients), st.XA, string(st.Position)", "out.Clients, out.XA, out.Pos = 0, st.XA, string(st.Position)"}}},
	{name: "super_read_only alone, no server lock", rule: "R14", engine: server.MySQL, faults: "lock,lost,cut,kill", patches: append([]patch{
		{"cutover/writer/seen.go", "case s.Pending != \"\" || s.ReadOnly != s.SuperReadOnly:\n\t\treturn Pending\n\tcase s.ReadOnly:", "case s.SuperReadOnly:"}}, noKillNoLock...)},
	{name: "own relay log", rule: "R15", engine: server.MariaDB, faults: "lag", patches: []patch{
		{"cutover/writer/decide_rows.go", "case w.Beyond == BeyondOwn:\n\t\treturn t.act(Act{Do: Wait, Room: x.Room, Pos: w.Pos}, x.Room, \"not all of \"+w.Pos, \"all of it\", \"wait for it\")\n\tcase w.Receives == No:\n\t\treturn t.undo(",
			"case w.Receives == No:\n\t\treturn t.undo("},
		{"cutover/writer/decide_rows.go", "case w.Beyond == BeyondNone:\n\t\treturn t.open(x, \"it was decided", "case w.Beyond != BeyondUnknown:\n\t\treturn t.open(x, \"it was decided"}}},
	{name: "open before COMMIT", rule: "R15", engine: server.MariaDB, faults: "kill,cut,abort,late", patches: []patch{
		{"cutover/writer/decide_rows.go", "return t.write(Commit, w.Room, w.Pos, x.Room+\" has all of \"+w.Room)", "return t.open(x, \"too early\")"}}},
	{name: "a record that is too old is believed", rule: "R16", engine: server.MariaDB, faults: "restore", patches: []patch{
		{"cutover/writer/decide.go", "if m.Epoch > t.rec.Epoch || m.Epoch == t.rec.Epoch && m.Writer != t.rec.Publishes() {", "if m.Epoch < 0 {"}}},
	{name: "what only the new writer has isn't looked for", rule: "§3, 8", engine: server.MySQL, faults: "late,freeze,kill,old", patches: []patch{
		{"cutover/writer/decide_rows.go", "case x.Beyond != BeyondNone:", "case x.Beyond == BeyondUnknown:"}}},
	{name: "the holder of a server's lock isn't killed", rule: "R1", engine: server.MySQL, faults: "late,cut,lost", patches: []patch{
		{"dbsync/server.go", "if holder.Valid {", "if false {"}}},
}

// TestMutantsFit: each mistake can still be planted.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		if len(m.patches) == 0 && !m.scene {
			t.Errorf("%s: nothing is planted", m.name)
		}
		for _, p := range m.patches {
			text, err := os.ReadFile(filepath.Join("..", p.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), p.old); n != 1 {
				t.Errorf("%s: %q occurs %d times in %s, want once", m.name, p.old, n, p.file)
			}
		}
	}
}

// TestMutants plants each mistake in the tool, and moves until something notices, 200 times at most. See MUTANTS.md.
func TestMutants(t *testing.T) {
	if !*plantAll {
		t.Skip("-mutants lets it run: it takes an hour")
	}
	match, err := regexp.Compile(*which)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if !match.MatchString(m.name) {
			continue
		}
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			bin := m.build(t)
			before := program
			program = bin
			defer func() { program = before }()
			x := &session{engine: m.engine, seed: max(1, *seed), moves: 200, slow: true, writable: m.scene, every: 5, only: map[string]bool{}}
			if *moves > 0 {
				x.moves = *moves
			}
			for _, k := range strings.Split(m.faults, ",") {
				x.only[k] = true
			}
			began := time.Now()
			err := x.run(t.Context(), t.TempDir(), t.Logf)
			if err == nil {
				t.Errorf("MUTANT %s | %s | %s | %s | nothing in %d moves |", m.name, m.rule, m.engine, m.faults, x.done)
				return
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			t.Logf("%v", err)
			t.Logf("MUTANT | %s | %s | %s | %s | %s | %d | %v |", m.name, m.rule, m.engine, m.faults, cutTo(first, 160), x.done+1, time.Since(began).Round(time.Second))
		})
	}
}

// build plants the mistake in a copy of the tree and builds the tool from it.
func (m mutant) build(t *testing.T) string {
	t.Helper()
	if m.scene {
		return os.Args[0]
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := copyTree(dir, root); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.patches {
		file := filepath.Join(dir, p.file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), p.old); n != 1 {
			t.Fatalf("%q occurs %d times in %s, want once", p.old, n, p.file)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), p.old, p.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "tool.test")
	cmd := exec.Command("go", "test", "-vet=off", "-c", "-o", bin, "./torture")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return bin
}

// copyTree copies what Go builds from.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && strings.HasPrefix(name, ".") && rel != ".":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o600)
	})
}
