package cutover

import (
	"slices"
	"testing"
)

// TestRulesOfAQuestion: a question's text says which rules it is about, whoever asked it; two of them are never broken.
func TestRulesOfAQuestion(t *testing.T) {
	q := AskedMark{What: "rule", Text: "rung 2 would break a rule: x [maxMove]; y [headroom]"}
	if got := rulesIn(q); !slices.Equal(got, []string{RuleMaxMove, RuleHeadroom}) {
		t.Errorf("the question names %v", got)
	}
	if got := rulesIn(AskedMark{What: "settle", Text: "[serves]"}); got != nil {
		t.Errorf("a question of another kind names %v", got)
	}
	e := &engine{p: NewProgress()}
	for _, r := range []string{RuleServes, RuleSum, RuleMaxMove} {
		e.p.Broken = append(e.p.Broken, BrokeMark{Rule: r})
	}
	if e.brokenByName(RuleServes) || e.brokenByName(RuleSum) || !e.brokenByName(RuleMaxMove) {
		t.Error("serves and sum stand whatever a person says, and only they")
	}
}
