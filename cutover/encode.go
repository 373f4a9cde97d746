package cutover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// planVersion is the version of the plan's format that this program writes and reads.
const planVersion = 1

// Encode writes the plan as one line of JSON: fields in the order of the types, map keys sorted, so that equal plans are equal
// texts. Estimates are left out.
func (p *Plan) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("encode the plan of %s: %w", p.Runbook, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodePlan reads what Encode wrote; space between the tokens may differ. A key that no plan has, a key written twice and
// anything that Encode would write otherwise are errors: what a person reviews is what runs.
func DecodePlan(text []byte) (*Plan, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var p Plan
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the plan: something stands behind it; want one plan and nothing else")
	}
	if p.Version != planVersion {
		return nil, fmt.Errorf("read the plan: its version is %d, this program reads %d: plan again", p.Version, planVersion)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	again, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, compact.Bytes()) {
		return nil, fmt.Errorf("read the plan: at byte %d it isn't what this program writes for the same content (a key written twice, or edited by hand?): plan again",
			firstDifference(again, compact.Bytes()))
	}
	return &p, nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Hash is the SHA-256 of the plan's text in hex. A plan that can't be encoded has none; NewPlan makes none such.
func (p *Plan) Hash() string {
	text, err := p.Encode()
	if err != nil {
		return ""
	}
	return planHash(text)
}

// Sealed is a plan with its text and the text's hash, so that many runs of one plan write it down once. Nobody changes it, and
// several goroutines may share it.
type Sealed struct {
	plan  *Plan
	text  string
	hash  string
	parts []PlanPart // of its text, as every journal has them
}

// Seal writes the plan down. It must not be changed from then on.
func (p *Plan) Seal() (*Sealed, error) {
	text, err := p.Encode()
	if err != nil {
		return nil, err
	}
	s := &Sealed{plan: p, text: string(text), hash: planHash(text)}
	s.parts = SplitPlan("", s.hash, p.Continues, "", s.text)
	for i := range s.parts {
		var w lineWriter
		w.quote(s.parts[i].Text)
		s.parts[i].quoted = string(w.b)
	}
	return s, nil
}

// partsOf are the parts of its text in a run's journal.
func (s *Sealed) partsOf(run, version string) []PlanPart {
	parts := slices.Clone(s.parts)
	for i := range parts {
		parts[i].Run = run
	}
	parts[0].Version = version
	return parts
}

// Plan is what was sealed.
func (s *Sealed) Plan() *Plan { return s.plan }

// planHash is the hash of a plan's text.
func planHash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
