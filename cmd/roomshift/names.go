package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
)

// nameFindings is what check --live finds of names: lines that no route covers, and what their authorities really answer.
func (r *realRooms) nameFindings(ctx context.Context) []finding {
	if r.names == nil {
		return nil
	}
	n := r.names
	var fs []finding
	for _, x := range n.all {
		fs = append(fs, n.covered(ctx, x)...)
	}
	fs = append(fs, r.ttlFindings(ctx)...)
	held, err := n.weights.Read(ctx, n.weights.Seats())
	if err != nil {
		return fs // said as a seat's already
	}
	for _, x := range n.all {
		fs = append(fs, n.answered(ctx, x, held, toldWithin)...)
	}
	return fs
}

// covered tells whether every line that the provider holds of a name is one of the route's.
func (n *alidnsNames) covered(ctx context.Context, x dns.Name) []finding {
	found, err := n.client.Look(ctx, []string{x.Name})
	if err != nil {
		return []finding{{Check: "lines of " + x.Name, Seen: err.Error(), Want: "the name's records can be listed", Do: "mend the account or its rights", Grant: n.grant(err)}}
	}
	var other []string
	lines := found[strings.ToLower(x.Name)].Lines
	for _, line := range lines {
		if !slices.Contains(x.Lines, line) {
			other = append(other, line)
		}
	}
	if len(other) > 0 {
		return []finding{{Check: "lines of " + x.Name, Seen: "the provider also holds " + strings.Join(other, ", "), Want: "every line is one of the route's",
			Do: "write lines: all, or add them: users of a line that isn't covered don't move"}}
	}
	return []finding{{Check: "lines of " + x.Name, Seen: strings.Join(lines, " "), OK: true}}
}

// grant is what the account needs, where that is what lacks.
func (n *alidnsNames) grant(err error) []string {
	if !errors.Is(err, aliyun.ErrForbidden) {
		return nil
	}
	return strings.Split(dns.Policy(), "\n")
}

// ttlFindings tells whether the zones take the TTLs that the runbook sets.
func (r *realRooms) ttlFindings(ctx context.Context) []finding {
	var fs []finding
	floor := map[string]int64{}
	for i := range r.l.Book.Steps {
		for _, t := range r.l.Book.Steps[i].TTL {
			for _, route := range r.routesOf(t.Name) {
				k := slices.IndexFunc(r.names.all, func(x dns.Name) bool { return x.Route == route })
				if k < 0 {
					continue
				}
				name := r.names.all[k].Name
				if _, known := floor[name]; !known {
					low, err := r.names.client.MinTTL(ctx, name)
					if err != nil {
						fs = append(fs, finding{Check: "ttl of " + name, Seen: err.Error(), Want: "the zone's edition is known", Do: "give the account the right", Grant: r.names.grant(err)})
					}
					floor[name] = low
				}
				if want := int64(t.TTL / time.Second); want < floor[name] {
					fs = append(fs, finding{Check: "ttl of " + name, Seen: fmt.Sprintf("its zone's edition takes %d s and more", floor[name]),
						Want: fmt.Sprintf("%d s, as line %d of the runbook sets", want, t.Line), Do: "write a longer TTL, or take another edition"})
				}
			}
		}
	}
	return fs
}

// toldWeights tells when weights were written, and can say what the authorities answer.
type toldWeights struct {
	*dns.Weights
	names *alidnsNames
}

var _ cutover.Answerer = (*toldWeights)(nil)

