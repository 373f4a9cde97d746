package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"roomshift/cutover"
)

// planFile is what `plan -out` saves: the plan's text, and the files that it came from, whose queries a run needs.
type planFile struct {
	Format string          `json:"format"`
	Book   string          `json:"book"`
	Rooms  string          `json:"rooms"`
	Hash   string          `json:"hash"`
	Plan   json.RawMessage `json:"plan"`
}

const planFormat = "roomshift plan 1"

func savePlan(name string, p *cutover.Plan, book, rooms string) error {
	text, err := p.Encode()
	if err != nil {
		return err
	}
	b, err := json.Marshal(planFile{planFormat, absolute(book), absolute(rooms), p.Hash(), text})
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o600)
}

// openPlan reads a saved plan; nil, nil when the file is something else (a runbook).
func openPlan(name string) (*planFile, *cutover.Plan, error) {
	f, ok := readPlanFile(name)
	if !ok {
		return nil, nil, nil
	}
	p, err := cutover.DecodePlan(f.Plan)
	if err != nil {
		return nil, nil, usage("%s: the plan can't be read: %w", name, err)
	}
	if p.Hash() != f.Hash {
		return nil, nil, usage("%s: the plan's text has the hash %s, and the file says %.8s: it was edited after it was saved", name, p.Hash()[:8], f.Hash)
	}
	return f, p, nil
}

// readPlanFile reads what plan -out wrote. Not ok: there is no such file, or it is something else; whoever takes it for a runbook
// says what is wrong with it.
func readPlanFile(name string) (*planFile, bool) {
	b, err := os.ReadFile(name)
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return nil, false
	}
	var f planFile
	if err := json.Unmarshal(b, &f); err != nil || f.Format != planFormat {
		return nil, false
	}
	return &f, true
}

// stillHolds tells whether a saved plan is what would be planned now, versions aside.
func stillHolds(saved, now *cutover.Plan, s *cutover.Snapshot) error {
	if diff := saved.Stale(s); len(diff) > 0 {
		err := error(cutover.ErrPlanStale)
		for _, d := range diff {
			err = errors.Join(err, errors.New(d))
		}
		return &exitError{code: cutover.ExitNothing, err: err}
	}
	a, err := plainText(saved)
	if err != nil {
		return err
	}
	b, err := plainText(now)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("%w: the rooms hold what it says, but the runbook or rooms.yaml were changed since: plan again", cutover.ErrPlanStale)}
	}
	return nil
}

// plainText is a plan's text without the versions of objects, which change when somebody writes the same value.
func plainText(p *cutover.Plan) ([]byte, error) {
	q := *p
	q.Held = append([]cutover.Held(nil), p.Held...)
	for i := range q.Held {
		q.Held[i].Version = ""
	}
	q.Steps = append([]cutover.StepPlan(nil), p.Steps...)
	for i := range q.Steps {
		q.Steps[i].Rungs = append([]cutover.RungPlan(nil), p.Steps[i].Rungs...)
		for k := range q.Steps[i].Rungs {
			cs := append([]cutover.Change(nil), q.Steps[i].Rungs[k].Changes...)
			for c := range cs {
				cs[c].Version = ""
			}
			q.Steps[i].Rungs[k].Changes = cs
		}
	}
	return q.Encode()
}
