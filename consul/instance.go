package consul

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The value at an instance's key is a JSON object that other people write too. Ours are two members of it: "weight", and the one that
// takes the instance out ("down" of nginx-upsync, "check_status" of APISIX). Every other byte is kept, and going back to a value from
// before gives back its bytes: a member that wasn't there is taken out again, quotes stay quotes.
//
// Canonical values are the weight, and the other member where it stands: "100", "100 down=0", "100 down=1". "default" stands for a
// weight that nobody wrote, "empty" for a value without a byte.

// MaxInstance is the largest value of an instance's key, in bytes: so many fit into one transaction that Consul takes every one.
const MaxInstance = 2048

// The words of canonical values for what isn't there.
const (
	noWeight = "default"
	noValue  = "empty"
)

// UpstreamConsumer is who reads the keys of an upstream.
type UpstreamConsumer string

// The consumers of upstream keys.
const (
	Upsync UpstreamConsumer = "upsync" // nginx-upsync-module, and what renders its format
	APISIX UpstreamConsumer = "apisix" // APISIX's consul_kv discovery
)

// dialect is how a consumer says that an instance is out: a member with one of two words. Weight 0 is 1 to upsync, so it is never
// written; whoever wrote it means what zero says.
type dialect struct {
	member, in, out string
	zero            int  // units of weight 0
	empty           bool // a value without a byte is an instance with the default weight
	backup          bool // "backup":1 serves only when nothing else does
}

var dialects = map[UpstreamConsumer]*dialect{
	Upsync: {member: "down", in: "0", out: "1", zero: 1, empty: true, backup: true},
	APISIX: {member: "check_status", in: "true", out: "false", zero: 0},
}

// state is a canonical value, taken apart. weight and word are texts as they stand in the JSON, "" where there is none.
type state struct {
	weight, word string
	empty        bool
}

var weightText = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// text is the canonical value.
func (d *dialect) text(s state) string {
	text := s.weight
	switch {
	case s.empty:
		return noValue
	case text == "":
		text = noWeight
	}
	if s.word != "" {
		text += " " + d.member + "=" + s.word
	}
	return text
}

// parse reads a canonical value.
func (d *dialect) parse(value string) (state, error) {
	var s state
	weight, word, more := strings.Cut(value, " ")
	switch {
	case value == noValue && d.empty:
		return state{empty: true}, nil
	case weight == noWeight:
	case weightText.MatchString(weight):
		s.weight = weight
	default:
		return s, fmt.Errorf("%s, want a weight like \"100\" or \"100 %s=%s\"", shown(value), d.member, d.out)
	}
	if more {
		if s.word = strings.TrimPrefix(word, d.member+"="); s.word != d.in && s.word != d.out || s.word == word {
			return s, fmt.Errorf("%s, want %s=%s or %s=%s after the weight", shown(value), d.member, d.in, d.member, d.out)
		}
	}
	return s, nil
}

// units is what the consumer makes of a value: 0 for an instance that is out.
func (d *dialect) units(s state) int {
	switch {
	case s.word != "" && s.word == d.out:
		return 0
	case s.weight == "":
		return 1
	}
	n, err := strconv.Atoi(s.weight)
	if err != nil || n == 0 {
		return d.zero
	}
	return n
}

// set is the value at which an instance weighs so many units, and as little else as can be is changed.
func (d *dialect) set(s state, units int) state {
	if d.units(s) == units {
		return s
	}
	if units == 0 {
		s.word, s.empty = d.out, false
		return s
	}
	if s.word == d.out {
		s.word = d.in
	}
	if d.units(s) != units {
		s.weight, s.empty = strconv.Itoa(units), false
	}
	return s
}

// member is where a member stands in a value: the member from its name on, its word without quotes, and the end of the member before.
type member struct {
	there             bool
	at, from, to, end int
	before, next      int // end of the member before it (or of "{"), start of the member after it (or 0)
}

// instance is a value that was read.
type instance struct {
	state
	backup           bool
	weightAt, wordAt member
	open, last       int // the offset after "{", and of the last member's end; equal when there is none
}

