package writer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Version is the form of a record that this code reads and writes.
const Version = 1

// Phase is where a pair's record stands.
type Phase string

const (
	Stable  Phase = "STABLE"  // Writer takes the writes
	Fencing Phase = "FENCING" // Writer is being closed for To; nothing is decided
	Commit  Phase = "COMMIT"  // To is the writer from now on; Writer is never opened again in this epoch
	Abort   Phase = "ABORT"   // Writer stays the writer; To is never opened in this epoch
)

// Record is the only decision on who is the writer of a pair (WRITER §1). It is written by compare-and-set alone, Seq + 1 each
// time; Epoch counts the moves. Clients follow Publishes.
type Record struct {
	V       int               `json:"v"`
	Epoch   int64             `json:"epoch"`
	Seq     int64             `json:"seq"`
	Phase   Phase             `json:"phase"`
	Writer  string            `json:"writer"`  // room
	To      string            `json:"to"`      // the other room; empty when STABLE
	Pos     string            `json:"pos"`     // Writer's position, read behind the fence; with COMMIT only
	Servers map[string]string `json:"servers"` // room → identity of its server; two
	Run     string            `json:"run"`
	By      string            `json:"by"`
	At      time.Time         `json:"at"` // UTC
	Forced  *Forced           `json:"forced"`
	Closed  []string          `json:"closed"` // rooms that must not be opened before they have rejoined, sorted
}

// Forced says that a person took the writer away from a room that was lost (WRITER §6).
type Forced struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	Lost   string `json:"lost"`  // the room
	Bound  string `json:"bound"` // what may be lost with it, as it was shown before the typed word
}

// maxRecord is the longest record, in bytes. A set of GTIDs takes most of it.
const maxRecord = 256 << 10

// Publishes is the room that clients send their writes to, by this record (R11).
func (r Record) Publishes() string {
	if r.Phase == Commit {
		return r.To
	}
	return r.Writer
}

// Other is the room of the pair that isn't this one; empty if the record doesn't name two.
func (r Record) Other(room string) string {
	if _, here := r.Servers[room]; !here || len(r.Servers) != 2 {
		return ""
	}
	for name := range r.Servers {
		if name != room {
			return name
		}
	}
	return ""
}

// IsClosed reports whether a room must not be opened before it has rejoined.
func (r Record) IsClosed(room string) bool { return slices.Contains(r.Closed, room) }

// Encode is the one form of a record. It fails on a record that isn't valid.
func (r Record) Encode() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Closed == nil {
		r.Closed = []string{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode writer record: %w", err)
	}
	if b.Len() > maxRecord {
		return nil, fmt.Errorf("writer record of %d bytes, want %d at most", b.Len(), maxRecord)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// ParseRecord reads what Encode wrote. White space between values is free; anything else that differs from the one form is refused:
// a field that is missing, unknown, twice there or in another order, another version, what comes after the record.
func ParseRecord(text []byte) (Record, error) {
	if len(text) > maxRecord {
		return Record{}, fmt.Errorf("writer record of %d bytes, want %d at most", len(text), maxRecord)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var r Record
	if err := dec.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("writer record: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("writer record: something comes after it")
	}
	want, err := r.Encode()
	if err != nil {
		return Record{}, err
	}
	var got bytes.Buffer
	if err := json.Compact(&got, text); err != nil {
		return Record{}, fmt.Errorf("writer record: %w", err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		return Record{}, fmt.Errorf("writer record isn't in its one form: seen %s, wanted %s", short(got.Bytes()), short(want))
	}
	return r, nil
}

func short(b []byte) string {
	const most = 600
	if len(b) <= most {
		return string(b)
	}
	return string(bytes.ToValidUTF8(b[:most], nil)) + "…"
}

// Validate says everything that is wrong with a record.
func (r Record) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("writer record: "+format, args...))
		}
	}
	wrong(r.V != Version, "v is %d, want %d: another version of roomshift wrote it", r.V, Version)
	wrong(r.Epoch < 1, "epoch is %d, want 1 or more", r.Epoch)
	wrong(r.Seq < 1, "seq is %d, want 1 or more", r.Seq)
	wrong(r.Run == "", "run is empty")
	wrong(r.By == "", "by is empty")
	wrong(r.At.IsZero() || r.At.Location() != time.UTC || r.At.Year() > 9999, "at is %v, want a time in UTC", r.At)
	for _, s := range r.texts() {
		wrong(!utf8.ValidString(s), "%q isn't UTF-8", s)
	}
	errs = append(errs, r.validServers(), r.validPhase(), r.validClosed())
	return errors.Join(errs...)
}

