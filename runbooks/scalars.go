package runbooks

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// text is a non-empty text of one line; wanted completes "want …".
func (r *reader) text(n *yaml.Node, what, wanted string) (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.addf(n, RuleType, "", "%s is %s: want %s", what, kindOf(n), wanted)
		return "", false
	}
	if strings.TrimSpace(n.Value) == "" {
		r.addf(n, RuleValue, "", "%s is empty: want %s", what, wanted)
		return "", false
	}
	if strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f }) {
		r.addf(n, RuleValue, "", "%s holds a control character", what)
		return "", false
	}
	return n.Value, true
}

// str is a text that must not look like a number or truth to YAML: other readers of the file would take it for one.
func (r *reader) str(n *yaml.Node, what string) string {
	s, ok := r.text(n, what, "a text")
	if !ok {
		return ""
	}
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool":
		r.addf(n, RuleType, fmt.Sprintf("quote it: %q", n.Value), "%s is %s: want a text", what, kindOf(n))
		return ""
	}
	return s
}

func (f *fields) str(key string) string { return f.reader.str(f.get(key), key) }

// one is a text that is one of a few.
func (f *fields) one(key string, of ...string) string {
	n := f.get(key)
	s, ok := f.text(n, key, list(of))
	if !ok || contains(of, s) {
		return s
	}
	f.addf(n, RuleValue, didYouMean(s, of), "%s is %s: want %s", key, quoted(s), list(of))
	return ""
}

// list is "a, b or c".
func list(of []string) string {
	if len(of) == 1 {
		return of[0]
	}
	return strings.Join(of[:len(of)-1], ", ") + " or " + of[len(of)-1]
}

// wholeNumber is an integer of at least low and at most high.
func (f *fields) wholeNumber(key string, low, high int) int {
	n := f.get(key)
	if n == nil {
		return 0
	}
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil {
		f.addf(n, RuleType, "", "%s is %s: want a whole number", key, kindOf(n))
		return 0
	}
	if i < low || i > high {
		f.addf(n, RuleValue, "", "%s is %d: want %d to %d", key, i, low, high)
		return 0
	}
	return i
}

func (f *fields) truth(key string) bool {
	n := f.get(key)
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		f.addf(n, RuleType, "", "%s is %s: want true or false", key, kindOf(n))
		return false
	}
	return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
}

// duration is at least low; hint is for numbers without a unit.
func (f *fields) duration(key string, low time.Duration) time.Duration {
	return f.reader.duration(f.get(key), key, low)
}

func (r *reader) duration(n *yaml.Node, what string, low time.Duration) time.Duration {
	s, ok := r.text(n, what, "a duration")
	if !ok {
		return 0
	}
	d, err := ParseDuration(s)
	if err != nil {
		hint := ""
		if digits(s) {
			hint = fmt.Sprintf("say the unit: %ss or %sm", s, s)
		}
		r.addf(n, RuleUnit, hint, "%s: %v", what, err)
		return 0
	}
	if d < low {
		r.addf(n, RuleValue, "", "%s is %s: want at least %s", what, s, low)
		return 0
	}
	return d
}

// percent is a share of at least low.
func (r *reader) percent(n *yaml.Node, what string, low Percent) (Percent, bool) {
	s, ok := r.text(n, what, "a percentage")
	if !ok {
		return 0, false
	}
	p, err := ParsePercent(s)
	if err != nil {
		hint := ""
		if digits(s) {
			hint = fmt.Sprintf("say the unit: %s%%", s)
		}
		r.addf(n, RuleUnit, hint, "%s: %v", what, err)
		return 0, false
	}
	if p < low {
		r.addf(n, RuleValue, "", "%s is %s: want more than that", what, s)
		return 0, false
	}
	return p, true
}

