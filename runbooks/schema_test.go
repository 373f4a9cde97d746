package runbooks

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiled(t testing.TB, kind string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(kind)))
	if err != nil {
		t.Fatalf("schema of %s: %v", kind, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(kind+".json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a YAML text as an editor's validator sees it: dates and times of day stay texts. ok is false for what isn't
// YAML, and for keys written twice, which no schema can see.
func instance(t testing.TB, src []byte) (any, bool) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, false
	}
	return plainValue(t, doc.Content[0])
}

func plainValue(t testing.TB, n *yaml.Node) (any, bool) {
	t.Helper()
	ok := true
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i < len(n.Content); i += 2 {
			v, good := plainValue(t, n.Content[i+1])
			_, twice := m[n.Content[i].Value]
			m[n.Content[i].Value] = v
			ok = ok && good && !twice
		}
		return m, ok
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, good := plainValue(t, c)
			list = append(list, v)
			ok = ok && good
		}
		return list, ok
	case yaml.AliasNode:
		return nil, false
	}
	var v any
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		if err := n.Decode(&v); err != nil {
			t.Fatal(err)
		}
	default:
		v = n.Value
	}
	return v, true
}

func TestSchemaTakesWhatIsRight(t *testing.T) {
	rooms, book := compiled(t, "rooms"), compiled(t, "runbook")
	validate := func(s *jsonschema.Schema, file string) {
		v, ok := instance(t, loadFile(t, file))
		if !ok {
			t.Fatalf("%s can't be read", file)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("the schema refuses %s: %v", file, err)
		}
	}
	for b, r := range exampleBooks(t) {
		validate(book, b)
		validate(rooms, r)
	}
	validate(book, "testdata/full.yaml")
	validate(rooms, "testdata/full-rooms.yaml")
}

// seen are the rules that a schema can see broken.
var seen = []string{RuleUnknownKey, RuleMissingKey, RuleType, RuleVersion, RuleBareLimit, RuleKind, RuleSecret}

func TestSchemaRefusesWhatItCanSee(t *testing.T) {
	for _, file := range badFiles(t) {
		src := loadFile(t, file)
		kind := "runbook"
		if filepath.Base(filepath.Dir(file)) == "rooms" {
			kind = "rooms"
		}
		v, ok := instance(t, src)
		broken := slices.ContainsFunc(badFile(t, file, src), func(p Problem) bool { return slices.Contains(seen, p.Rule) })
		if !ok || !broken {
			continue
		}
		if err := compiled(t, kind).Validate(v); err == nil {
			t.Errorf("the schema takes %s", file)
		}
	}
}

// TestSchemaSeesOneFault breaks a right file in one place, for every place: each key renamed, and each value replaced by a
// map where none belongs. Schema and parser must both refuse.
func TestSchemaSeesOneFault(t *testing.T) {
	roomsSrc, bookSrc := loadFile(t, "testdata/examples/rooms.yaml"), loadFile(t, "testdata/full.yaml")
	rooms, ps := LoadRooms("rooms.yaml", roomsSrc)
	noProblems(t, roomsSrc, ps)
	_, ps = LoadRunbook("full.yaml", bookSrc, rooms)
	noProblems(t, bookSrc, ps)
	for kind, src := range map[string][]byte{"rooms": roomsSrc, "runbook": bookSrc} {
		s := compiled(t, kind)
		both := func(what string, doc *yaml.Node) {
			text, err := yaml.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := instance(t, text)
			if s.Validate(v) == nil {
				t.Errorf("%s: the schema takes the file with %s", kind, what)
			}
			if kind == "rooms" {
				_, ps = LoadRooms("f", text)
			} else {
				_, ps = LoadRunbook("f", text, rooms)
			}
			if len(ps) == 0 {
				t.Errorf("%s: the parser takes the file with %s", kind, what)
			}
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		eachFault(doc.Content[0], func(what string) { both(what, &doc) })
	}
}

// eachFault calls f with each single fault planted in n, and takes it out again.
func eachFault(n *yaml.Node, f func(what string)) {
	if n.Kind == yaml.ScalarNode {
		kept := *n
		*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "zzz"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "zzz"}}}
		f("a map in place of " + kept.Value)
		*n = kept
		return
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if isKey(c.Value) {
				kept := c.Value
				c.Value = "zzzzzz"
				f("another key in place of " + kept)
				c.Value = kept
			}
			continue
		}
		eachFault(c, f)
	}
}

// TestSchemaHasTheKeysOfTheParser holds the published schemas against the one table that the parser reads by.
func TestSchemaHasTheKeysOfTheParser(t *testing.T) {
	type object struct {
		Properties           map[string]any
		Required             []string
		AdditionalProperties any
		Defs                 map[string]object `json:"$defs"`
		Type                 any
	}
	for _, kind := range []string{"rooms", "runbook"} {
		var root object
		if err := json.Unmarshal(Schema(kind), &root); err != nil {
			t.Fatal(err)
		}
		known := make(map[string]bool)
		for _, s := range shapesOf(kind) {
			o, ok := root.Defs[s.name]
			if s.name == kind {
				o, ok = root, true
			}
			known[s.name] = true
			if !ok {
				t.Errorf("%s: the schema has no %s", kind, s.name)
				continue
			}
			if got, want := slices.Sorted(maps.Keys(o.Properties)), sorted(s.keys); !slices.Equal(got, want) {
				t.Errorf("%s: the schema's %s has %q, the parser's %q", kind, s.name, got, want)
			}
			if got, want := sorted(o.Required), sorted(s.required); !slices.Equal(got, want) {
				t.Errorf("%s: the schema's %s requires %q, the parser %q", kind, s.name, got, want)
			}
			if closed := o.AdditionalProperties == false; closed == s.open {
				t.Errorf("%s: the schema's %s takes other keys: %v, the parser: %v", kind, s.name, !closed, s.open)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(root.Defs)) {
			if len(root.Defs[name].Properties) > 0 && !known[name] {
				t.Errorf("%s: the parser doesn't know the schema's %s", kind, name)
			}
		}
	}
	if Schema("plan") != nil {
		t.Error("a schema of what isn't published")
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// The parser reads every key that it accepts: get panics for keys outside the table, and this finds those that nothing reads.
func TestEveryKeyIsInTheExamplesOfTheLanguage(t *testing.T) {
	written := make(map[string]bool)
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				written[c.Value] = true
			}
			walk(c)
		}
	}
	for _, file := range []string{"testdata/full-rooms.yaml", "testdata/full.yaml", "testdata/examples/rooms.yaml", "testdata/examples/evacuate-home.yaml", "testdata/examples/spring-festival-back.yaml"} {
		var doc yaml.Node
		if err := yaml.Unmarshal(loadFile(t, file), &doc); err != nil {
			t.Fatal(err)
		}
		walk(&doc)
	}
	for _, k := range reserved {
		if !written[k] {
			t.Errorf("no file that must be right has the key %q", k)
		}
	}
}
