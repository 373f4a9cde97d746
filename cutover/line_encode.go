package cutover

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lineWriter writes the JSON of a record by hand: a record is written and hashed for everything that a run does, and
// encoding/json costs several times as much. A test holds it against encoding/json and Record's tags, field by field.
type lineWriter struct{ b []byte }

// key begins a member; the first of an object has no comma.
func (e *lineWriter) key(k string) {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, '"', ':')
}

func (e *lineWriter) open(k string) {
	e.key(k)
	e.b = append(e.b, '{')
}

func (e *lineWriter) str(k, v string) {
	e.key(k)
	e.quote(v)
}

func (e *lineWriter) strIf(k, v string) {
	if v != "" {
		e.str(k, v)
	}
}

func (e *lineWriter) num(k string, v int64) {
	e.key(k)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func (e *lineWriter) numIf(k string, v int64) {
	if v != 0 {
		e.num(k, v)
	}
}

func (e *lineWriter) flag(k string, v bool) {
	e.key(k)
	e.b = strconv.AppendBool(e.b, v)
}

func (e *lineWriter) flagIf(k string, v bool) {
	if v {
		e.flag(k, v)
	}
}

// strs writes a list of strings; nil is an empty list, so that a list is always a list.
func (e *lineWriter) strs(k string, vs []string) {
	e.key(k)
	e.b = append(e.b, '[')
	for i, v := range vs {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.quote(v)
	}
	e.b = append(e.b, ']')
}

func (e *lineWriter) strsIf(k string, vs []string) {
	if len(vs) > 0 {
		e.strs(k, vs)
	}
}

// share writes a share with its rooms sorted. Two or three rooms are sorted without leaving the stack.
func (e *lineWriter) share(k string, s Share) {
	var few [8]Room
	rooms := few[:0]
	for r := range s {
		rooms = append(rooms, r)
	}
	slices.Sort(rooms)
	e.open(k)
	for _, r := range rooms {
		e.name(r)
		e.b = strconv.AppendInt(e.b, int64(s[r]), 10)
	}
	e.b = append(e.b, '}')
}

// name begins a member whose key isn't ours and may need quoting.
func (e *lineWriter) name(k string) {
	if e.b[len(e.b)-1] != '{' {
		e.b = append(e.b, ',')
	}
	e.quote(k)
	e.b = append(e.b, ':')
}

func (e *lineWriter) causes(cs []Cause) {
	if len(cs) == 0 {
		return
	}
	e.key("causes")
	e.b = append(e.b, '[')
	for i := range cs {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.cause(&cs[i])
	}
	e.b = append(e.b, ']')
}

func (e *lineWriter) cause(c *Cause) {
	e.b = append(e.b, '{')
	e.strIf("gate", c.Gate)
	e.strIf("room", c.Room)
	e.strIf("color", string(c.Color))
	e.strIf("seen", c.Seen)
	e.strIf("limit", c.Limit)
	e.numIf("age", int64(c.Age))
	e.strIf("text", c.Text)
	e.b = append(e.b, '}')
}

// isPlain tells which bytes stand for themselves in a JSON string.
var isPlain = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// quote writes a JSON string as encoding/json does without HTML escaping.
func (e *lineWriter) quote(s string) {
	e.b = append(slices.Grow(e.b, len(s)+strings.Count(s, `"`)+strings.Count(s, `\`)+2), '"')
	s = s[e.quotePlain(s):]
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if isPlain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			e.b = append(e.b, s[from:i]...)
			e.escape(c)
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			e.b = append(append(e.b, s[from:i]...), "\uFFFD"...)
			from = i + n
		case r == '\u2028' || r == '\u2029': // line ends to JavaScript
			e.b = append(append(e.b, s[from:i]...), `\u202`...)
			e.b = append(e.b, "0123456789abcdef"[r&0xF])
			from = i + n
		}
		i += n
	}
	e.b = append(append(e.b, s[from:]...), '"')
}

// quotePlain writes what of s needs no other escapes than of quotes and backslashes, byte by byte into room that quote has made: a
// plan's text is a string of its own JSON here. It returns how much of s that was.
func (e *lineWriter) quotePlain(s string) int {
	n := len(e.b)
	b := e.b[:cap(e.b)]
	for i := range len(s) {
		c := s[i]
		switch {
		case isPlain[c]:
			b[n] = c
			n++
		case c == '"' || c == '\\':
			b[n], b[n+1] = '\\', c
			n += 2
		default:
			e.b = b[:n]
			return i
		}
	}
	e.b = b[:n]
	return len(s)
}

func (e *lineWriter) escape(c byte) {
	const hexDigits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		e.b = append(e.b, '\\', c)
	case '\b':
		e.b = append(e.b, '\\', 'b')
	case '\f':
		e.b = append(e.b, '\\', 'f')
	case '\n':
		e.b = append(e.b, '\\', 'n')
	case '\r':
		e.b = append(e.b, '\\', 'r')
	case '\t':
		e.b = append(e.b, '\\', 't')
	default:
		e.b = append(e.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
	}
}
