package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// How shares, spans, values and lists are written, on every screen alike.

// screenWidth is how many columns a screen has, if the terminal has as many; leastWidth, what a narrower one is taken to have.
const (
	screenWidth = 110
	leastWidth  = 60
)

// sheet is where a page is written, with how wide it is; a writer that is none has screenWidth.
type sheet struct {
	io.Writer
	width int
	short bool // there are too few rows: what is well is told shortly
}

// sheetOf is a page for whoever reads w: as wide as the terminal, if it is one.
func sheetOf(w io.Writer) sheet {
	f, ok := w.(*os.File)
	if !ok {
		return sheet{Writer: w, width: screenWidth}
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return sheet{Writer: w, width: screenWidth}
	}
	return sheet{Writer: w, width: max(leastWidth, min(n, screenWidth))}
}

func widthOf(w io.Writer) int {
	if s, ok := w.(sheet); ok {
		return s.width
	}
	return screenWidth
}

func share(bp int) string {
	if bp < 0 {
		return "–"
	}
	return runbooks.FormatPercent(runbooks.Percent(bp))
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func first(i int, word string) string {
	if i == 0 {
		return word
	}
	return ""
}

// counted is "1 step", "5 steps".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// wrapped prints a word and its text, which goes on below itself where a line is full.
func wrapped(w io.Writer, indent int, word, text string) {
	flowed(w, indent, fmt.Sprintf("%-*s", indent, word), text)
}

// flowed prints a text that begins after line and goes on below, indented.
func flowed(w io.Writer, indent int, line, text string) {
	used := utf8.RuneCountInString(line)
	fresh, width := true, widthOf(w)
	for _, part := range unbroken(text) {
		n := utf8.RuneCountInString(part)
		if !fresh && used+1+n > width {
			fmt.Fprintln(w, line)
			line, used, fresh = strings.Repeat(" ", indent), indent, true
		}
		if !fresh {
			line, used = line+" ", used+1
		}
		line, used, fresh = line+part, used+n, false
	}
	fmt.Fprintln(w, line)
}

// say prints talk: on a terminal between words, on a pipe in lines of its own length.
func say(w io.Writer, text string) {
	if f, ok := w.(*os.File); !ok || !isTerminal(f) {
		fmt.Fprintln(w, text)
		return
	}
	for _, line := range strings.Split(text, "\n") {
		flowed(sheetOf(w), 2, "", line)
	}
}

// unbroken is a text's words; a figure and its unit are one.
func unbroken(text string) []string {
	var out []string
	for _, part := range strings.Split(text, " ") {
		if n := len(out); n > 0 && slices.Contains(units, strings.TrimRight(part, ",;:.")) {
			out[n-1] += " " + part
		} else {
			out = append(out, part)
		}
	}
	return out
}

var units = []string{"%", "ms", "s", "k", "M", "G"}

// short is a span to the second: 8s, 3m, 2m30s; what is less than one is told as such.
func short(t cutover.T) string {
	if t > 0 && t < cutover.Second {
		return "< 1s"
	}
	s := t.Duration().Round(time.Second).String()
	s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
	return strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
}

// ageOf is how old data is: to the tenth of a second while that says something.
func ageOf(t cutover.T) string {
	switch {
	case t < cutover.Second:
		return t.Duration().Round(time.Millisecond).String()
	case t < 10*cutover.Second:
		return t.Duration().Round(time.Second / 10).String()
	}
	return short(t)
}

// minutes is 6:12.
func minutes(t cutover.T) string {
	d := t.Duration().Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// valueOf is a gate's value or limit in its unit.
func valueOf(v float64, unit string) string {
	switch runbooks.Unit(unit) {
	case runbooks.UnitRatio:
		return trimmed(v*100, 2) + " %"
	case runbooks.UnitDuration:
		if v < 1 {
			return trimmed(v*1000, 1) + " ms"
		}
		return trimmed(v, 1) + " s"
	case runbooks.UnitRate:
		return fmt.Sprintf("%.4g/s", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// trimmed is a number with at most so many decimals, and no zeros at their end.
func trimmed(v float64, decimals int) string {
	s := fmt.Sprintf("%.*f", decimals, v)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// together names seats shortly: a group whose seats are all there by its name, then routes, then single seats.
func together(p *cutover.Plan, seats []cutover.Seat) string {
	left := map[cutover.Seat]bool{}
	for _, s := range seats {
		left[s] = true
	}
	var names []string
	take := func(name string, of []cutover.Seat) {
		if len(of) == 0 || slices.ContainsFunc(of, func(s cutover.Seat) bool { return !left[s] }) {
			return
		}
		for _, s := range of {
			delete(left, s)
		}
		names = append(names, name)
	}
	of := map[string][]cutover.Seat{}
	for _, r := range p.Routes {
		of[r.Name] = r.Seats
	}
	groups := sortedNames(p.Groups)
	sort.SliceStable(groups, func(a, b int) bool { return len(p.Groups[groups[a]]) > len(p.Groups[groups[b]]) })
	for _, g := range groups {
		var all []cutover.Seat
		for _, route := range p.Groups[g] {
			all = append(all, of[route]...)
		}
		take(g, all)
	}
	for _, r := range p.Routes {
		if len(r.Seats) > 1 {
			take(r.Name, r.Seats)
		}
	}
	var single []string
	for s := range left {
		single = append(single, s.String())
	}
	sort.Strings(single)
	return strings.Join(append(names, single...), " ")
}

func isShort(w io.Writer) bool {
	s, ok := w.(sheet)
	return ok && s.short
}

// columns puts rows of cells side by side, each column as wide as its widest cell; align has l or r for each.
func columns(rows [][]string, align string) []string {
	wide := make([]int, len(align))
	for _, cells := range rows {
		for i, c := range cells {
			wide[i] = max(wide[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, len(rows))
	for k, cells := range rows {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c))
			if align[i] == 'r' {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		lines[k] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// padded is a text in exactly n columns.
func padded(s string, n int) string { return fmt.Sprintf("%-*s", n, clip(s, n)) }
