package metrics

import (
	"regexp"
	"slices"
	"strings"
)

// matcher is one of a selector's conditions, as written.
type matcher struct {
	label string
	op    string // = != =~ !~
	value string // with its quotes
}

func (m matcher) String() string { return m.label + m.op + m.value }

// needs tells whether only series that have the label can fit: then one that no series has makes the query empty for ever.
func (m matcher) needs() bool {
	bare := strings.Trim(m.value, "\"'`")
	switch m.op {
	case "=":
		return bare != ""
	case "=~":
		re, err := regexp.Compile("^(?:" + bare + ")$")
		return err == nil && !re.MatchString("")
	}
	return false
}

// matchers are the conditions in a selector's braces; the metric's own name isn't among them.
func (s selector) matchers() []matcher {
	_, inside, ok := strings.Cut(s.text, "{")
	if !ok {
		return nil
	}
	tokens, err := lex(strings.TrimSuffix(inside, "}"))
	if err != nil {
		return nil // {} holds nothing
	}
	var all []matcher
	for i := 0; i < len(tokens); i++ {
		if tokens[i].kind != identifier {
			continue
		}
		m := matcher{label: tokens[i].text}
		for i++; i < len(tokens) && tokens[i].kind == operator; i++ {
			m.op += tokens[i].text
		}
		if i < len(tokens) && tokens[i].kind == quoted && m.label != "__name__" {
			m.value = tokens[i].text
			all = append(all, m)
		}
	}
	return all
}

// roomMatchers are those conditions of a selector that $room stands in: they differ from those of the same selector for another
// room.
func roomMatchers(s, other selector) []matcher {
	var all []matcher
	there := other.matchers()
	for _, m := range s.matchers() {
		if !slices.Contains(there, m) {
			all = append(all, m)
		}
	}
	return all
}

// only is a selector of the same metric with just these conditions.
func (s selector) only(ms []matcher) string {
	words := make([]string, 0, len(ms))
	for _, m := range ms {
		words = append(words, m.String())
	}
	if s.name == "" {
		for _, m := range s.matchers() {
			if !slices.Contains(ms, m) {
				words = append(words, m.String())
			}
		}
		return "{" + strings.Join(words, ",") + "}"
	}
	return s.name + "{" + strings.Join(words, ",") + "}"
}