func (r Record) texts() []string {
	all := append([]string{r.Writer, r.To, r.Pos, r.Run, r.By}, r.Closed...)
	for room, id := range r.Servers {
		all = append(all, room, id)
	}
	if r.Forced != nil {
		all = append(all, r.Forced.By, r.Forced.Reason, r.Forced.Lost, r.Forced.Bound)
	}
	return all
}

func (r Record) validServers() error {
	if len(r.Servers) != 2 {
		return fmt.Errorf("writer record: %d servers, want those of two rooms", len(r.Servers))
	}
	if _, here := r.Servers[r.Writer]; !here {
		return fmt.Errorf("writer record: writer %q is none of its rooms", r.Writer)
	}
	var ids []string
	for room, id := range r.Servers {
		if room == "" || id == "" {
			return fmt.Errorf("writer record: room %q with server %q, want names", room, id)
		}
		ids = append(ids, id)
	}
	if ids[0] == ids[1] {
		return fmt.Errorf("writer record: both rooms have server %q", ids[0])
	}
	return nil
}

func (r Record) validPhase() error {
	to, pos := r.Other(r.Writer), false
	switch r.Phase {
	case Stable:
		to = ""
	case Commit:
		pos = true
	case Fencing, Abort:
	default:
		return fmt.Errorf("writer record: phase %q, want STABLE, FENCING, COMMIT or ABORT", r.Phase)
	}
	if r.To != to {
		return fmt.Errorf("writer record: %s with to %q, want %q", r.Phase, r.To, to)
	}
	if (r.Pos != "") != pos {
		return fmt.Errorf("writer record: %s with pos %q: COMMIT has one, and nothing else", r.Phase, r.Pos)
	}
	return nil
}

func (r Record) validClosed() error {
	for i, room := range r.Closed {
		if _, here := r.Servers[room]; !here || i > 0 && room <= r.Closed[i-1] {
			return fmt.Errorf("writer record: closed %q, want rooms of the pair, sorted, each once", r.Closed)
		}
	}
	if r.IsClosed(r.Publishes()) || r.Phase == Fencing && r.IsClosed(r.To) {
		return fmt.Errorf("writer record: %s of %s to %s, and closed %q: a closed room takes no writes", r.Phase, r.Writer, r.To, r.Closed)
	}
	f := r.Forced
	if f == nil {
		return nil
	}
	if f.By == "" || f.Reason == "" || f.Bound == "" {
		return errors.New("writer record: forced without by, reason or bound")
	}
	if !r.IsClosed(f.Lost) || r.Phase != Commit && r.Phase != Stable {
		return fmt.Errorf("writer record: %s, forced with %q lost, and closed %q: what was lost is closed until it rejoins", r.Phase, f.Lost, r.Closed)
	}
	return nil
}

// Signed is the record with who wrote it, and when.
func (r Record) Signed(run, by string, at time.Time) Record {
	r.Run, r.By, r.At = run, by, at.UTC()
	return r
}

// next is what follows a record: of the same epoch, or of the next one.
func (r Record) next(phase Phase, writer, pos string, anew bool) Record {
	n := Record{V: Version, Epoch: r.Epoch, Seq: r.Seq + 1, Phase: phase, Writer: writer, Pos: pos,
		Servers: r.Servers, Forced: r.Forced, Closed: r.Closed}
	if anew {
		n.Epoch++
	}
	if phase != Stable {
		n.To = r.Other(writer)
	}
	return n
}

// Follows says why a record may not be written over another one: the second line of defence, for those who store records.
func (r Record) Follows(old Record) error {
	type step struct {
		from, to Phase
		epoch    int64
	}
	writer := old.Writer
	s := step{old.Phase, r.Phase, r.Epoch - old.Epoch}
	switch {
	case s == step{Stable, Fencing, 1}, s == step{Stable, Commit, 1}:
	case s == step{Fencing, Commit, 0}, s == step{Fencing, Abort, 0}, s == step{Fencing, Stable, 0}, s == step{Abort, Stable, 0}:
	case s == step{Commit, Stable, 0}:
		writer = old.To
	case s == step{old.Phase, Commit, 1} && r.Forced != nil:
		writer = r.Forced.Lost
	default:
		return fmt.Errorf("writer record: %s of epoch %d after %s of epoch %d", r.Phase, r.Epoch, old.Phase, old.Epoch)
	}
	if r.Writer != writer || r.Seq != old.Seq+1 {
		return fmt.Errorf("writer record: %s of %s, seq %d, after %s of %s, seq %d: want %s, seq %d",
			r.Phase, r.Writer, r.Seq, old.Phase, old.Writer, old.Seq, writer, old.Seq+1)
	}
	for _, room := range old.Closed {
		if !r.IsClosed(room) {
			return fmt.Errorf("writer record: %s is closed, and only a rejoin ends that", room)
		}
	}
	return nil
}
