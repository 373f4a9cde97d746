package cutover

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// byEncodingJSON is what AppendLine must write.
func byEncodingJSON(t testing.TB, r *Record) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fill gives every field of v a random value; empty ones now and then, so that omitempty is met.
func fill(rnd *rand.Rand, v reflect.Value) {
	if v.Type() == reflect.TypeFor[Seat]() {
		v.Set(reflect.ValueOf(Seat{"r" + someText(rnd), []string{"", "home", "电信"}[rnd.IntN(3)]}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(someText(rnd))
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64([]int{0, 1, -1, rnd.IntN(1 << 40)}[rnd.IntN(4)]))
	case reflect.Uint64:
		v.SetUint([]uint64{0, 1, rnd.Uint64()}[rnd.IntN(3)])
	case reflect.Pointer:
		if rnd.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rnd, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(rnd, v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rnd.IntN(4), 4))
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rnd.IntN(12) {
			k, x := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rnd, k)
			fill(rnd, x)
			v.SetMapIndex(k, x)
		}
	default:
		panic("a record has a field of " + v.Type().String() + ", which this test can't fill")
	}
}

func someText(rnd *rand.Rand) string {
	return []string{"", "a", "gateway/cloud", "<&>", "a\"b\\c\n\t\r\b\f\x01\x7f", "机房 → 云", "\u2028x\u2029", "10 %", "😀"}[rnd.IntN(9)]
}

// someRecord is a record of a kind with random content.
func someRecord(rnd *rand.Rand, i int) *Record {
	r := &Record{}
	v := reflect.ValueOf(r).Elem()
	for f := range v.NumField() {
		if v.Field(f).Kind() != reflect.Pointer {
			fill(rnd, v.Field(f))
		}
	}
	r.Kind = kinds()[i]
	f := v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, string(r.Kind)) })
	f.Set(reflect.New(f.Type().Elem()))
	fill(rnd, f.Elem())
	return r
}

var allKinds = kinds()

func TestLineIsWhatEncodingJSONWrites(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range allKinds {
		for range 300 {
			r := someRecord(rnd, i)
			line, err := AppendLine([]byte("kept"), r)
			if err != nil {
				t.Fatal(err)
			}
			if want := "kept" + byEncodingJSON(t, r); string(line) != want {
				t.Fatalf("%s:\n got %s\nwant %s", r.Kind, line, want)
			}
		}
	}
}

func TestLineComesBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range allKinds {
		for range 100 {
			r := someRecord(rnd, i)
			line, err := AppendLine(nil, r)
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseLine(line)
			if err != nil {
				t.Fatalf("%v\n%s", err, line)
			}
			again, err := AppendLine(nil, back)
			if err != nil || !bytes.Equal(again, line) {
				t.Fatalf("%v\n got %s\nwant %s", err, again, line)
			}
		}
	}
}

func TestLineListsAreLists(t *testing.T) {
	line, err := AppendLine(nil, &Record{Kind: KindDone, Done: &DoneMark{}})
	if err != nil || !strings.Contains(string(line), `"objects":[],"versions":[]`) {
		t.Errorf("a nil list became %s, %v", line, err)
	}
	if _, err := ParseLine(line); err != nil {
		t.Error(err)
	}
}

