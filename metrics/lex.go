package metrics

import (
	"errors"
	"fmt"
	"strings"
)

type tokenKind int

// Matchers and ranges are one token each: what stands in them matters only as text.
const (
	end        tokenKind = iota
	identifier           // of a metric, function, keyword or label
	number               // also a duration
	quoted
	braces   // {…}
	brackets // […]
	open
	closed
	operator // also comma, @ and $window
)

type token struct {
	kind tokenKind
	text string
}

// lex splits PromQL into tokens, without comments and white space.
func lex(s string) ([]token, error) {
	var tokens []token
	depth := 0
	for i := 0; i < len(s); {
		if n := blank(s[i:]); n > 0 {
			i += n
			continue
		}
		t, err := lexOne(s[i:])
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case open:
			depth++
		case closed:
			depth--
		}
		if depth < 0 {
			return nil, errors.New("a ) too many")
		}
		tokens = append(tokens, t)
		i += len(t.text)
	}
	if depth > 0 {
		return nil, errors.New("a ) is missing")
	}
	if len(tokens) == 0 {
		return nil, errors.New("it is empty")
	}
	return tokens, nil
}

// blank is how many bytes of white space or comment s begins with.
func blank(s string) int {
	if strings.ContainsRune(" \t\r\n", rune(s[0])) {
		return 1
	}
	if s[0] != '#' {
		return 0
	}
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

func lexOne(s string) (token, error) {
	c := s[0]
	switch {
	case c == '(':
		return token{open, "("}, nil
	case c == ')':
		return token{closed, ")"}, nil
	case c == '{':
		return block(s, braces, '}')
	case c == '[':
		return block(s, brackets, ']')
	case strings.IndexByte("\"'`", c) >= 0:
		n, err := stringLength(s)
		return token{quoted, s[:n]}, err
	case startsNumber(s):
		return token{number, s[:run(s, func(c byte) bool { return isDigit(c) || isLetter(c) || c == '.' })]}, nil
	case isLetter(c), c == ':':
		return token{identifier, s[:run(s, func(c byte) bool { return isLetter(c) || isDigit(c) || c == ':' })]}, nil
	case strings.HasPrefix(s, "$window"):
		return token{operator, "$window"}, nil
	case strings.IndexByte("+-*/%^=!<>~,@", c) >= 0:
		return token{operator, s[:1]}, nil
	}
	return token{}, fmt.Errorf("%q has no meaning: $room, $route and $window are replaced, nothing else", s[:min(len(s), 10)])
}

func startsNumber(s string) bool { return isDigit(s[0]) || s[0] == '.' && len(s) > 1 && isDigit(s[1]) }

// block is s up to the end byte, which may stand in strings before.
func block(s string, kind tokenKind, last byte) (token, error) {
	for i := 1; i < len(s); {
		switch c := s[i]; c {
		case last:
			return token{kind, s[:i+1]}, nil
		case '"', '\'', '`':
			n, err := stringLength(s[i:])
			if err != nil {
				return token{}, err
			}
			i += n
		default:
			i++
		}
	}
	return token{}, fmt.Errorf("a %c is missing", last)
}

// stringLength is the length of the quoted string that s begins with.
func stringLength(s string) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote != '`':
			i++
		}
	}
	return 0, fmt.Errorf("a %c is missing", quote)
}

func run(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