// rate is events in a second, more than none.
func (r *reader) rate(n *yaml.Node, what string) Rate {
	s, ok := r.text(n, what, "a rate")
	if !ok {
		return 0
	}
	v, err := ParseRate(s)
	switch {
	case err != nil:
		hint := ""
		if digits(s) {
			hint = fmt.Sprintf("say the unit: %s/s", s)
		}
		r.addf(n, RuleUnit, hint, "%s: %v", what, err)
	case v == 0:
		r.addf(n, RuleValue, "", "%s is %s: want more than that", what, s)
	}
	return v
}

// clock is a quoted text for a date or a time of day; parse says whether it is one.
func (r *reader) clock(n *yaml.Node, what, example string, parse func(string) error) string {
	s, ok := r.text(n, what, "such as "+strconv.Quote(example))
	if !ok {
		return ""
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		// Readers of YAML 1.1 take 02:00 for 120 and a date for a moment in UTC.
		r.addf(n, RuleUnquotedTime, fmt.Sprintf("quote it: %q", s), "%s: %s without quotes isn't a time to every reader of YAML", what, quoted(s))
		return ""
	}
	if err := parse(s); err != nil {
		r.addf(n, RuleUnit, "", "%s: %v", what, err)
		return ""
	}
	return s
}

func parseLayout(layout, wanted string) func(string) error {
	return func(s string) error {
		if _, err := time.Parse(layout, s); err != nil {
			return fmt.Errorf("%s is no %s", quoted(s), wanted)
		}
		return nil
	}
}

func (r *reader) date(n *yaml.Node, what string) string {
	return r.clock(n, what, "2027-02-04", parseLayout(time.DateOnly, `date such as "2027-02-04"`))
}

func (r *reader) timeOfDay(n *yaml.Node, what string) string {
	return r.clock(n, what, "02:00", func(s string) error { _, err := parseTimeOfDay(s); return err })
}

// items is the values of a list, at least one; an absent list has none.
func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" && len(n.Value) < 60 {
			hint = fmt.Sprintf("write [%s]", strings.TrimSpace(n.Value))
		}
		r.addf(n, RuleType, hint, "%s is %s: want a list", what, kindOf(n))
		return nil
	}
	if len(n.Content) == 0 {
		r.addf(n, RuleValue, "", "%s is an empty list", what)
	}
	return n.Content
}

func (f *fields) items(key string) []*yaml.Node { return f.reader.items(f.get(key), key) }

// address is a http or https URL without a user or a query, both of which would be secrets in a file.
func (r *reader) address(n *yaml.Node, what string) string {
	s := r.str(n, what)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "":
		hint := "write http://HOST:PORT or https://HOST:PORT"
		if strings.Contains(s, "$") {
			hint += "; the environment is not expanded in files"
		}
		r.addf(n, RuleValue, hint, "%s is %s: want a URL", what, quoted(strings.SplitN(s, "?", 2)[0]))
		return ""
	case u.User != nil:
		r.addf(n, RuleSecret, "use tokenFile, which says where the secret is kept", "%s holds a user: no secret stands in a file", what)
		return ""
	case u.RawQuery != "" || u.Fragment != "":
		r.addf(n, RuleValue, "leave out what begins with ? or #", "%s holds more than an address", what)
		return ""
	}
	return strings.TrimSuffix(s, "/")
}

// roomAddress is a range of DNS values, or where a room is probed.
func (r *reader) roomAddress(n *yaml.Node) (Address, bool) {
	a := Address{Pos: r.pos(n)}
	s := r.str(n, "an address")
	if s == "" {
		return a, false
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p != p.Masked() {
			r.addf(n, RuleValue, "write "+p.Masked().String(), "%s has bits outside its own mask", quoted(s))
		}
		a.CIDR = s
		return a, true
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		r.addf(n, RuleValue, fmt.Sprintf("write %s/%d", ip, ip.BitLen()), "%s is one address: want a range", quoted(s))
		return a, false
	}
	if !strings.Contains(s, "://") {
		r.addf(n, RuleValue, "", "%s is neither a range such as 203.0.113.0/26 nor a URL such as http://127.0.0.1:8081", quoted(s))
		return a, false
	}
	a.URL = r.address(n, "an address")
	return a, a.URL != ""
}
