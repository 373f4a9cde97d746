package journal

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"roomshift/cutover"
)

var writeSchema = flag.Bool("schema", false, "write record.schema.json anew")

const schemaFile = "record.schema.json"

// enums are the words that a type may hold.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[cutover.Act]():   {"advance", "hold", "back", "freeze"},
	reflect.TypeFor[cutover.Phase](): {"forward", "back", "frozen", "resting", "over"},
	reflect.TypeFor[cutover.Color](): {"green", "amber", "red", "blind", "dark", "unjudged"},
	reflect.TypeFor[cutover.StepState](): {"pending", "waiting", "applying", "settling", "baking", "moving", "asking", "done",
		"skipped"},
	reflect.TypeFor[cutover.Purpose](): {"forward", "undo", "pace", "keep", "answer", "bridge"},
}

type object = map[string]any

// says is what the schema tells people about a record's kind or a common field.
var says = map[string]string{
	"seq": "counts from 1 without a gap", "wall": "RFC 3339 with milliseconds", "at": "engine time of the process that wrote it, in nanoseconds",
	"prev": "hex SHA-256 of the preceding line, without its newline and the space that may stand before it; 64 zeros in the first",
	"plan": "a part of the plan's text", "run": "a holder of the run", "step": "a step's new state", "intent": "a request may be sent from now on",
	"done": "objects hold what the request wrote", "failed": "objects were not changed by the request and won't be",
	"foreign": "an object holds what somebody else wrote", "unknown": "a request may have landed, or may still",
	"stray": "an object holds an older value of ours", "adopted": "a person takes what is there as wanted", "move": "a verb of a writer move",
	"writer": "a pair's writer record as answered", "seen": "composed share of all requests in each room, in basis points", "only": "what became of the key of a thing that runs in one room", "verdict": "a change of act or of its causes",
	"phase": "a new phase; the last record of a run says its exit code and causes", "command": "a person's command", "checkpoint": "the run stands at a checkpoint",
	"asked": "a question to people", "answered": "the end of a question", "broke": "a rule broken by name", "claim": "what the run holds against others",
}

// schemaOf is the schema that a Go type's JSON has: strict, as ParseLine is.
func schemaOf(t reflect.Type) object {
	if words := enums[t]; words != nil {
		return object{"enum": words}
	}
	if t == reflect.TypeFor[cutover.Seat]() {
		return object{"type": "string", "pattern": "^[^@]+(@.+)?$"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return schemaOfStruct(t)
	}
	panic("no schema for " + t.String())
}

func schemaOfStruct(t reflect.Type) object {
	properties, required := object{}, []string{}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, omit, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = schemaOf(f.Type)
		if omit == "" {
			required = append(required, name)
		}
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

// recordSchema is the published schema: Record, and that a record has the payload of its kind and no other.
func recordSchema(t *testing.T) []byte {
	t.Helper()
	s := schemaOf(reflect.TypeFor[cutover.Record]())
	s["$schema"], s["title"] = "https://json-schema.org/draft/2020-12/schema", "One line of roomshift's journal"
	s["description"] = "Shares are basis points, durations and engine times nanoseconds. Lines are in groups: every line of a group but its last has a space before its newline."
	properties := s["properties"].(object)
	var kinds, one []any
	for f := range reflect.TypeFor[cutover.Record]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if text := says[name]; text != "" {
			properties[name].(object)["description"] = text
		}
		if f.Type.Kind() == reflect.Pointer {
			kinds = append(kinds, name)
			one = append(one, object{"properties": object{"kind": object{"const": name}}, "required": []string{name}})
		}
	}
	properties["kind"] = object{"enum": kinds, "description": "what the record says; its fields stand under the same name"}
	properties["prev"].(object)["pattern"] = "^[0-9a-f]{64}$"
	s["oneOf"], s["maxProperties"] = one, 6
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheSchemaIsTheRecords(t *testing.T) {
	want := recordSchema(t)
	if *writeSchema {
		if err := os.WriteFile(schemaFile, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := readFile(t, schemaFile); !bytes.Equal(got, want) {
		t.Errorf("%s isn't what Record says: run go test -run Schema -schema, and see what changed", schemaFile)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(readFile(t, schemaFile)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaFile, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, line string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestGoldenJournalsFitTheSchema(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("../testdata/golden/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden journals: %v", err)
	}
	met := map[string]bool{}
	for _, file := range files {
		for i, line := range strings.Split(strings.TrimSpace(string(readFile(t, file))), "\n") {
			if err := valid(t, s, line); err != nil {
				t.Errorf("%s:%d: %v", file, i+1, err)
			}
			r, err := cutover.ParseLine([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			met[string(r.Kind)] = true
		}
	}
	if len(met) != 23 {
		t.Errorf("the golden journals have only the kinds %v", met)
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	s := compiled(t)
	prev := cutover.Genesis()
	good := `{"seq":1,"wall":"","at":0,"kind":"claim","prev":"` + prev + `","claim":{"names":["gw"]}}`
	if err := valid(t, s, good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"an unknown field":  {`"at":0`, `"at":0,"new":1`},
		"a missing field":   {`"at":0,`, ``},
		"another's payload": {`"kind":"claim"`, `"kind":"phase"`},
		"an unknown kind":   {`"kind":"claim"`, `"kind":"clain"`},
		"two payloads":      {`"claim":{`, `"broke":{"rule":"","who":"","reason":""},"claim":{`},
		"a type":            {`["gw"]`, `"gw"`},
		"a hash":            {prev, "00"},
	} {
		if line := strings.Replace(good, change[0], change[1], 1); valid(t, s, line) == nil {
			t.Errorf("%s is taken: %s", name, line)
		}
	}
}
