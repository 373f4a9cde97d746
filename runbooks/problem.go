package runbooks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing that is wrong in a file, at a place in it. Rule is one of the Rule constants; Hint, which may be "",
// says what to write instead.
type Problem struct {
	Pos
	Message, Rule, Hint string
}

// The rules that a file can break.
const (
	RuleYAML         = "yaml"                // not YAML, or YAML that we don't read: aliases, tags, two documents
	RuleVersion      = "version"             // a version of the language that this program doesn't read
	RuleUnknownKey   = "unknown-key"         // a key that isn't in the language
	RuleDuplicateKey = "duplicate-key"       // a key or a name that is written twice
	RuleMissingKey   = "missing-key"         // a key that must be there
	RuleType         = "type"                // a map, list, text or number where another was wanted
	RuleValue        = "value"               // a value that isn't in the language or makes no sense
	RuleUnit         = "unit"                // a percentage, duration, rate or number that is written wrong or can't be compared
	RuleUnquotedTime = "unquoted-time"       // a date or a time of day without quotes
	RuleBareLimit    = "bare-limit"          // a limit that doesn't say above or below
	RuleName         = "name"                // a name that can't be one
	RuleUnknownName  = "unknown-name"        // a name that rooms.yaml, or the runbook, doesn't know
	RuleSecret       = "secret"              // a secret in a file
	RuleQuery        = "query"               // a query that can't be asked of these rooms
	RuleKind         = "kind"                // a step of no kind or of two, or a key that its kind doesn't have
	RuleRungs        = "rungs"               // lists of different length in one shift
	RuleScale        = "scale"               // a share that the route's consumer can't express
	RuleDirection    = "direction"           // a shift against the runbook's direction
	RuleErrorGate    = "no-error-gate"       // a shift that no error gate watches
	RuleReplication  = "no-replication-gate" // a pair whose replication nobody watches
	RuleAfter        = "after"               // an order of steps that can't be
	RuleNotYet       = "not-yet"             // in the language, but not carried out by this version
)

// Error is "file:line:col: message [rule]".
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s [%s]", p.File, p.Line, p.Col, p.Message, p.Rule)
}

// Sort orders problems by file and place.
func Sort(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message))
	})
}

// Render is Error with the line, a caret under the column and the hint, each on its own line. What looks like a secret in the
// line isn't printed. src is the text of p.File.
func (p Problem) Render(src []byte) string {
	b := &strings.Builder{}
	b.WriteString(p.Error())
	b.WriteByte('\n')
	if line, ok := lineOf(src, p.Line); ok {
		shown, before := window(maskSecrets(line), line, p.Col-1)
		number := fmt.Sprintf("%5d", p.Line)
		fmt.Fprintf(b, "%s | %s\n%s | %s^\n", number, shown, strings.Repeat(" ", len(number)), blank(before))
	}
	if p.Hint != "" {
		fmt.Fprintf(b, "        %s\n", p.Hint)
	}
	return b.String()
}

// lineOf is line n of src, from 1, without its end.
func lineOf(src []byte, n int) (string, bool) {
	if n < 1 || !utf8.Valid(src) {
		return "", false
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	for i := 1; ; i++ {
		line, rest, more := strings.Cut(text, "\n")
		if i == n {
			return strings.TrimSuffix(line, "\r"), true
		}
		if !more {
			return "", false
		}
		text = rest
	}
}

// widest is how many characters of a line are shown; queries are longer.
const widest = 110

// window cuts masked to what fits on a screen around column at (from 0), and returns it with the text before the caret.
func window(masked, line string, at int) (shown, before string) {
	m, l := []rune(masked), []rune(line)
	at = min(at, len(l))
	from := 0
	if len(m) > widest && at > widest*2/3 {
		from = at - widest*2/3
	}
	lead := ""
	if from > 0 {
		lead = "… "
	}
	shown = lead
	if from < len(m) {
		rest := m[from:]
		if len(rest) > widest {
			rest = append(slices.Clone(rest[:widest]), []rune(" …")...)
		}
		shown += string(rest)
	}
	// Columns are counted before the masking, so the text before the caret is masked, too.
	return shown, lead + maskURL(string(l[from:at]))
}

// blank is as wide on a screen as s: tabs stay, Chinese characters count twice.
func blank(s string) string {
	b := &strings.Builder{}
	for _, c := range s {
		switch {
		case c == '\t':
			b.WriteByte('\t')
		case wide(c):
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func wide(c rune) bool {
	return c >= 0x1100 && c <= 0x115f || c >= 0x2e80 && c <= 0xa4cf || c >= 0xac00 && c <= 0xd7a3 ||
		c >= 0xf900 && c <= 0xfaff || c >= 0xfe30 && c <= 0xfe6f || c >= 0xff00 && c <= 0xff60 || c >= 0x1f300 && c <= 0x1faff
}

var (
	secretValue = regexp.MustCompile(`(?i)(\b[a-z_-]*(?:dsn|token|passwo?r?d|secret|access_?key|api_?key|private_?key|(?:ca|cert|key)file)[a-z_]*["']?\s*:)(.*)$`)
	harmless    = regexp.MustCompile(`(?i)^(?:dsnEnv|(?:token|ca|cert|key)File)["']?\s*:$`)
	urlUser     = regexp.MustCompile(`://[^/@\s"']*@`)
	urlQuery    = regexp.MustCompile(`(://[^\s"'?]*\?)[^\s"']+`)
)

// maskURL hides the user and the query of addresses.
func maskURL(s string) string {
	return urlQuery.ReplaceAllString(urlUser.ReplaceAllString(s, "://…@"), "${1}…")
}

// maskSecrets hides what stands behind a key that sounds like a secret, up to the end of the line, and parts of addresses.
// The keys that only say where a secret is kept are left alone as far as their values can be one of those.
func maskSecrets(line string) string {
	line = maskURL(line)
	rest, done := line, ""
	for {
		m := secretValue.FindStringSubmatchIndex(rest)
		if m == nil {
			return done + rest
		}
		key, value := rest[m[2]:m[3]], rest[m[4]:m[5]]
		if !harmless.MatchString(strings.TrimSpace(key)) || suspicious(key, value) {
			return done + rest[:m[3]] + " …"
		}
		done, rest = done+rest[:m[3]], value
	}
}

var firstWord = regexp.MustCompile(`^\s*["']?([^\s,}"'#]*)`)

// suspicious says whether the value behind dsnEnv or the name of a file may be the secret itself.
func suspicious(key, value string) bool {
	m := firstWord.FindStringSubmatch(value)
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(key)), "dsn") {
		return m == nil || !envName.MatchString(m[1])
	}
	return m != nil && looksLikeToken(m[1])
}

var (
	envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	uuid    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hexLong = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)
)

// looksLikeToken is true for what Consul and others give out as tokens and nobody names a file.
func looksLikeToken(s string) bool { return uuid.MatchString(s) || hexLong.MatchString(s) }

// quoted is a value for a message: short, on one line, and without the user or query of an address.
func quoted(s string) string {
	s = maskURL(s)
	if r := []rune(s); len(r) > 40 {
		s = string(r[:39]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
