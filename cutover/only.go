package cutover

import (
	"context"
	"time"
)

// OnlyNone is what a thing's key says when it is to run in no room.
const OnlyNone = "none"

// Only is a thing that runs in exactly one room, or in none: in R if its key says R and the record of every pair that it follows says, too,
// that the writer is in R. Place is the lock that covers its key.
type Only struct {
	Name   string
	Place  string
	Keeper OnlyKeeper
}

// OnlyKeeper has a thing's key, and counts what runs of it. Each call is one bounded request.
type OnlyKeeper interface {
	// Read is its key now, consistent.
	Read(ctx context.Context) OnlySeen
	// Running counts what runs of it in each room, and how much it would miss in the room that it goes to.
	Running(ctx context.Context, to Room) OnlyCount
	// Write sets its key under the run's lock, if its index is still that one: 0, there is none yet.
	Write(ctx context.Context, f Fence, k OnlyKey, index uint64) MoveReply
}

// OnlyKey is what stands in a thing's key. Epoch rises with each write.
type OnlyKey struct {
	Version int       `json:"v"` // 1
	Room    Room      `json:"room"`
	Epoch   int64     `json:"epoch"`
	Run     string    `json:"run,omitempty"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// OnlySeen is a thing's key as it was read.
type OnlySeen struct {
	Key   OnlyKey // Room OnlyNone where there is no key
	Index uint64
	Err   error // it can't be read, or holds what nobody understands
}

// OnlyCount is what runs of a thing, true at At or later. Behind is how much hasn't reached the room that it goes to.
type OnlyCount struct {
	Running map[Room]float64
	Behind  float64
	At      T
	Err     error
}

// OnlyPlan is a thing that a plan's writer steps stop and start.
type OnlyPlan struct {
	Name   string   `json:"name"`
	Pairs  []string `json:"pairs"`  // whose writers it follows
	Room   Room     `json:"room"`   // what its key said when the plan was made
	Within T        `json:"within"` // so long it may take to stop
}

// OnlyMark is what became of a thing's key. Room is what it was set to; of zero, where nothing of it is missing.
type OnlyMark struct {
	Name  string `json:"name"`
	Room  Room   `json:"room"`
	Epoch int64  `json:"epoch"`
	At    string `json:"state"` // begun, done, failed, unknown; zero: nothing runs; foreign, adopted: somebody else set it
	Why   string `json:"why,omitempty"`
}

// OnlyProgress is what the journal says of a thing.
type OnlyProgress struct {
	Room    Room // its key, as last known
	Epoch   int64
	Next    Room   // what it is being set to, "" nothing
	Was     Room   // where it ran before it was stopped
	Zero    Room   // nothing of it runs, and nothing of it is missing in this room; "" that isn't known
	Foreign string // what somebody else set it to, "" nothing
	Touched bool   // this run has it in hand
}

// applyOnly takes what became of a thing's key.
func (p *Progress) applyOnly(r *Record) error {
	m := r.Only
	o, ok := p.Onlys[m.Name]
	if !ok {
		return refuse(r, "%s, which the plan doesn't have", m.Name)
	}
	switch m.At {
	case "begun":
		o.Next, o.Touched = m.Room, true
		p.Changed = true
	case "done":
		if m.Room == OnlyNone && o.Room != OnlyNone {
			o.Was = o.Room
		}
		o.Room, o.Epoch, o.Next, o.Zero, o.Foreign = m.Room, m.Epoch, "", "", ""
	case "failed":
		o.Next = ""
	case "unknown":
	case "zero":
		o.Zero, o.Touched = m.Room, true
		p.Changed = true
	case "foreign":
		o.Foreign, o.Next = m.Room, ""
	case "adopted":
		o.Room, o.Epoch, o.Next, o.Zero, o.Foreign = m.Room, m.Epoch, "", "", ""
	default:
		return refuse(r, "%s is said to be %q, which is no state of a key", m.Name, m.At)
	}
	p.Onlys[m.Name] = o
	return nil
}

// takeOnlys begins what is known of a plan's things that earlier plans didn't have.
func (p *Progress) takeOnlys(plan *Plan) {
	for i := range plan.Onlys {
		o := &plan.Onlys[i]
		if was, ok := p.Onlys[o.Name]; ok {
			if was.Next == "" { // what drifted since the run rested stands in the plan that people have seen
				was.Room, was.Foreign = o.Room, ""
				p.Onlys[o.Name] = was
			}
			continue
		}
		p.Onlys[o.Name] = OnlyProgress{Room: o.Room}
		for _, t := range p.Targets {
			t.Onlys[o.Name] = o.Room
		}
	}
}

// only is a thing of the plan, nil if it has none of that name.
func (p *Plan) only(name string) *OnlyPlan {
	for i := range p.Onlys {
		if p.Onlys[i].Name == name {
			return &p.Onlys[i]
		}
	}
	return nil
}

// onlysNow is where things are to run as a target records it: one that is between two rooms runs where its writers are.
func (p *Progress) onlysNow() map[string]Room {
	out := make(map[string]Room, len(p.Onlys))
	for name, o := range p.Onlys {
		out[name] = o.Room
		if o.Room == OnlyNone && o.Was != "" && p.Plan.only(name) != nil {
			out[name] = p.Writers[p.Plan.only(name).Pairs[0]].Writer
		}
	}
	return out
}