// read takes a value apart. Errors say what was seen, and never more of the value than that.
func (d *dialect) read(value []byte) (instance, error) {
	var in instance
	if len(value) > MaxInstance {
		return in, fmt.Errorf("a value of %d bytes, want at most %d", len(value), MaxInstance)
	}
	if len(value) == 0 {
		if !d.empty {
			return in, errors.New("an empty value, want a JSON object like {\"weight\":100}")
		}
		in.empty = true
		return in, nil
	}
	if !json.Valid(value) {
		return in, errors.New("no valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return in, fmt.Errorf("%s, want a JSON object like {\"weight\":100}", kind(token))
	}
	in.open = int(dec.InputOffset())
	in.last = in.open
	var last *member
	for dec.More() {
		at, name, raw, err := nextMember(dec, value)
		if err != nil {
			return in, err
		}
		end := int(dec.InputOffset())
		if last != nil {
			last.next, last = at, nil
		}
		m := member{there: true, at: at, from: end - len(raw), to: end, end: end, before: in.last}
		in.last = end
		if last, err = d.take(&in, name, string(raw), m); err != nil {
			return in, err
		}
	}
	return in, nil
}

// nextMember reads one member: where its name begins, the name, and the bytes of its value.
func nextMember(dec *json.Decoder, value []byte) (at int, name string, raw json.RawMessage, err error) {
	from := int(dec.InputOffset())
	token, err := dec.Token()
	if err != nil {
		return 0, "", nil, err
	}
	at = from + bytes.IndexByte(value[from:], '"')
	name, _ = token.(string)
	return at, name, raw, dec.Decode(&raw)
}

// take notes one of ours. A member in other letters, or twice, is refused: readers differ in what they make of it.
func (d *dialect) take(in *instance, name, raw string, m member) (*member, error) {
	if raw[0] == '"' {
		raw, m.from, m.to = raw[1:len(raw)-1], m.from+1, m.to-1
	}
	var mine *member
	switch {
	case strings.EqualFold(name, "weight"):
		mine = &in.weightAt
		if in.weight = raw; !weightText.MatchString(raw) {
			return nil, fmt.Errorf("%s at \"weight\", want a whole number", shown(raw))
		}
	case strings.EqualFold(name, d.member):
		mine = &in.wordAt
		if in.word = raw; raw != d.in && raw != d.out {
			return nil, fmt.Errorf("%s at %q, want %s or %s", shown(raw), d.member, d.in, d.out)
		}
	case name == "backup" && d.backup:
		in.backup = raw == "1"
		return nil, nil
	default:
		return nil, nil
	}
	if mine.there || !slices.Contains([]string{"weight", d.member}, name) {
		return nil, fmt.Errorf("the member %q twice, or in other letters", strings.ToLower(name))
	}
	*mine = m
	return mine, nil
}

// write is the value with another state in it. An error if it can't be said there: "empty" beside members of others.
func (d *dialect) write(value []byte, to state) ([]byte, error) {
	in, err := d.read(value)
	if err != nil {
		return nil, fmt.Errorf("holds %w", err)
	}
	if in.state == to {
		return value, nil
	}
	if in.empty {
		value = []byte("{}")
	}
	stale := in.empty
	for _, m := range []struct{ name, text, is string }{{"weight", to.weight, in.weight}, {d.member, to.word, in.word}} {
		if m.text == m.is {
			continue
		}
		if stale {
			if in, err = d.read(value); err != nil {
				return nil, fmt.Errorf("holds %w", err)
			}
		}
		stale = true
		mine := &in.weightAt
		if m.name == d.member {
			mine = &in.wordAt
		}
		value = in.with(value, mine, m.name, m.text)
	}
	if !to.empty {
		return value, nil
	}
	if string(value) != "{}" {
		return nil, errors.New("was empty before and holds members of others now: it can't be emptied")
	}
	return nil, nil
}

// with is the value with a member's word put in, changed or taken out ("").
func (in *instance) with(value []byte, m *member, name, text string) []byte {
	splice := func(from, to int, text string) []byte {
		return slices.Concat(value[:from], []byte(text), value[to:])
	}
	switch {
	case m.there && text != "":
		return splice(m.from, m.to, text)
	case m.there && m.before != in.open: // with the comma before it
		return splice(m.before, m.end, "")
	case m.there && m.next != 0:
		return splice(m.at, m.next, "")
	case m.there:
		return splice(m.at, m.end, "")
	case text == "":
		return value
	case in.last == in.open:
		return splice(in.open, in.open, fmt.Sprintf("%q:%s", name, text))
	}
	return splice(in.last, in.last, fmt.Sprintf(",%q:%s", name, text))
}
