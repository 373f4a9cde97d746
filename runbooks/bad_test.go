package runbooks

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The files of testdata/bad carry what must be said on the faulty line: # want "REGEXP" "REGEXP" …, each matched against
// "message [rule] hint". What isn't wanted must not be said.

var (
	wantComment = regexp.MustCompile(`# want (".*)$`)
	wantPattern = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
)

func wants(t *testing.T, src []byte) map[int][]*regexp.Regexp {
	t.Helper()
	out := make(map[int][]*regexp.Regexp)
	for i, line := range strings.Split(string(src), "\n") {
		m := wantComment.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, p := range wantPattern.FindAllStringSubmatch(m[1], -1) {
			re, err := regexp.Compile(strings.ReplaceAll(p[1], `\"`, `"`))
			if err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			out[i+1] = append(out[i+1], re)
		}
	}
	if len(out) == 0 {
		t.Fatal("the file wants no problem")
	}
	return out
}

// compare says what was said and not wanted, and what was wanted and not said.
func compare(wanted map[int][]*regexp.Regexp, ps []Problem) []string {
	var wrong []string
	wanted = maps.Clone(wanted)
	for _, p := range ps {
		text := strings.TrimSpace(fmt.Sprintf("%s [%s] %s", p.Message, p.Rule, p.Hint))
		i := slices.IndexFunc(wanted[p.Line], func(re *regexp.Regexp) bool { return re.MatchString(text) })
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("not wanted: line %d: %s", p.Line, text))
			continue
		}
		wanted[p.Line] = slices.Delete(slices.Clone(wanted[p.Line]), i, i+1)
	}
	for _, line := range slices.Sorted(maps.Keys(wanted)) {
		for _, re := range wanted[line] {
			wrong = append(wrong, fmt.Sprintf("not said: line %d: %s", line, re))
		}
	}
	return wrong
}

// badFile loads one bad file as what its folder says it is.
func badFile(t testing.TB, file string, src []byte) []Problem {
	t.Helper()
	if filepath.Base(filepath.Dir(file)) == "rooms" {
		_, ps := LoadRooms(file, src)
		return ps
	}
	roomsFile := "testdata/examples/rooms.yaml"
	if first, _, _ := strings.Cut(string(src), "\n"); strings.HasPrefix(first, "# rooms: ") {
		roomsFile = strings.TrimPrefix(first, "# rooms: ")
	}
	_, ps := LoadRunbook(file, src, mustRooms(t, roomsFile))
	return ps
}

func badFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/bad/*/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d bad files, %v", len(files), err)
	}
	return files
}

func TestBadFiles(t *testing.T) {
	rules := make(map[string]bool)
	for _, file := range badFiles(t) {
		t.Run(strings.TrimPrefix(file, "testdata/bad/"), func(t *testing.T) {
			src := loadFile(t, file)
			ps := badFile(t, file, src)
			for _, p := range ps {
				rules[p.Rule] = true
				if p.File != file {
					t.Errorf("%s: the problem is in file %s", p.Error(), p.File)
				}
			}
			for _, w := range compare(wants(t, src), ps) {
				t.Error(w)
			}
		})
	}
	for _, rule := range allRules() {
		if !rules[rule] && rule != RuleNotYet {
			t.Errorf("no bad file breaks the rule %q", rule)
		}
	}
}

func allRules() []string {
	return []string{RuleYAML, RuleVersion, RuleUnknownKey, RuleDuplicateKey, RuleMissingKey, RuleType, RuleValue, RuleUnit,
		RuleUnquotedTime, RuleBareLimit, RuleName, RuleUnknownName, RuleSecret, RuleQuery, RuleKind, RuleRungs, RuleScale,
		RuleDirection, RuleErrorGate, RuleReplication, RuleAfter, RuleNotYet}
}

// The comparison itself must be able to fail: a test of the test.
func TestCompareFindsWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	wanted := map[int][]*regexp.Regexp{2: {regexp.MustCompile("this")}}
	said := []Problem{{Pos: Pos{"f", 2, 1}, Message: "that", Rule: RuleValue}}
	if got := compare(wanted, said); len(got) != 2 {
		t.Errorf("got %q, want one problem too much and one missing", got)
	}
	if got := compare(wanted, []Problem{{Pos: Pos{"f", 2, 1}, Message: "this", Rule: RuleValue}}); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}
