package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

func (b *bookReader) steps(f *fields) {
	nodes := f.items("steps")
	for i, n := range nodes {
		b.book.Steps = append(b.book.Steps, b.step(n, i))
	}
	b.stepNames(nodes)
	b.afters(nodes)
}

// step reads the step at place i, from 0.
func (b *bookReader) step(n *yaml.Node, i int) Step {
	f, ok := b.fields(n, shapeStep)
	s := Step{Pos: b.pos(n)}
	if !ok {
		return s
	}
	s.Kind = b.kind(f)
	s.Name = fmt.Sprintf("%s-%d", s.Kind, i+1)
	if s.Kind == "" {
		s.Name = fmt.Sprintf("step-%d", i+1)
	}
	if n := f.get("name"); n != nil {
		if t := b.str(n, "name"); t != "" {
			s.Name, s.Named = t, true
		}
	}
	b.common(&s, f)
	b.act(&s, f)
	return s
}

// kind is the one key of f that is a kind of step; keys that this kind doesn't have are problems.
func (b *bookReader) kind(f *fields) StepKind {
	var found []StepKind
	for _, k := range stepKinds {
		if f.has(string(k)) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0:
		if !f.unknown {
			texts := make([]string, len(stepKinds))
			for i, k := range stepKinds {
				texts[i] = string(k)
			}
			b.addf(f.node, RuleKind, "", "this step does nothing: want one of %s", list(texts))
		}
		return ""
	case len(found) > 1:
		b.addf(f.key(string(found[1])), RuleKind, "make it two steps", "a step is of one kind: this one is %s and %s", found[0], found[1])
		return found[0]
	}
	k := found[0]
	for _, key := range shapeStep.keys {
		if kinds, limited := kindsWith[key]; limited && f.has(key) && !slices.Contains(kinds, k) {
			b.addf(f.key(key), RuleKind, kindHint(key, k), "a %s step has no %q", k, key)
		}
	}
	return k
}

func kindHint(key string, k StepKind) string {
	switch {
	case key == "name" && k == StepCheckpoint:
		return "its name is what stands behind checkpoint"
	case key == "after":
		return "it waits for every step above"
	}
	texts := make([]string, len(kindsWith[key]))
	for i, v := range kindsWith[key] {
		texts[i] = string(v)
	}
	return "it is for " + list(texts)
}

func (b *bookReader) common(s *Step, f *fields) {
	s.Bake, s.BakeSet = f.duration("bake", 0), f.has("bake")
	s.Within = f.duration("within", time.Second)
	s.NotNeeded = f.has("needed") && f.get("needed") != nil && !f.truth("needed")
	s.AnyWindow = f.one("window", "any") == "any"
	s.Guard = f.truth("guard")
	if n := f.get("settle"); n != nil {
		s.Settle = b.settle(n)
	}
	if n := f.get("approve"); n != nil {
		s.Approve = b.ask(n)
	}
}

func (b *bookReader) settle(n *yaml.Node) *Settle {
	f, ok := b.fields(n, shapeSettle)
	s := &Settle{Pos: b.pos(n), Within: f.duration("within", time.Second), Else: f.one("else", "ask", "hold", "back", "go on")}
	if n := f.get("tolerance"); n != nil {
		s.Tolerance = b.points(n)
	}
	if n := f.get("reach"); n != nil {
		s.Reach, _ = b.percent(n, "reach", 1)
	}
	if f.has("tolerance") && f.has("reach") {
		b.addf(f.key("reach"), RuleValue, "", "reach beside tolerance: want one of them")
	}
	if ok && len(f.at) == 0 && !f.unknown {
		b.addf(n, RuleMissingKey, "", "settle says nothing")
	}
	return s
}

func (b *bookReader) points(n *yaml.Node) Percent {
	s, ok := b.text(n, "tolerance", "percentage points, such as 2pt")
	if !ok {
		return 0
	}
	p, err := parsePoints(s)
	switch {
	case err != nil:
		hint := ""
		if pct, err := ParsePercent(s); err == nil {
			hint = "a difference of shares is in points: write " + strings.TrimSuffix(pct.plain(), "%") + "pt"
		}
		b.addf(n, RuleUnit, hint, "tolerance: %v", err)
	case p == 0:
		b.addf(n, RuleValue, "", "tolerance is %s: want more than that", s)
	}
	return p
}