// A server's error text may hold anything; it must be possible to journal it.
func TestLineWithBytesThatAreNoText(t *testing.T) {
	r := &Record{Kind: KindFailed, Failed: &FailedMark{Objects: []string{"a"}, Error: "\xff\x00\xc3("}}
	line, err := AppendLine(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseLine(line)
	if err != nil || back.Failed.Error != "\uFFFD\x00\uFFFD(" {
		t.Errorf("came back as %q, %v", back.Failed.Error, err)
	}
}

func TestLineRefused(t *testing.T) {
	good := `{"seq":1,"wall":"","at":0,"kind":"claim","prev":"","claim":{"names":["gw"]}}`
	if _, err := ParseLine([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"empty":              "",
		"no JSON":            "{",
		"an unknown field":   strings.Replace(good, `"at":0`, `"at":0,"new":1`, 1),
		"a field twice":      strings.Replace(good, `"at":0`, `"at":0,"at":0`, 1),
		"another case":       strings.Replace(good, `"seq"`, `"Seq"`, 1),
		"another order":      strings.Replace(good, `"seq":1,"wall":""`, `"wall":"","seq":1`, 1),
		"white space":        strings.Replace(good, `"at":0`, `"at": 0`, 1),
		"something behind":   good + "{}",
		"a missing field":    strings.Replace(good, `"at":0,`, ``, 1),
		"no payload":         strings.Replace(good, `,"claim":{"names":["gw"]}`, ``, 1),
		"another's payload":  strings.Replace(good, `"kind":"claim"`, `"kind":"phase"`, 1),
		"an unknown kind":    strings.Replace(good, `"kind":"claim"`, `"kind":"clain"`, 1),
		"two payloads":       strings.Replace(good, `"claim":{`, `"broke":{"rule":"","who":"","reason":""},"claim":{`, 1),
		"null for a list":    strings.Replace(good, `["gw"]`, `null`, 1),
		"an escaped letter":  strings.Replace(good, `"gw"`, `"\u0067w"`, 1),
		"a number as string": strings.Replace(good, `"seq":1`, `"seq":"1"`, 1),
	} {
		if r, err := ParseLine([]byte(line)); err == nil {
			t.Errorf("%s: %s was taken as %+v", name, line, r)
		} else if name == "an unknown field" && !strings.Contains(err.Error(), `"new"`) {
			t.Errorf("%v doesn't name the field", err)
		}
	}
}

func TestAppendLineRefusesWhatItCouldNotRead(t *testing.T) {
	for name, r := range map[string]*Record{
		"no payload":         {Kind: KindSeen},
		"another's payload":  {Kind: KindSeen, Claim: &ClaimMark{}},
		"two payloads":       {Kind: KindSeen, Seen: &SeenMark{}, Claim: &ClaimMark{}},
		"no kind":            {Seen: &SeenMark{}},
		"a change, no seat":  {Kind: KindIntent, Intent: &Intent{Changes: []Change{{Object: "a"}}}},
		"a kind that is new": {Kind: "moon", Seen: &SeenMark{}},
	} {
		if line, err := AppendLine([]byte("x"), r); err == nil || string(line) != "x" {
			t.Errorf("%s: wrote %q, %v", name, line, err)
		}
	}
}

func TestLineHash(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got := LineHash(nil); got != empty {
		t.Errorf("hash of nothing: %s", got)
	}
	if LineHash([]byte("a\n")) != LineHash([]byte("a")) {
		t.Error("the newline counts")
	}
	if len(Genesis()) != 64 || strings.Trim(Genesis(), "0") != "" {
		t.Errorf("genesis: %s", Genesis())
	}
}

// The kinds, the payloads and Record's fields name the same things in the same order.
func TestKindsAreRecordsFields(t *testing.T) {
	var names []string
	rt := reflect.TypeFor[Record]()
	for f := range rt.Fields() {
		if f.Type.Kind() == reflect.Pointer {
			names = append(names, strings.TrimSuffix(f.Tag.Get("json"), ",omitempty"))
		}
	}
	var want []string
	for _, k := range kinds() {
		want = append(want, string(k))
	}
	if !slices.Equal(names, want) {
		t.Errorf("Record has %v, kinds() %v", names, want)
	}
	for i := range allKinds {
		r := someRecord(rand.New(rand.NewPCG(1, 1)), i)
		if p := r.payloads(); !p[i] {
			t.Errorf("payloads() doesn't see %s", r.Kind)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range allKinds {
		line, err := AppendLine(nil, someRecord(rnd, i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseLine(line)
		if err != nil {
			return
		}
		again, err := AppendLine(nil, r)
		if err != nil || !bytes.Equal(bytes.TrimSuffix(line, []byte{'\n'}), bytes.TrimSuffix(again, []byte{'\n'})) {
			t.Errorf("%q was taken and is written as %q, %v", line, again, err)
		}
	})
}

func BenchmarkAppendLine(b *testing.B) {
	r := rec(gateway(1, Forward, "home", 0, 3, 10, true))
	r.Prev, r.Wall = Genesis(), "2026-02-14T01:30:00.000Z"
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line, _ = AppendLine(line[:0], &r)
	}
	b.SetBytes(int64(len(line)))
}

// TestSealedPartsAreWrittenAsTheirText: the parts of a sealed plan's text bring how they stand in a line along; it is the same line.
func TestSealedPartsAreWrittenAsTheirText(t *testing.T) {
	plan := storyPlan()
	plan.Environment = strings.Repeat("双11 \"\\\n\u2028\xff", maxPart/8) // more than one part
	sealed, err := plan.Seal()
	if err != nil {
		t.Fatal(err)
	}
	parts, want := sealed.partsOf("0214-7a", "v1"), SplitPlan("0214-7a", sealed.hash, plan.Continues, "v1", sealed.text)
	if len(parts) != len(want) || len(parts) < 2 {
		t.Fatalf("%d parts, want %d, and more than one", len(parts), len(want))
	}
	for i := range parts {
		got, err1 := AppendLine(nil, &Record{Seq: 1, Kind: KindPlan, Plan: &parts[i]})
		line, err2 := AppendLine(nil, &Record{Seq: 1, Kind: KindPlan, Plan: &want[i]})
		if err1 != nil || err2 != nil || !bytes.Equal(got, line) {
			t.Errorf("part %d is written as %.200s…; want %.200s… (%v, %v)", i+1, got, line, err1, err2)
		}
	}
}
