package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ledger is what the clients of a load were told of each of their writes. Every write has a token that no other one has.
type ledger struct {
	run string // begins every token

	mu       sync.Mutex // guards what follows
	writes   []written  // in the order of their answers
	switches []Switch
	by       string    // whose master acknowledged last
	acked    time.Time // when that was heard
}

// written is a write that its client was told of.
type written struct {
	n       int // of its token
	outcome outcome
	took    time.Duration
}

// outcome is what a client knows of its write.
type outcome uint8

const (
	acknowledged outcome = iota // it was executed
	refused                     // it wasn't, and won't be
	unknown                     // nobody has said
)

// Switch is the moment in which another master than before acknowledges a write.
type Switch struct {
	From, To string
	At       time.Time
	Gap      time.Duration // since the last write that the old one acknowledged
}

func newLedger() *ledger { return &ledger{run: rand.Text()[:10]} }

// token is the token of a write, by the number of its request.
func (l *ledger) token(n int) string { return fmt.Sprintf("%s-%012d", l.run, n) }

// wrote enters what a client was told of a write that began at a time; by is the room whose master acknowledged it.
func (l *ledger) wrote(n int, began time.Time, o outcome, by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.writes = append(l.writes, written{n: n, outcome: o, took: now.Sub(began)})
	if o != acknowledged || by == "" {
		return
	}
	if last := len(l.switches) - 1; last >= 0 && by == l.switches[last].From && began.Before(l.switches[last].At) {
		return // an answer of before the switch that came after it
	}
	if l.by != "" && by != l.by {
		l.switches = append(l.switches, Switch{From: l.by, To: by, At: now, Gap: now.Sub(l.acked)})
	}
	l.by, l.acked = by, now
}

// Writes is what the clients of the gateways' load were told of their writes.
type Writes struct {
	Acknowledged, Refused, Unknown int
	Switches                       []Switch      // each time when another master went on, oldest first
	LongestGap                     time.Duration // the longest of them without an acknowledged write
	LongestWait                    time.Duration // the longest time that a client waited for the answer to a write, whatever it was
}

// since is what was told from the write at a place in the ledger on.
func (l *ledger) since(place, switches int) (w Writes, all []written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = slices.Clone(l.writes[place:])
	for _, x := range all {
		switch x.outcome {
		case acknowledged:
			w.Acknowledged++
		case refused:
			w.Refused++
		default:
			w.Unknown++
		}
		w.LongestWait = max(w.LongestWait, x.took)
	}
	w.Switches = slices.Clone(l.switches[switches:])
	for _, s := range w.Switches {
		w.LongestGap = max(w.LongestGap, s.Gap)
	}
	return w, all
}

// String is a line for people, without its end.
func (w Writes) String() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%d writes acknowledged, %d refused, %d unknown; longest wait of a client %s", w.Acknowledged, w.Refused, w.Unknown, w.LongestWait.Round(time.Millisecond))
	if n := len(w.Switches); n > 0 {
		last := w.Switches[n-1]
		fmt.Fprintf(b, "; %d moves of the writer, longest refusal %s, the last from %s to %s at %s: %s", n, w.LongestGap.Round(time.Millisecond),
			last.From, last.To, last.At.Format("15:04:05.000"), last.Gap.Round(time.Millisecond))
	}
	return b.String()
}

// Mark is a place in the ledger: what was told after it is told by Written and Balance.
type Mark struct{ writes, switches int }

// Mark is the present end of the ledger.
func (l *Lab) Mark() Mark {
	g := l.load.ledger
	g.mu.Lock()
	defer g.mu.Unlock()
	return Mark{len(g.writes), len(g.switches)}
}

// Written is what the clients were told of their writes since a mark.
func (l *Lab) Written(since Mark) Writes {
	w, _ := l.load.ledger.since(since.writes, since.switches)
	return w
}

// Balance compares what clients were told since a mark with what both masters hold, once every write has its answer and each master has
// applied what the other has: an acknowledged write is on both, once; one that was refused is nowhere; of one of which nobody knows there
// is one at most, on both. Whatever differs is an error that names tokens.
func (l *Lab) Balance(ctx context.Context, since Mark) (Writes, error) {
	if err := errors.Join(l.Answered(ctx), l.Ring.Await(ctx)); err != nil {
		return Writes{}, err
	}
	g := l.load.ledger
	w, all := g.since(since.writes, since.switches)
	var there [len(rooms)]map[string]int
	for i, room := range rooms {
		var err error
		if there[i], err = l.tokens(ctx, room); err != nil {
			return w, fmt.Errorf("the ledger at %s: %w", room, err)
		}
	}
	return w, g.balance(all, there)
}

// tokens is how often each of the load's tokens stands in a room's master.
func (l *Lab) tokens(ctx context.Context, room string) (map[string]int, error) {
	rows, err := l.Ring.Master(room).DB().QueryContext(ctx, "SELECT token, COUNT(*) FROM app.posts WHERE token LIKE ? GROUP BY token", l.load.ledger.run+"-%")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var token string
		var n int
		if err := rows.Scan(&token, &n); err != nil {
			return nil, err
		}
		out[token] = n
	}
	return out, rows.Err()
}

// balance says what of these writes isn't in the masters as it was told.
func (l *ledger) balance(all []written, there [len(rooms)]map[string]int) error {
	wrong := map[string][]string{}
	for _, x := range all {
		token := l.token(x.n)
		for i, room := range rooms {
			n, what := there[i][token], ""
			switch {
			case n > 1:
				what = "more than once in " + room
			case x.outcome == acknowledged && n == 0:
				what = "acknowledged, and lost in " + room
			case x.outcome == refused && n > 0:
				what = "refused, and there in " + room
			case x.outcome == unknown && n != there[0][token]:
				what = "unknown, and in one room only"
			}
			if what != "" {
				wrong[what] = append(wrong[what], token)
			}
		}
	}
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(wrong)) {
		tokens := wrong[what]
		errs = append(errs, fmt.Errorf("%d writes are %s: %s", len(tokens), what, strings.Join(tokens[:min(3, len(tokens))], ", ")))
	}
	return errors.Join(errs...)
}
