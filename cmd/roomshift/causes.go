package main

import (
	"fmt"
	"strings"

	"roomshift/cutover"
)

// What led to a verdict is told in this form: who value limit, how old its data is: what that means. Causes that say the same are
// told once, with all their names before it.

// worst is a hold in one line: the first thing that causes say, and how much else does; the journal and status have all of it.
func worst(cs []cutover.Cause) string {
	cs = newest(cs)
	if len(cs) == 0 {
		return ""
	}
	first := cs[:1]
	if same := sameReading(cs); cs[0].Seen != "" {
		first = same[0]
	}
	text := causes(first)
	if n := len(cs) - len(first); n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}

// causes is all of them in one line, in the engine's order.
func causes(cs []cutover.Cause) string {
	return strings.Join(causeLines(cs), "; ")
}

func because(cs []cutover.Cause) string {
	if len(cs) == 0 {
		return ""
	}
	return ": " + causes(cs)
}

// answersTo is the commands that answer what holds a run, each with what it means.
func answersTo(phase cutover.Phase, target string, cs []cutover.Cause, run string) []string {
	if phase == cutover.PhaseBack {
		return []string{"roomshift status " + run + "   says what it waits for; it goes on by itself", "roomshift freeze " + run + "   stops it where it is"}
	}
	out := []string{"roomshift resume " + run + "   when it is green again; it is not done for you", "roomshift back " + run + "   to " + orStart(target)}
	told := map[string]bool{}
	for _, c := range newest(cs) {
		if c.Seen == "" || told[c.Gate] || c.Color != cutover.Red && c.Color != cutover.Dark {
			continue // a person, a lock, or what isn't past its limit
		}
		told[c.Gate] = true
		out = append(out, fmt.Sprintf("roomshift mute %s --run %s --for 10m --reason …   if you know that the number lies", c.Gate, run))
	}
	return out
}

// answerTo is the command that answers a question about a step.
func answerTo(q *cutover.AskedMark, step, run string) string {
	verb, rest := "accept", " --reason …"
	if q.What == "approve" || q.What == "ask" {
		verb, rest = "approve", ""
	}
	if step != "" {
		verb += " " + shellWord(step)
	}
	return "roomshift " + verb + rest + " --run " + run
}

// causeLines has a line for each thing that causes say.
func causeLines(cs []cutover.Cause) []string {
	cs = newest(cs)
	var texts []string
	readings := map[string][]string{}
	for _, c := range cs {
		if _, ok := readings[c.Text]; !ok {
			texts = append(texts, c.Text)
			readings[c.Text] = nil
		}
	}
	for _, same := range sameReading(cs) {
		text := same[0].Text
		readings[text] = append(readings[text], reading(same))
	}
	var out []string
	for _, text := range texts {
		var parts []string
		if all := strings.Join(readings[text], "; "); all != "" {
			parts = append(parts, all)
		}
		if text != "" {
			parts = append(parts, text)
		}
		if len(parts) > 0 {
			out = append(out, strings.Join(parts, ": "))
		}
	}
	return out
}

// newest merges what was said when it was decided with what is read since: of one gate the newest value, with what it means.
func newest(cs []cutover.Cause) []cutover.Cause {
	at := map[string]int{}
	var out []cutover.Cause
	for _, c := range cs {
		i, ok := at[c.Key()]
		if !ok || c.Seen == "" || out[i].Seen == "" || (c.Text != "" && out[i].Text != "" && c.Text != out[i].Text) {
			at[c.Key()] = len(out)
			out = append(out, c)
			continue
		}
		if c.Text == "" {
			c.Text = out[i].Text
		}
		out[i] = c
	}
	return out
}

// sameReading puts causes with one value, limit, age and text together. Those without a value are told by their text alone.
func sameReading(cs []cutover.Cause) [][]cutover.Cause {
	type key struct {
		seen, limit, text string
		age               cutover.T
	}
	at := map[key]int{}
	var out [][]cutover.Cause
	for _, c := range cs {
		if c.Seen == "" {
			continue
		}
		k := key{c.Seen, c.Limit, c.Text, c.Age}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], c)
	}
	return out
}

// namedGates is how many gates with one reading are named; of more, only how many.
const namedGates = 3

// reading is "errors@cloud 5.04 % > 1 % for 15s, data 1s old".
func reading(same []cutover.Cause) string {
	var who []string
	for _, c := range same {
		name := c.Gate
		if c.Room != "" {
			name += "@" + c.Room
		}
		who = append(who, name)
	}
	c := same[0]
	more := ""
	if n := len(who) - namedGates; n > 1 {
		who, more = who[:namedGates], fmt.Sprintf(" and %d more", n)
	}
	s := strings.Join(who, ", ") + more + " " + c.Seen
	switch {
	case strings.HasSuffix(c.Seen, " events") && strings.HasSuffix(c.Limit, " events"): // "39 of 100 events"
		s = strings.TrimSuffix(s, " events") + " of " + c.Limit
	case c.Limit == "" || c.Color == cutover.Blind: // what isn't known has no limit but its time, and that isn't over
	case c.Color == cutover.Dark:
		s += " in " + strings.TrimPrefix(c.Limit, "known within ")
	default:
		s += " " + c.Limit
	}
	if c.Age > 0 {
		s += fmt.Sprintf(", data %s old", ageOf(c.Age))
	}
	return s
}