// Answers asks every authority of the seats' names on their lines, as far as these can be asked from here: nil if all answer what the
// provider holds, which is what the seats are to carry.
func (m *toldWeights) Answers(ctx context.Context, want map[cutover.Seat]cutover.Share) error {
	held, err := m.Read(ctx, slices.SortedFunc(maps.Keys(want), cutover.CompareSeats))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wrong []string
	var wait sync.WaitGroup
	turn := make(chan struct{}, namesAtOnce)
	for _, x := range m.names.all {
		x.Lines = slices.DeleteFunc(slices.Clone(x.Lines), func(line string) bool { return want[cutover.Seat{Route: x.Route, At: line}] == nil })
		if len(x.Lines) == 0 {
			continue
		}
		wait.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			for _, f := range m.names.answered(ctx, x, held, settledWithin) {
				if !f.OK {
					mu.Lock()
					wrong = append(wrong, f.Check+": "+f.Seen+"; wanted is "+f.Want)
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	if n := len(wrong) - 1; n > 0 {
		wrong[0] += fmt.Sprintf(" (and %d more)", n)
	}
	return errors.New(wrong[0])
}

// namesAtOnce is how many names' authorities are asked side by side.
const namesAtOnce = 4

// How near, of 1, an authority's answers tell a share: to people, and to a rung that waits for them, of which there may be hundreds.
const (
	toldWithin    = 0.02
	settledWithin = 0.05
)

// Write is the medium's.
func (m *toldWeights) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	outs := m.Weights.Write(ctx, f, changes)
	for _, o := range outs {
		if o.What == cutover.Done {
			select {
			case m.names.wrote <- struct{}{}:
			default:
			}
		}
	}
	return outs
}

// quietFor is how long no weight is written before the authorities are asked what they answer now.
const quietFor = time.Second

// tellAnswers says, until ctx ends, what every authority answers after weights were written: the share that is set, where nothing counts
// what is seen.
func (r *realRooms) tellAnswers(ctx context.Context, tell func(text string)) {
	n := r.names
	if n == nil {
		return
	}
	for {
		select {
		case <-n.wrote:
		case <-ctx.Done():
			return
		}
		for quiet := time.NewTimer(quietFor); ; quiet.Reset(quietFor) {
			select {
			case <-n.wrote:
				continue
			case <-quiet.C:
			case <-ctx.Done():
				quiet.Stop()
				return
			}
			break
		}
		held, err := n.weights.Read(ctx, n.weights.Seats())
		if err != nil {
			continue // whoever needs to know it reads it too
		}
		for _, x := range n.all {
			for _, f := range n.answered(ctx, x, held, toldWithin) {
				if ctx.Err() != nil {
					return
				}
				text := f.Check + ": set, not seen: " + f.Seen
				if !f.OK {
					text += "; wanted is " + f.Want
				}
				tell(text)
			}
		}
	}
}

// answered asks every authority of a name on each line, for each type that the name has addresses of, to within so much. What is said is
// what is set there, not where users are.
func (n *alidnsNames) answered(ctx context.Context, x dns.Name, held []cutover.Held, within float64) []finding {
	set, asker := cutover.SeatShares(held), n.asker
	asker.Kinds = dns.Kinds(held, x.Route)
	asker.Servers = n.servers
	if asker.Servers == nil {
		var err error
		if asker.Servers, err = n.client.Authorities(ctx, x.Name); err != nil {
			return []finding{{Check: "answers of " + x.Name, Seen: err.Error(), Want: "its authorities are known", Do: "give the account the right, or name them: providers: {alidns: {nameServers: [HOST:PORT]}}", Grant: n.grant(err)}}
		}
	}
	most := 0.5
	var fs []finding
	for _, a := range asker.Ask(ctx, x.Name, askable(asker, x.Lines), dns.Queries(most, within)) {
		f := finding{Check: "answers of " + x.Name + " on " + a.Line + " by " + a.Server}
		if len(asker.Kinds) > 1 {
			f.Check += ", " + a.Kind
		}
		share := set[cutover.Seat{Route: x.Route, At: a.Line}]
		var seen []string
		f.OK = a.Err == nil && len(a.Strange) == 0
		for _, room := range asker.Rooms {
			i, want := a.Shares[room.Room], float64(share[room.Room])/cutover.Whole
			seen = append(seen, fmt.Sprintf("%s %.1f %% (%.1f–%.1f)", room.Room, 100*i.Seen, 100*i.Lo, 100*i.Hi))
			f.OK = f.OK && want >= i.Lo-answersWithin && want <= i.Hi+answersWithin && (want > 0) == (i.Seen > 0)
		}
		f.Seen = fmt.Sprintf("%s of %d answers", strings.Join(seen, ", "), a.Answers)
		if len(a.Strange) > 0 {
			f.Seen += ", and the addresses of no room " + strings.Join(a.Strange, " ")
		}
		if a.Err != nil {
			f.Seen = a.Err.Error()
		}
		if !f.OK {
			f.Want, f.Do = "what is set: "+wholeShare(asker.Rooms, share), "wait until every authority serves it, or see what stands before them"
		}
		fs = append(fs, f)
	}
	return fs
}

// answersWithin is how far a share may be from the interval of what is answered: a point.
const answersWithin = 0.01

// askable are the lines on which this machine can ask: those with a network, and without any the default line, as its own.
func askable(a dns.Asker, lines []string) []string {
	var out []string
	for _, line := range lines {
		if _, ok := a.Networks[line]; ok || line == "default" {
			out = append(out, line)
		}
	}
	return out
}

func wholeShare(rooms []dns.RoomNets, s cutover.Share) string {
	var parts []string
	for _, r := range rooms {
		parts = append(parts, fmt.Sprintf("%s %.1f %%", r.Room, float64(s[r.Room])/100))
	}
	return strings.Join(parts, ", ")
}
