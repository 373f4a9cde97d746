package cutover

import (
	"cmp"
	"fmt"
	"strings"

	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// Plan is what a run will do, as a value: it can be saved, reviewed and compared. Its text (Encode) is what is hashed; the
// Estimates, which change with the traffic, are outside it. Every slice is in an order that depends on the files and the
// servers' content only.
type Plan struct {
	Version     int    `json:"version"` // of this format: 1
	Environment string `json:"environment"`
	Timezone    string `json:"timezone"` // IANA name, or "Local"
	Runbook     string `json:"runbook"`
	Continues   string `json:"continues,omitempty"` // the checkpoint a later segment goes on from
	Until       string `json:"until,omitempty"`
	From        Room   `json:"from"`
	To          Room   `json:"to"`
	Evacuate    bool   `json:"evacuate,omitempty"`

	Rooms  []RoomPlan          `json:"rooms"`
	Links  []LinkPlan          `json:"links,omitempty"`
	Routes []RoutePlan         `json:"routes"`
	Groups map[string][]string `json:"groups,omitempty"`
	Pairs  []PairPlan          `json:"pairs,omitempty"`
	Onlys  []OnlyPlan          `json:"onlys,omitempty"` // that writer steps stop and start
	Peak   map[string]float64  `json:"peak,omitempty"`  // requests in a second by route or group, as declared
	Gates  []GatePlan          `json:"gates"`
	Gauges []Gauge             `json:"gauges"`
	Rules  RulesPlan           `json:"rules"`
	Held   []Held              `json:"held"` // the snapshot, sorted by plane, seat, object
	Steps  []StepPlan          `json:"steps"`

	VerifyWithin T `json:"verifyWithin,omitempty"` // 0: nobody wrote it, see VerifiedWithin

	Estimates *Estimates `json:"-"`
}

// VerifiedWithin is how long after going back the gates may take to be green, before the run ends as not verified.
func (p *Plan) VerifiedWithin() T { return cmp.Or(p.VerifyWithin, 10*Minute) }

// RoomPlan is a room with what is known of it. Capacity is by entry route, requests in a second.
type RoomPlan struct {
	Name     Room               `json:"name"`
	Capacity map[string]float64 `json:"capacity,omitempty"` // by route or group, as declared
	Probed   bool               `json:"probed,omitempty"`   // a probe of it is among the gauges
}

// LinkPlan is a line between two rooms; Bits is what may be used: what is left when one circuit is cut, times keep.
type LinkPlan struct {
	Name    string  `json:"name"`
	Between [2]Room `json:"between"`
	Bits    float64 `json:"bits"`
}

// RoutePlan is a route with its seats. Seats is empty for followers and stayers.
type RoutePlan struct {
	Name    string          `json:"name"`
	Medium  runbooks.Medium `json:"medium"`
	Into    string          `json:"into,omitempty"`
	Follows string          `json:"follows,omitempty"`
	Stays   Room            `json:"stays,omitempty"`
	Seats   []Seat          `json:"seats,omitempty"`
	ByRoom  bool            `json:"byRoom,omitempty"` // Seat.At is a room: requests that are in that room are split there
	Entry   bool            `json:"entry,omitempty"`  // nothing leads into it and it has a split
	Bytes   int64           `json:"bytes,omitempty"`
	Calls   float64         `json:"calls,omitempty"`
	Long    bool            `json:"long,omitempty"`
	Shows   T               `json:"shows,omitempty"` // the slowest of its planes' Shows
	// Observed: a gauge of kind seen reads its true share.
	Observed bool `json:"observed,omitempty"`
}

// PairPlan is a pair as it stood when the plan was made.
type PairPlan struct {
	Name   string      `json:"name"`
	Rooms  [2]Room     `json:"rooms"`
	Writer Room        `json:"writer"`
	OnLost string      `json:"onLost"`
	Record *RecordPlan `json:"record,omitempty"` // nil: there was none, and who says yes to the plan says that the run may create it
	Unread bool        `json:"unread,omitempty"` // whether there is one wasn't seen
	Marker int64       `json:"marker,omitempty"` // the newest epoch that a server knows of, where there is no record: it was lost
}

// RecordPlan is the record of a pair's writer as it was read.
type RecordPlan struct {
	Phase  string `json:"phase"`
	Epoch  int64  `json:"epoch"`
	Seq    int64  `json:"seq"`
	Writer Room   `json:"writer"`
	To     Room   `json:"to,omitempty"`
	Index  uint64 `json:"index"`
}

// String is "STABLE of home, epoch 6".
func (r *RecordPlan) String() string {
	if r == nil {
		return "no record"
	}
	to := ""
	if r.To != "" {
		to = " → " + r.To
	}
	return fmt.Sprintf("%s of %s%s, epoch %d", r.Phase, r.Writer, to, r.Epoch)
}

// Between tells whether a move stands between its sides by the record.
func (p *PairPlan) Between() bool { return p.Record != nil && p.Record.Phase != string(writer.Stable) }

// writer is the room that took a pair's writes when the plan was made, "" if there is no such pair.
func (p *Plan) writer(pair string) Room {
	for _, x := range p.Pairs {
		if x.Name == pair {
			return x.Writer
		}
	}
	return ""
}

// GateKind is what a gate is about.
type GateKind string

// The kinds of gate.
const (
	GateRoom        GateKind = "room"        // judged for each of its rooms
	GateReplication GateKind = "replication" // judged for each direction; Sample.Room receives
	GateLink        GateKind = "link"
)

// GatePlan is a gate with every default filled in.
type GatePlan struct {
	Name      string        `json:"name"`
	Kind      GateKind      `json:"kind"`
	Rooms     []Room        `json:"rooms,omitempty"` // GateRoom: judged in these
	Pair      string        `json:"pair,omitempty"`
	Link      string        `json:"link,omitempty"`
	Database  string        `json:"database,omitempty"` // GateRoom: the pair; judged in the room that has its writer
	Unit      runbooks.Unit `json:"unit"`
	Errors    bool          `json:"errors,omitempty"` // a ratio of bad events with an abort, in every room: an error gate
	Every     T             `json:"every"`
	MaxAge    T             `json:"maxAge"`
	BlindFor  T             `json:"blindFor"`
	Window    T             `json:"window"`
	Hold      *LimitPlan    `json:"hold,omitempty"`
	Abort     *LimitPlan    `json:"abort,omitempty"`
	MinEvents int64         `json:"minEvents"` // 0: events aren't counted
	Bake      T             `json:"bake,omitempty"`
	OnAbort   string        `json:"onAbort,omitempty"`
}

// LimitPlan is one limit. It is passed when the value is past Value for at least Samples samples (by the time of their data)
// that span at least For.
type LimitPlan struct {
	Below   bool    `json:"below,omitempty"`
	Value   float64 `json:"value"`
	For     T       `json:"for"`
	Samples int     `json:"samples"`
}

// GaugeKind is what a gauge measures.
type GaugeKind string

// The kinds of gauge.
const (
	GaugeGate  GaugeKind = "gate"  // a sample per room (or direction) of Gate
	GaugeSeen  GaugeKind = "seen"  // requests by serving room at Seat: Sample.Counts
	GaugeProbe GaugeKind = "probe" // Lo 1 if Room answers, else 0
)

// Gauge is one thing that Gauges measures. Its index in Plan.Gauges is in every sample.
type Gauge struct {
	Kind  GaugeKind `json:"kind"`
	Gate  int       `json:"gate,omitempty"` // GaugeGate: index in Plan.Gates
	Seat  Seat      `json:"seat,omitzero"`  // GaugeSeen
	Room  Room      `json:"room,omitempty"` // GaugeProbe
	Every T         `json:"every"`
}

// RulesPlan is the rules with every default filled in; shares in basis points.
type RulesPlan struct {
	Windows   []runbooks.Window  `json:"windows,omitempty"`
	Blocked   []runbooks.Blocked `json:"blocked,omitempty"`
	FinishBy  string             `json:"finishBy,omitempty"` // "HH:MM" in Plan.Timezone
	MaxShare  map[Room]int       `json:"maxShare,omitempty"`
	MaxMove   int                `json:"maxMove"`
	FirstMove int                `json:"firstMove"` // into a room below it, at most it
	Headroom  int                `json:"headroom"`
	MaxOut    int                `json:"maxOut"` // of a service's live instances out in one write
}

// StepPlan is a step with every default filled in.
type StepPlan struct {
	Name      string            `json:"name"`
	Number    int               `json:"number"` // its place in the file, from 1
	Kind      runbooks.StepKind `json:"kind"`
	Line      int               `json:"line"`
	After     []int             `json:"after"` // indices of steps; for a checkpoint, every step above
	AnyWindow bool              `json:"anyWindow,omitempty"`
	Needed    bool              `json:"needed"`
	Within    T                 `json:"within,omitempty"`
	Approve   *AskPlan          `json:"approve,omitempty"`

	Rungs      []RungPlan  `json:"rungs,omitempty"` // shift and ttl (one rung)
	Writer     *WriterPlan `json:"writer,omitempty"`
	Check      *CheckPlan  `json:"check,omitempty"`
	Ask        *AskPlan    `json:"ask,omitempty"`
	Checkpoint string      `json:"checkpoint,omitempty"`
	Guard      bool        `json:"guard,omitempty"`
	Back       string      `json:"back,omitempty"`     // a back step: "start", "checkpoint" or "rung"
	Defaults   []string    `json:"defaults,omitempty"` // names of fields that nobody wrote
}

// RungPlan is one rung: what each seat is to carry, and what the plan expects of it. Settle and Bake follow the writing.
type RungPlan struct {
	Want    map[Seat]Share `json:"want,omitempty"`   // shift
	TTL     map[Seat]T     `json:"ttl,omitempty"`    // ttl
	OldTTL  T              `json:"oldTTL,omitempty"` // ttl: what must be waited out
	Skip    bool           `json:"skip,omitempty"`   // already there when the plan was made; looked at again when reached
	Move    int            `json:"move"`             // composed basis points that the room named by the step gains; for `already`
	One     bool           `json:"one"`              // names one layer only: also skipped when the live share has passed it
	Settle  SettlePlan     `json:"settle"`
	Ready   T              `json:"ready"` // written → seen, usually
	Bake    T              `json:"bake"`
	Changes []Change       `json:"changes,omitempty"` // as they would be written from the snapshot; `plan --writes`
	Waves   []int          `json:"waves,omitempty"`   // how many of Changes each wave has
}

// SettlePlan is when a rung counts as arrived. Tolerance basis points, or Reach basis points of the way.
type SettlePlan struct {
	Within    T      `json:"within"`
	Tolerance int    `json:"tolerance,omitempty"`
	Reach     int    `json:"reach,omitempty"`
	Else      string `json:"else"` // ask, hold, back, go on
}

// AskPlan waits for a person.
type AskPlan struct {
	By     string `json:"by,omitempty"`
	Within T      `json:"within"`
	Else   string `json:"else"` // hold, back
}

// WriterPlan moves the write role of pairs to a room, one after the other.
type WriterPlan struct {
	To       Room     `json:"to"`
	Pairs    []string `json:"pairs"`
	NoWriter T        `json:"noWriter"`          // for so long each may be without a writer
	With     []string `json:"with,omitempty"`    // things that stop before the move and start after it
	Without  []string `json:"without,omitempty"` // things that follow these pairs and aren't named: they stop by themselves, and nobody starts them
	IfLost   string   `json:"ifLost"`            // ask or hold
	// Once: a move that is given up isn't asked about: the run ends where it began. Nobody may be there who could answer.
	Once bool `json:"once,omitempty"`
	// Reopen: the writers came up closed where they are, in To, and are opened; nothing else is done.
	Reopen bool `json:"reopen,omitempty"`
}

// Budget divides the time that a pair may be without a writer.
func (w *WriterPlan) Budget() writer.Budget { return budgetFor(w.NoWriter) }

// String is "writer of feed-db in cloud".
func (w *WriterPlan) String() string {
	text := "writer of " + strings.Join(w.Pairs, ", ") + " in " + w.To
	if len(w.With) > 0 {
		text += ", with " + strings.Join(w.With, ", ")
	}
	return text
}

// CheckPlan is what must be true.
type CheckPlan struct {
	Room     Room     `json:"room,omitempty"` // probe
	Host     string   `json:"host,omitempty"`
	Paths    []string `json:"paths,omitempty"`
	Capacity string   `json:"capacity,omitempty"` // now or peak

	Writer   *WriterCheckPlan `json:"writer,omitempty"`
	Checksum []ChecksumPlan   `json:"checksum,omitempty"` // sorted by pair
}

// Estimates is what a plan shows and no decision needs: it follows the traffic.
type Estimates struct {
	Rates map[Seat]float64 // requests in a second observed at a seat; absent: not observed
	Rungs []RungEstimate
	Takes T // if nothing holds
	Notes []Note
}

// RungEstimate is what a rung means. Shares are basis points of all requests whose rate is known.
type RungEstimate struct {
	Step, Rung        int
	Share             Share // composed
	Crossing          int
	LoadNow, LoadPeak map[Room]float64 // part of capacity, 1 is all of it; absent: unknown
	LineNow, LinePeak map[string]float64
	BackFast, BackAll T
	Ready, Bake       T
}

// Note is something to look at. Bad notes are problems for run.
type Note struct {
	Step int // -1: the plan
	Bad  bool
	Text string
}