func (b *bookReader) ask(n *yaml.Node) *Ask {
	f, _ := b.fields(n, shapeAsk)
	return &Ask{Pos: b.pos(n), By: f.str("by"), Within: f.duration("within", time.Second), Else: f.one("else", "hold", "back")}
}

// stepNames says which names are empty of sense or taken. A checkpoint's name is one of a step's, too.
func (b *bookReader) stepNames(nodes []*yaml.Node) {
	at := make(map[string]int)
	for i := range b.book.Steps {
		s := &b.book.Steps[i]
		if s.Checkpoint != "" {
			s.Name = s.Checkpoint
		}
		where := nodes[i]
		for j := 0; s.Kind != "" && j+1 < len(where.Content); j += 2 {
			if k := nodes[i].Content[j].Value; k == "name" || k == string(StepCheckpoint) {
				where = nodes[i].Content[j+1]
				break
			}
		}
		if strings.ContainsFunc(s.Name, unicode.IsControl) || len(s.Name) > 100 || s.Name != strings.TrimSpace(s.Name) {
			b.addf(where, RuleName, "one line, at most 100 letters, no space at its ends", "a step can't be named %s", quoted(s.Name))
		}
		if first, taken := at[s.Name]; taken {
			b.addf(where, RuleDuplicateKey, "", "two steps are named %s: the first is on line %d", quoted(s.Name), b.book.Steps[first].Line)
			continue
		}
		at[s.Name] = i
	}
}

// afters reads what each step waits for: steps above it, not above the last checkpoint.
func (b *bookReader) afters(nodes []*yaml.Node) {
	barrier := -1
	for i := range b.book.Steps {
		s := &b.book.Steps[i]
		if s.Kind == StepCheckpoint {
			barrier = i
		}
		for j := 0; j+1 < len(nodes[i].Content); j += 2 {
			if nodes[i].Content[j].Value == "after" {
				s.AfterSet = true
				s.After = b.after(nodes[i].Content[j+1], i, barrier)
				break
			}
		}
	}
}

func (b *bookReader) after(n *yaml.Node, i, barrier int) []string {
	if n.Kind != yaml.SequenceNode {
		b.addf(n, RuleType, "write [\"NAME\"], or [] for the last checkpoint or the start", "after is %s: want a list", kindOf(n))
		return nil
	}
	names := make([]string, len(b.book.Steps))
	for j, s := range b.book.Steps {
		names[j] = s.Name
	}
	var out []string
	for _, item := range n.Content {
		t, ok := b.text(item, "after", "a step's name")
		if !ok {
			continue
		}
		at := slices.Index(names, t)
		switch {
		case at < 0:
			b.addf(item, RuleUnknownName, hintAmong(t, names[:i]), "%s is not the name of a step", quoted(t))
		case at == i:
			b.addf(item, RuleAfter, "", "%s waits for itself", quoted(t))
		case at > i:
			b.addf(item, RuleAfter, "put it above", "%s stands below: a step waits for steps above it", quoted(t))
		case at < barrier:
			b.addf(item, RuleAfter, "leave it out, or name "+quoted(names[barrier]), "%s is above the checkpoint %s, which waits for it already", quoted(t), quoted(names[barrier]))
		case contains(out, t):
			b.addf(item, RuleDuplicateKey, "", "%s is named twice", quoted(t))
		default:
			out = append(out, t)
		}
	}
	return out
}

// checkOrder says which steps are never reached.
func (b *bookReader) checkOrder() {
	for i, s := range b.book.Steps {
		if s.Kind == StepBack && i < len(b.book.Steps)-1 {
			b.addAtf(b.book.Steps[i+1].Pos, RuleAfter, "make it a runbook of its own, or put it above", "nothing below %s is reached: going back is the end of a run", quoted(s.Name))
			return
		}
	}
}
