package main

import (
	"bytes"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"roomshift/cutover"
)

// draw is the whole screen of a run: how it stands, the newest events, and what can be typed. What stands at its end is always
// there; where rows are few, events go first, then gates that are green, then what is lowest.
func draw(v *cutover.View, recent []string, message string, width, rows int) string {
	foot := append([]string{""}, lined(func(w io.Writer) {
		if message != "" {
			wrapped(w, 0, "", message)
		}
		wrapped(w, 0, "", "p pause   r resume   b back   f freeze   Ctrl-C asks")
	}, width, false)...)
	room := max(rows-len(foot), 3)
	body := lined(func(w io.Writer) { screen(w, v) }, width, false)
	if len(body)+3 > room {
		body = lined(func(w io.Writer) { screen(w, v) }, width, true)
	}
	if len(body) > room {
		body = append(body[:room-1], "… more in a taller terminal, or by roomshift status")
	}
	if n := room - len(body) - 1; n > 0 && len(recent) > 0 {
		body = append(body, "")
		for _, l := range recent[max(0, len(recent)-n):] {
			body = append(body, clip(l, width))
		}
	}
	return strings.Join(append(body, foot...), "\n")
}

// lined is what f writes, by lines.
func lined(f func(io.Writer), width int, short bool) []string {
	var b bytes.Buffer
	f(sheet{Writer: &b, width: width, short: short})
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// sizeOf is a terminal's columns, as far as a screen uses them, and rows.
func sizeOf(w io.Writer) (width, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return screenWidth, 50
	}
	width, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return screenWidth, 50
	}
	return max(leastWidth, min(width, screenWidth)), rows
}
