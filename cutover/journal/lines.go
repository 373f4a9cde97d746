// Package journal keeps a run's records: in a file that survives a kill at any byte, and in memory for simulated rooms.
//
// The form of a file, DIR/journal.jsonl: one record a line, as cutover.AppendLine writes it. Records are appended in groups, and
// a group is there whole or not at all. Every line of a group but its last has one space before its newline: it says "the group
// goes on". The space belongs to the line's end and not to the line, so it doesn't count in prev, and JSON readers don't see it.
// A file whose last line is cut, or says that its group goes on, was torn by a kill: the reader cuts that group off, whole, and
// tells. Nobody acted on it, for what it allowed waits until the append is over.
package journal

import (
	"bytes"
	"fmt"

	"roomshift/cutover"
)

// contents is what a journal's bytes hold.
type contents struct {
	records []cutover.Record
	good    int64  // length of the whole groups
	prev    string // the hash of the last line of them
	torn    string // what was cut off, "" nothing
}

// goesOn ends every line of a group but the last.
const goesOn = " \n"

// parse reads a journal's bytes. A line in the middle that isn't a record, or doesn't continue the chain, is
// cutover.ErrChainBroken with its number; a torn tail is no error.
func parse(data []byte, run string) (*contents, error) {
	c := &contents{prev: cutover.Genesis()}
	prev, pending := c.prev, []cutover.Record(nil)
	for at := 0; at < len(data); {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		line := data[at : at+end]
		at += end + 1
		more := bytes.HasSuffix(line, []byte{' '})
		line = bytes.TrimSuffix(line, []byte{' '})
		r, err := cutover.ParseLine(line)
		number := len(c.records) + len(pending) + 1
		if err != nil {
			if unwritten(data[c.good:]) {
				break
			}
			return nil, fmt.Errorf("line %d: %w: %w", number, cutover.ErrChainBroken, err)
		}
		if err := follows(r, int64(number), prev, run); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		prev = cutover.LineHash(line)
		pending = append(pending, *r)
		if !more {
			c.records, pending = append(c.records, pending...), nil
			c.good, c.prev = int64(at), prev
		}
	}
	if cut := int64(len(data)) - c.good; cut > 0 {
		c.torn = fmt.Sprintf("%d bytes after record %d were cut off: a group that a kill or a full disk left half written, on which nobody acted",
			cut, len(c.records))
	}
	return c, nil
}

// unwritten tells whether a tail is one group with blocks that the disk was told to write and never did, as a power cut leaves
// them: JSON has no zero byte. Only the last group can be so, for every group before it was synced: with the end of another
// group behind the zeros it is damage, not a tear.
func unwritten(tail []byte) bool {
	inner := bytes.TrimSuffix(tail, []byte{'\n'})
	return bytes.IndexByte(tail, 0) >= 0 && !bytes.Contains(inner, []byte("}\n"))
}

// follows holds that a record is the next one of this run.
func follows(r *cutover.Record, seq int64, prev, run string) error {
	switch {
	case r.Seq != seq:
		return fmt.Errorf("%w: it is record %d; want %d: a line is missing, or stands twice", cutover.ErrChainBroken, r.Seq, seq)
	case r.Prev != prev:
		return fmt.Errorf("%w: its prev is %.8s…, and the line before it has the hash %.8s…: one of the two was edited", cutover.ErrChainBroken, r.Prev, prev)
	}
	return ofRun(r, run)
}

// ofRun refuses records of another run: a journal's folder bears the run's name.
func ofRun(r *cutover.Record, run string) error {
	if r.Plan != nil && r.Plan.Run != run {
		return fmt.Errorf("record %d belongs to run %q, and this is the journal of %q: it was copied or renamed; give it back its folder's name", r.Seq, r.Plan.Run, run)
	}
	return nil
}

// encode writes a group: its bytes, and the hash of its last line. The group must follow on seq and prev.
func encode(dst []byte, rs []cutover.Record, seq int64, prev, run string) ([]byte, string, error) {
	last := 0
	for i := range rs {
		r := &rs[i]
		if i == 0 && r.Prev != prev {
			return dst, "", fmt.Errorf("record %d doesn't follow the journal's last line: its prev is %.8s…, want %.8s…", r.Seq, r.Prev, prev)
		}
		if r.Seq != seq+int64(i)+1 {
			return dst, "", fmt.Errorf("record %d doesn't follow record %d", r.Seq, seq+int64(i))
		}
		if err := ofRun(r, run); err != nil {
			return dst, "", err
		}
		last = len(dst)
		out, err := cutover.AppendLine(dst, r)
		if err != nil {
			return dst, "", err
		}
		dst = out
		if i < len(rs)-1 {
			dst = append(dst[:len(dst)-1], goesOn...)
		}
	}
	return dst, cutover.LineHash(dst[last:]), nil
}

// goesForward tells whether a group has an intent of the way forward. What has none may be written from the reserve: going
// back, freezing and every outcome must find room on a full disk.
func goesForward(rs []cutover.Record) bool {
	for i := range rs {
		if in := rs[i].Intent; in != nil && in.Purpose == cutover.Forward {
			return true
		}
	}
	return false
}
