package consul

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// MaxValue is the largest value, in bytes, in which a number can be kept: what isn't the number travels in versions, and so
// through the journal.
const MaxValue = 4096

// spot is a number found in a value. before and after are somebody else's bytes; a fraction of zeros ("10.0") is in after,
// so that undoing gives back what was there to the byte.
type spot struct {
	before, number, after string
}

// with is the value with another number at the spot.
func (s spot) with(number string) []byte { return []byte(s.before + number + s.after) }

// wholeNumber is what can be at a spot: no sign, no leading zero, no exponent.
var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(\.0+)?$`)

const spaces = " \t\r\n"

// find finds the number in a value: all of it when field is "", else the member of a JSON object that the dotted path leads
// to. Errors say what was seen there, and never more of the value than that.
func find(value []byte, field string) (spot, error) {
	if len(value) > MaxValue {
		return spot{}, fmt.Errorf("a value of %d bytes, want at most %d: keep the number at a key of its own", len(value), MaxValue)
	}
	if field != "" {
		return findField(value, field)
	}
	text := string(value)
	left := len(text) - len(strings.TrimLeft(text, spaces))
	body := strings.Trim(text, spaces)
	if body == "" {
		return spot{}, errors.New("an empty value, want a whole number")
	}
	return numberAt(text, left, left+len(body))
}

// numberAt takes value[from:to] for the number.
func numberAt(value string, from, to int) (spot, error) {
	m := wholeNumber.FindStringSubmatch(value[from:to])
	if m == nil {
		return spot{}, fmt.Errorf("%s, want a whole number", shown(value[from:to]))
	}
	end := from + len(m[1])
	return spot{before: value[:from], number: m[1], after: value[end:]}, nil
}

func findField(value []byte, field string) (spot, error) {
	if !json.Valid(value) {
		return spot{}, errors.New("no valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	w := &walk{dec: dec}
	if err := w.value(strings.Split(field, "."), nil); err != nil {
		return spot{}, err
	}
	if w.to == 0 {
		return spot{}, fmt.Errorf("no member %q", field)
	}
	return numberAt(string(value), w.from, w.to)
}

// walk goes through a JSON value and notes where the number of a path is.
type walk struct {
	dec      *json.Decoder
	from, to int
}

// value reads one value. path is what leads to the number inside it, nil: skip it. behind is the path so far, for messages.
func (w *walk) value(path, behind []string) error {
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	d, compound := token.(json.Delim)
	name := fmt.Sprintf("%q", strings.Join(behind, "."))
	switch {
	case path == nil && compound:
		return w.members(nil, nil, d)
	case path == nil:
		return nil
	case len(path) > 0 && d == '{':
		return w.members(path, behind, d)
	case len(path) > 0 && len(behind) == 0:
		return fmt.Errorf("%s, want an object with the member %q", kind(token), strings.Join(path, "."))
	case len(path) > 0:
		return fmt.Errorf("%s at %s, want an object", kind(token), name)
	}
	number, ok := token.(json.Number)
	if !ok {
		return fmt.Errorf("%s at %s, want a number", kind(token), name)
	}
	w.to = int(w.dec.InputOffset())
	w.from = w.to - len(number)
	return nil
}

// members reads what is inside an object or array up to its end. A member that stands there twice is refused: readers differ
// in which one they take.
func (w *walk) members(path, behind []string, open json.Delim) error {
	seen := false
	for w.dec.More() {
		var next []string
		if open == '{' {
			key, err := w.dec.Token()
			if err != nil {
				return err
			}
			if len(path) > 0 && key == path[0] {
				if seen {
					return fmt.Errorf("the member %q twice", strings.Join(append(behind[:len(behind):len(behind)], path[0]), "."))
				}
				seen = true
				next = path[1:]
			}
		}
		var here []string
		if next != nil {
			here = append(behind[:len(behind):len(behind)], path[0])
		}
		if err := w.value(next, here); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // the end
	return err
}

// kind describes a token without telling long texts.
func kind(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "an array"
	case string:
		return "the text " + shown(v)
	case json.Number:
		return "the number " + shown(v.String())
	case bool:
		return strconv.FormatBool(v)
	default:
		return "null"
	}
}

// shown quotes what was seen, cut to 40 bytes: a wrong key may hold anything.
func shown(s string) string {
	if len(s) > 40 {
		return strconv.QuoteToASCII(s[:40]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// version is what a compare-and-set compares with, and all that a write must know of a value beside its number: so one
// request is enough, and a takeover finds it in the journal. As text: INDEX, or INDEX:FLAGS:BEFORE:AFTER in base64 where there
// is anything beside the number.
type version struct {
	index uint64
	flags uint64
	spot  spot
}

func versionOf(pair *api.KVPair, s spot) version {
	return version{index: pair.ModifyIndex, flags: pair.Flags, spot: s}
}

func (v version) String() string {
	index := strconv.FormatUint(v.index, 10)
	if v.flags == 0 && v.spot.before == "" && v.spot.after == "" {
		return index
	}
	enc := base64.RawURLEncoding
	return strings.Join([]string{index, strconv.FormatUint(v.flags, 10), enc.EncodeToString([]byte(v.spot.before)),
		enc.EncodeToString([]byte(v.spot.after))}, ":")
}

func parseVersion(s string) (version, error) {
	var v version
	parts := strings.Split(s, ":")
	bad := fmt.Errorf("%s is no version of a key", shown(s))
	if len(parts) != 1 && len(parts) != 4 {
		return v, bad
	}
	var err error
	if v.index, err = strconv.ParseUint(parts[0], 10, 64); err != nil || v.index == 0 {
		return v, bad // a compare-and-set with 0 would make the key anew
	}
	if len(parts) == 1 {
		return v, nil
	}
	if v.flags, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return v, bad
	}
	enc := base64.RawURLEncoding.Strict()
	before, err := enc.DecodeString(parts[2])
	if err != nil {
		return v, bad
	}
	after, err := enc.DecodeString(parts[3])
	if err != nil {
		return v, bad
	}
	v.spot.before, v.spot.after = string(before), string(after)
	return v, nil
}
