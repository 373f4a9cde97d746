package cutover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// The form of a line. A record is one line of JSON in one form only: the fields in the order of Record, map keys sorted, no
// white space, what encoding/json writes without HTML escaping. So the hash of a record that was parsed and written again is
// the hash of the line it came from, and whoever folds can check the chain without the file. ParseLine refuses every other
// form, which also refuses doubled keys, keys in another case and fields of a newer version.

const genesis = "0000000000000000000000000000000000000000000000000000000000000000"

// Genesis is what the first record has as Prev: 64 zeros.
func Genesis() string { return genesis }

// LineHash is the hex SHA-256 of a line. A newline at its end doesn't count.
func LineHash(line []byte) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	sum := sha256.Sum256(line)
	var out [2 * sha256.Size]byte
	hex.Encode(out[:], sum[:])
	return string(out[:])
}

// AppendLine appends r as one JSON line with its newline to dst. r.Seq and r.Prev are already set (Progress.Stamp). Bytes that
// aren't UTF-8 become U+FFFD, as a journal must be able to quote anything. An error if r couldn't be read back: its payload
// isn't the one of its kind, or a change has no seat.
func AppendLine(dst []byte, r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return dst, err
	}
	e := lineWriter{dst}
	e.b = append(e.b, '{')
	e.num("seq", r.Seq)
	e.str("wall", r.Wall)
	e.num("at", int64(r.At))
	e.str("kind", string(r.Kind))
	e.str("prev", r.Prev)
	e.open(string(r.Kind))
	e.payload(r)
	e.b = append(e.b, '}', '}', '\n')
	return e.b, nil
}

// ParseLine reads one line, with or without its newline. It is strict: an unknown field, a kind without its payload, two
// payloads, or JSON that AppendLine wouldn't have written so, are errors.
func ParseLine(line []byte) (*Record, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var r Record
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("not a journal record: %w", err)
	}
	again, err := AppendLine(make([]byte, 0, len(line)+1), &r)
	if err != nil {
		return nil, fmt.Errorf("not a journal record: %w", err)
	}
	if !bytes.Equal(again[:len(again)-1], line) {
		return nil, fmt.Errorf("record %d (%s) isn't written as roomshift writes it: it was edited, or a newer roomshift wrote it", r.Seq, r.Kind)
	}
	return &r, nil
}

// check tells whether r has the payload of its kind and no other.
func (r *Record) check() error {
	n := 0
	for _, there := range r.payloads() {
		if there {
			n++
		}
	}
	own, known := r.own()
	switch {
	case !known:
		return fmt.Errorf("record %d is of kind %q, which this roomshift doesn't know", r.Seq, r.Kind)
	case !own:
		return fmt.Errorf("record %d is of kind %q and has no %q", r.Seq, r.Kind, r.Kind)
	case n != 1:
		return fmt.Errorf("record %d is of kind %q and says %d things; want one", r.Seq, r.Kind, n)
	}
	if r.Intent != nil {
		for i := range r.Intent.Changes {
			if c := &r.Intent.Changes[i]; c.Seat.Route == "" {
				return fmt.Errorf("record %d: the change of %s names no seat", r.Seq, c.ID())
			}
		}
	}
	return nil
}

// payloads tells which of the payloads are there, in the order of Record.
func (r *Record) payloads() [23]bool {
	return [23]bool{
		r.Plan != nil, r.Run != nil, r.Step != nil, r.Intent != nil, r.Done != nil, r.Failed != nil, r.Foreign != nil,
		r.Unknown != nil, r.Stray != nil, r.Adopted != nil, r.Move != nil, r.Writer != nil, r.Only != nil, r.Seen != nil, r.Verdict != nil,
		r.Phase != nil, r.Command != nil, r.Checkpoint != nil, r.Asked != nil, r.Answered != nil, r.Broke != nil, r.Claim != nil,
		r.After != nil,
	}
}

// kinds are the kinds in the order of Record's payloads.
func kinds() [23]Kind {
	return [23]Kind{
		KindPlan, KindRun, KindStep, KindIntent, KindDone, KindFailed, KindForeign, KindUnknown, KindStray, KindAdopted, KindMove,
		KindWriter, KindOnly, KindSeen, KindVerdict, KindPhase, KindCommand, KindCheckpoint, KindAsked, KindAnswered, KindBroke, KindClaim,
		KindAfter,
	}
}

// own tells whether the payload of r.Kind is there, and whether the kind is known.
func (r *Record) own() (there, known bool) {
	p := r.payloads()
	for i, k := range kinds() {
		if k == r.Kind {
			return p[i], true
		}
	}
	return false, false
}
