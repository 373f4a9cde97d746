package runbooks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader collects the problems of one file. Its methods give zero values for what is missing or wrong, so that reading goes
// on and every problem of a file is found at once.
type reader struct {
	file     string
	problems []Problem
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, max(n.Line, 1), max(n.Column, 1)} }

// addf says that something is wrong at n. hint may be "".
func (r *reader) addf(n *yaml.Node, rule, hint, format string, args ...any) {
	r.addAtf(r.pos(n), rule, hint, format, args...)
}

func (r *reader) addAtf(at Pos, rule, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{at, fmt.Sprintf(format, args...), rule, hint})
}

// sorted is the problems in order, each once.
func (r *reader) sorted() []Problem {
	Sort(r.problems)
	var out []Problem
	for i, p := range r.problems {
		if i == 0 || p != r.problems[i-1] {
			out = append(out, p)
		}
	}
	return out
}

// document reads the file's one document, a map; nil if there is none that can be read.
func (r *reader) document(src []byte) *yaml.Node {
	top := &yaml.Node{Line: 1, Column: 1}
	if !r.plainText(src) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.addf(top, RuleYAML, "", "the file is empty")
		} else {
			r.syntax(src, err)
		}
		return nil
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		r.addf(&second, RuleYAML, "make it a file of its own", "a second document: a file holds one")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(src, err)
		return nil
	}
	root := doc.Content[0]
	if !r.plainYAML(root) {
		return nil
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		r.addf(top, RuleYAML, "", "the file is empty")
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.addf(root, RuleType, "", "the file is %s: want a map", kindOf(root))
		return nil
	}
	return root
}

// endsLine is true for what ends a line to YAML but not to people and most editors, so that what looks like a comment may
// hide a key.
func endsLine(c rune) bool { return c == 0x85 || c == 0x2028 || c == 0x2029 }

// plainText refuses bytes that aren't UTF-8, and line breaks by which our lines and those of an editor would differ.
func (r *reader) plainText(src []byte) bool {
	at := Pos{r.file, 1, 1}
	for i := 0; i < len(src); {
		c, n := utf8.DecodeRune(src[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			r.addAtf(at, RuleYAML, "save the file as UTF-8", "this byte is not UTF-8")
			return false
		case c == '\r' && (i+1 == len(src) || src[i+1] != '\n') || endsLine(c):
			r.addAtf(at, RuleYAML, "end lines with a line feed", "%U ends a line here, but not in most editors", c)
			return false
		case c == '\n':
			at.Line, at.Col = at.Line+1, 0
		}
		at.Col++
		i += n
	}
	return true
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns a YAML error into a problem. The library names a line only, and none for the first.
func (r *reader) syntax(src []byte, err error) {
	line, message := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		// The library counts lines from 0 in what its parser says, from 1 in what its scanner says.
		if strings.HasPrefix(message, "did not find expected") && m[1] != "" {
			line++
		}
	}
	line = max(1, min(line, 1+bytes.Count(bytes.TrimSuffix(src, []byte("\n")), []byte("\n"))))
	hint := ""
	if strings.Contains(message, "unknown anchor") {
		// The message holds the value, which may be a secret that begins with a star.
		message, hint = "an alias (*) without its anchor", "quote a text that begins with * or &"
	}
	if text, ok := lineOf(src, line); ok && strings.Contains(text, "\t") && strings.Contains(message, "cannot start any token") {
		hint = "indent with spaces, not tabs"
	}
	r.addAtf(Pos{r.file, line, 1}, RuleYAML, hint, "not YAML: %s", message)
}

// plainYAML refuses aliases and tags: with them, what a person reads at a place isn't what stands there.
func (r *reader) plainYAML(n *yaml.Node) bool {
	ok := true
	switch {
	case n.Kind == yaml.AliasNode:
		r.addf(n, RuleYAML, "write the value out", "an alias: this language has none")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		r.addf(n, RuleYAML, "leave the tag out", "a tag: this language has none")
		ok = false
	}
	for _, c := range n.Content {
		ok = r.plainYAML(c) && ok
	}
	return ok
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return "nothing"
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		}
	}
	return "a text"
}

// entry is one key of a map with its value.
type entry struct{ key, value *yaml.Node }

