package consul

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestFind(t *testing.T) {
	for _, c := range []struct{ value, field, before, number, after string }{
		{"10", "", "", "10", ""},
		{"0", "", "", "0", ""},
		{" 10\r\n", "", " ", "10", "\r\n"},
		{"10.00\n", "", "", "10", ".00\n"},
		{`{"a":10}`, "a", `{"a":`, "10", `}`},
		{`{"a":10.0}`, "a", `{"a":`, "10", `.0}`},
		{"{\"b\": {\"a\":1},\n\"a\" :\t3 , \"c\":[{\"a\":4}]}\n", "a", "{\"b\": {\"a\":1},\n\"a\" :\t", "3", " , \"c\":[{\"a\":4}]}\n"},
		{`{"split":{"home":90,"cloud":10}}`, "split.cloud", `{"split":{"home":90,"cloud":`, "10", `}}`},
		{`{"x":[1,[2,{"a":3}]],"sp\u006cit":{"a":7}}`, "split.a", `{"x":[1,[2,{"a":3}]],"sp\u006cit":{"a":`, "7", `}}`},
		{`{"ü":{"a":"é"},"a":5}`, "a", `{"ü":{"a":"é"},"a":`, "5", `}`},
	} {
		s, err := find([]byte(c.value), c.field)
		if err != nil || s != (spot{c.before, c.number, c.after}) {
			t.Errorf("find %q at %q is %q: %v", c.value, c.field, s, err)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	for _, c := range []struct{ value, field, says string }{
		{"", "", "an empty value"},
		{" \n", "", "an empty value"},
		{"ten", "", `"ten", want a whole number`},
		{"-1", "", `"-1"`}, {"+1", "", `"+1"`}, {"010", "", `"010"`}, {"1e1", "", `"1e1"`}, {"10.5", "", `"10.5"`}, {"10.", "", `"10."`},
		{"1 0", "", `"1 0"`}, {"NaN", "", `"NaN"`}, {"10%", "", `"10%"`}, {`"10"`, "", `"\"10\""`}, {"９", "", `"\uff19"`},
		{"9999999999", "", "want a whole number"}, {"null", "", `"null"`},
		{strings.Repeat("secret", 20), "", "…"},
		{"10", "a", `the number "10", want an object with the member "a"`},
		{`{"a":10`, "a", "no valid JSON"}, {`{"a":10} x`, "a", "no valid JSON"}, {"", "a", "no valid JSON"},
		{`{"b":10}`, "a", `no member "a"`}, {`{"A":10}`, "a", `no member "a"`}, {`{"a":{"c":1}}`, "a.b", `no member "a.b"`},
		{`{"a":"0"}`, "a", `the text "0" at "a", want a number`},
		{`{"a":null}`, "a", `null at "a"`}, {`{"a":true}`, "a", `true at "a"`}, {`{"a":[1]}`, "a", `an array at "a"`},
		{`{"a":{}}`, "a", `an object at "a", want a number`}, {`{"a":1}`, "a.b", `the number "1" at "a", want an object`},
		{`[{"a":1}]`, "a", "an array, want an object"}, {`{"a":[{"b":1}]}`, "a.b", `an array at "a"`},
		{`{"a":-0}`, "a", `"-0"`}, {`{"a":1e1}`, "a", `"1e1"`}, {`{"a":0.5}`, "a", `"0.5"`},
		{`{"a":1,"a":2}`, "a", `the member "a" twice`}, {`{"s":{"a":1},"s":{"a":1}}`, "s.a", `the member "s" twice`},
		{`{"s":{"a":1,"b":2,"a":3}}`, "s.a", `the member "s.a" twice`},
		{`{"a":1,"b":"` + strings.Repeat("x", MaxValue) + `"}`, "a", "a value of 4110 bytes"},
	} {
		s, err := find([]byte(c.value), c.field)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("find %.60q at %q is %q: %v, want an error with %q", c.value, c.field, s, err, c.says)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestVersion(t *testing.T) {
	for _, v := range []version{{index: 7}, {index: 1<<64 - 1, flags: 1<<64 - 1}, {index: 7, spot: spot{before: "{\"a\":", after: "}\n"}},
		{index: 7, spot: spot{after: "\n"}}, {index: 7, flags: 3, spot: spot{before: "\x00\xff"}}} {
		got, err := parseVersion(v.String())
		if err != nil || got != v {
			t.Errorf("%+v as text is %q, which reads as %+v: %v", v, v.String(), got, err)
		}
	}
	for _, s := range []string{"", "0", "x", "-1", "7:", "7:0:", "7:0::x:y", "7:x::", "7:0:!:", "7:0::!", "0:0::", "7:0:YQ=:", "7 "} {
		if v, err := parseVersion(s); err == nil {
			t.Errorf("version %q reads as %+v, want an error", s, v)
		}
	}
}

// FuzzKeyValue: whatever is at a key, finding the number doesn't panic, and writing another keeps every other byte.
func FuzzKeyValue(f *testing.F) {
	for _, v := range []string{"10", " 10.0\n", `{"a":{"b":10.00,"c":[1,{"b":2}]},"d":"\u0000"}`, `{"a":{"b":1,"b":2}}`, `"0"`, `[1]`, "{", "\xff",
		`{"a":{"b":"0"}}`, `{"a":{"b":-0}}`} {
		for _, field := range []string{"", "a.b", "a", "."} {
			f.Add([]byte(v), field, uint16(33), uint64(0))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, field string, n uint16, flags uint64) {
		s, err := find(value, field)
		if err != nil {
			return
		}
		if string(s.with(s.number)) != string(value) {
			t.Fatalf("%q with its own number is %q", value, s.with(s.number))
		}
		number := json.Number(s.number).String()
		for _, other := range []string{"0", "100", "9999", number} {
			written := s.with(other)
			if field != "" && !json.Valid(written) {
				t.Fatalf("%q with %s is %q: no valid JSON", value, other, written)
			}
			if len(written) > MaxValue {
				continue
			}
			again, err := find(written, field)
			if err != nil || again.number != other || again.before != s.before || again.after != s.after {
				t.Fatalf("%q with %s is %q, read as %q: %v", value, other, written, again, err)
			}
		}
		v := versionOf(&api.KVPair{ModifyIndex: uint64(n) + 1, Flags: flags}, spot{before: s.before, after: s.after})
		if back, err := parseVersion(v.String()); err != nil || back != v {
			t.Fatalf("version %+v reads as %+v: %v", v, back, err)
		}
	})
}
