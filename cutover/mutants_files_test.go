package cutover_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testFiles are the files of this folder's tests, by what they declare and what they speak of: half of the time that a mutant takes
// is compiling tests that aren't run.
type testFiles struct {
	declares map[string][]string // name → files
	speaks   map[string][]string // file → names
}

func readTests(t *testing.T) *testFiles {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	x := &testFiles{map[string][]string{}, map[string][]string{}}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		x.read(name, f)
	}
	return x
}

// read notes names as PACKAGE.NAME; a method is its type's.
func (x *testFiles) read(name string, f *ast.File) {
	pkg := f.Name.Name + "."
	declare := func(id *ast.Ident) { x.declares[pkg+id.Name] = append(x.declares[pkg+id.Name], name) }
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				declare(d.Name)
			} else if id := receiver(d.Recv.List[0].Type); id != nil {
				declare(id)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					declare(s.Name)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						declare(id)
					}
				}
			}
		}
	}
	for _, id := range f.Unresolved { // of another file, package or the language
		x.speaks[name] = append(x.speaks[name], pkg+id.Name)
	}
	for id := range f.Scope.Objects { // methods may stand in another file
		x.speaks[name] = append(x.speaks[name], pkg+id)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok { // a map's key, or a field: the parser doesn't tell, and resolves neither
			if id, ok := kv.Key.(*ast.Ident); ok {
				x.speaks[name] = append(x.speaks[name], pkg+id.Name)
			}
		}
		// what an inner test file shows to the outer ones
		if s, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := s.X.(*ast.Ident); ok && id.Name == "cutover" {
				x.speaks[name] = append(x.speaks[name], "cutover."+s.Sel.Name)
			}
		}
		return true
	})
}

func receiver(e ast.Expr) *ast.Ident {
	if p, ok := e.(*ast.StarExpr); ok {
		e = p.X
	}
	id, _ := e.(*ast.Ident)
	return id
}

// without names the files that the tests run don't need: they declare nothing that these, or what these speak of, speak of.
func (x *testFiles) without(t *testing.T, run string) []string {
	t.Helper()
	tests, err := regexp.Compile("^(" + run + ")$")
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	var need func(files []string)
	need = func(files []string) {
		for _, f := range files {
			if needed[f] {
				continue
			}
			needed[f] = true
			for _, name := range x.speaks[f] {
				need(x.declares[name])
			}
		}
	}
	for name, files := range x.declares {
		if tests.MatchString(name[strings.Index(name, ".")+1:]) {
			need(files)
		}
	}
	var out []string
	for f := range x.speaks {
		if !needed[f] {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}