// fields is a map read by its shape.
type fields struct {
	*reader
	node    *yaml.Node
	shape   *shape
	at      map[string]entry
	names   []entry  // of an open shape: the entries whose keys are names
	unknown bool     // a key isn't in the shape
	meant   []string // the keys of the shape that unknown ones are near to
}

// fields reads n by shape. It is never nil; ok is false if n is no map, which is then a problem already.
func (r *reader) fields(n *yaml.Node, s *shape) (f *fields, ok bool) {
	f = &fields{reader: r, node: n, shape: s, at: make(map[string]entry)}
	if n == nil {
		return f, false
	}
	for _, e := range r.entries(n, s.what) {
		switch name := e.key.Value; {
		case contains(s.keys, name):
			f.at[name] = e
		case s.open && !isSecretKey(name):
			f.names = append(f.names, e)
		default:
			f.unknown = true
			f.meant = append(f.meant, Nearest(name, s.keys), secretKeys[secretName(name)])
			r.unknownKey(e, s)
		}
	}
	if n.Kind != yaml.MappingNode {
		return f, false
	}
	for _, key := range s.required {
		if _, ok := f.at[key]; !ok && !contains(f.meant, key) {
			r.addf(n, RuleMissingKey, "", "%s needs %q", s.what, key)
		}
	}
	return f, true
}

// entries is the entries of the map n in file order, without those whose key stands there already.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	if n.Kind != yaml.MappingNode {
		r.addf(n, RuleType, "", "%s is %s: want a map", what, kindOf(n))
		return nil
	}
	seen := make(map[string]int, len(n.Content)/2)
	out := make([]entry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		if e.key.Kind != yaml.ScalarNode {
			r.addf(e.key, RuleType, "", "%s is no key", kindOf(e.key))
			continue
		}
		if line, twice := seen[e.key.Value]; twice {
			r.addf(e.key, RuleDuplicateKey, "", "%s is written twice: it stands on line %d already", quoted(e.key.Value), line)
			continue
		}
		seen[e.key.Value] = e.key.Line
		out = append(out, e)
	}
	return out
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// secretKeys are what people write where a secret's place is wanted.
var secretKeys = map[string]string{
	"dsn": "dsnEnv", "token": "tokenFile", "password": "dsnEnv or tokenFile", "passwd": "dsnEnv or tokenFile",
	"pwd": "dsnEnv or tokenFile", "secret": "dsnEnv or tokenFile", "accesskey": "tokenFile", "accesskeyid": "tokenFile",
	"accesskeysecret": "tokenFile", "apikey": "tokenFile", "privatekey": "keyFile",
}

var notLetters = strings.NewReplacer("_", "", "-", "")

func isSecretKey(key string) bool { return secretKeys[secretName(key)] != "" }

func secretName(key string) string { return notLetters.Replace(strings.ToLower(key)) }

func (r *reader) unknownKey(e entry, s *shape) {
	if isSecretKey(e.key.Value) {
		use := secretKeys[secretName(e.key.Value)]
		r.addf(e.key, RuleSecret, "use "+use+", which says where the secret is kept", "%s: no secret stands in a file", quoted(e.key.Value))
		return
	}
	hint := didYouMean(e.key.Value, s.keys)
	if hint == "" {
		hint = "known here: " + strings.Join(s.keys, ", ")
	}
	r.addf(e.key, RuleUnknownKey, hint, "unknown key %s in %s", quoted(e.key.Value), s.what)
}

// get is the value of key, nil if it isn't there. A key with nothing behind it is a problem and counts as absent.
func (f *fields) get(key string) *yaml.Node {
	if !contains(f.shape.keys, key) {
		panic("runbooks: " + f.shape.name + " has no key " + key) // the table and the parser differ: our own bug
	}
	e, ok := f.at[key]
	if !ok {
		return nil
	}
	if e.value.Kind == yaml.ScalarNode && e.value.ShortTag() == "!!null" {
		f.addf(e.key, RuleType, "leave the key out, or give it a value", "%q has no value", key)
		return nil
	}
	return e.value
}

// has says whether the key is written.
func (f *fields) has(key string) bool { return f.at[key].key != nil }

// key is the node of a key that is written.
func (f *fields) key(key string) *yaml.Node { return f.at[key].key }
