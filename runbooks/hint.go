package runbooks

import "fmt"

// meant is "; did you mean …?" for the nearest of among, or "" when none is near.
func meant(s string, among []string) string {
	if n := Nearest(s, among); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// didYouMean is meant as a hint of its own.
func didYouMean(s string, among []string) string {
	if n := Nearest(s, among); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

// Nearest is the first of among that takes the fewest edits to become s, at most a third of its length; "" if none does.
func Nearest(s string, among []string) string {
	a := []rune(s)
	if len(a) > 60 {
		return ""
	}
	best, found := max(1, len(a)/3)+1, ""
	for _, candidate := range among {
		if d := edits(a, []rune(candidate)); d < best {
			best, found = d, candidate
		}
	}
	return found
}

// edits is how many letters must be put in, left out, replaced, or swapped with their neighbour, to make b of a. Case counts
// as nothing: HOME is home.
func edits(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if lower(a[i]) == lower(b[j]) {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func lower(c rune) rune {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
