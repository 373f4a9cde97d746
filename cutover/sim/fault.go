package sim

import (
	"fmt"
	"strings"

	"roomshift/cutover"
)

// Fault is something that goes wrong at a moment: by virtual time since the start, at the n-th request that writes, or when a
// record is written. ParseFault makes one.
type Fault struct {
	text string
	kind string

	pair, gate, seat, route, room, plane, object, only string
	from, to                                           cutover.Room
	value                                              float64 // a part of 1, or a number, or seconds
	text2                                              string  // a value as written
	d                                                  cutover.T
	n                                                  int // how many, 0: half, -1: all

	at     cutover.T // Never: not by time
	write  int       // 0: not by a write
	writes int       // so many from that on
	record int64     // 0: not by a record
	before bool      // before the record is written
	span   cutover.T // 0: it lasts
	in     string    // a room or a plane
}

// String is the fault as it was written.
func (f Fault) String() string { return f.text }

// faultForm is one way to write a fault. Words in capitals stand for: PAIR, GATE (or GATE@ROOM), SEAT (or a route), ROUTE, ROOM,
// PLANE (or a room), OBJECT, ONLY; A→B two rooms; D a time; P a percentage; V a percentage, time or number; N a number, "half" or
// "all"; W the number of a write.
type faultForm struct {
	kind, form, about string
}

// faultForms is the grammar, in the order in which help shows it.
var faultForms = []faultForm{
	{"lag", "lag PAIR A→B D", "replication into B is D late"},
	{"stop", "stop PAIR A→B", "B's applier stops: the lag grows"},
	{"break", "break PAIR A→B", "replication into B can't be measured"},
	{"preflight", "preflight PAIR CHECK", "a check before a move fails; one called writer.NAME can be broken by name"},
	{"early", "early PAIR", "a move of its writer may not begin yet"},
	{"idle", "idle PAIR A→B", "replication into B has nothing to measure, and is alive"},
	{"cut", "cut", "the rooms can't reach each other"},
	{"errors", "errors ROOM P", "so many of the requests served there fail"},
	{"latency", "latency ROOM D", "requests served there take so much longer"},
	{"load", "load P", "so many requests, of the usual number"},
	{"cold", "cold ROOM", "its caches are empty"},
	{"value", "value GATE V", "the gate's source says this"},
	{"blind", "blind GATE", "the gate's source gives no answer"},
	{"silent", "silent GATE", "the gate's gauge hands nothing over any more"},
	{"prometheus", "prometheus ROOM down", "its Prometheus is gone"},
	{"consul", "consul ROOM down", "its Consul is gone, with its locks' renewals"},
	{"room", "room ROOM down", "all of it is gone"},
	{"drift", "drift PAIR", "the last comparison saw that the rooms aren't the same"},
	{"uncompared", "uncompared PAIR", "the rooms were never compared"},
	{"stray", "stray PAIR ROOM", "somebody writes on the pair's master there, past its fence"},
	{"server", "freeze server ROOM", "its MySQL masters stand still"},
	{"probe", "probe ROOM fails", "it doesn't answer probes"},
	{"plane", "plane PLANE down", "nothing can be sent there"},
	{"slow", "slow api PLANE D", "its requests take D"},
	{"hang", "hang write W", "the request's worker doesn't come back for 10 s, or for D: the write lands then"},
	{"hang", "hang writes", "the same for every write from then on"},
	{"hang reads", "hang reads", "the workers of all listings don't come back so: for 10 s, or for D"},
	{"late", "late write W D", "no answer; the write lands D later"},
	{"lose reply", "lost reply", "the write is made, its answer lost"},
	{"lose write", "lost write", "the write isn't made, and there is no answer"},
	{"fail", "fail write W", "the server answers 500"},
	{"fail", "fail writes", "the same for every write from then on"},
	{"throttle", "throttle write W D", "the server answers 429 and asks to wait D"},
	{"throttle", "throttle writes D", "the same for every write until D is over"},
	{"throttle reads", "throttle reads D", "the same for every listing until D is over"},
	{"kill", "kill", "kill -9 of the process; another one takes over"},
	{"kill before", "kill before record W", "the same, and the record is lost"},
	{"foreign", "foreign SEAT P", "somebody else gives the seat this share"},
	{"foreign object", "foreign OBJECT = V", "somebody else writes the object"},
	{"stuck", "stuck ONLY", "it goes on where it runs, whatever its key says"},
	{"foreign only", "key ONLY = ROOM", "somebody else sets its key"},
	{"replace", "replace N ROUTE", "so many instances go, as many others come"},
	{"join", "join N ROUTE", "so many instances come"},
	{"leave", "leave N ROUTE", "so many instances go"},
	{"restart", "restart N ROUTE", "so many instances are made anew under their names, with the weight that they come with"},
	{"sick", "sick N ROUTE", "so many instances fail their checks; with \"for D\" only so long"},
	{"lock lost", "lock lost", "the session behind the lock ends"},
	{"lock freed", "lock freed", "somebody deletes it: another process may have it at once"},
	{"lock stalls", "lock stalls", "its renewals hang"},
	{"journal full", "journal full", "the journal's disk is full"},
	{"journal stalls", "journal stalls D", "the journal's disk stands still for D"},
	{"journal fails", "journal fails", "an append is lost, its outcome unknown"},
	{"journal unanswered", "journal unanswered", "an append is made, its outcome unknown"},
}

// FaultHelp is the grammar, one line for each form.
func FaultHelp() string {
	var b strings.Builder
	for _, f := range faultForms {
		fmt.Fprintf(&b, "%-28s %s\n", f.form, f.about)
	}
	b.WriteString("then  at T | at write W | at writes W-W | at record N,  and maybe  for D  and  in ROOM\n")
	return b.String()
}

// ParseFault reads a fault: one of FaultHelp's forms, then when ("at 12m", "at write 3", "at writes 3-7", "at record 17"), then
// maybe how long ("for 5m"; without it the fault lasts) and where ("in cloud"; for locks, instances, API and write faults).
// Examples:
//
//	lag feed-db home→cloud 10s at 12m        (-> for →)
//	errors cloud 5% at 20m for 5m
//	kill at write 3
//	kill before record 17
//	lost reply at write 4
//	hang write 5 for 10s
//	hang writes at 5m for 1m in cloud
//	throttle writes 30s at 12m in alidns
//	foreign gw@home 33% at 8m
//	replace half gw at 10m
//
// An error says what was wanted, and ends in a hint.
func ParseFault(text string) (Fault, error) {
	f := Fault{text: strings.TrimSpace(text), at: cutover.Never}
	words := strings.Fields(strings.ReplaceAll(joinArrows(text), "=", " = "))
	head, err := f.clauses(words)
	if err != nil {
		return f, fmt.Errorf("fault %q: %w", f.text, err)
	}
	if len(head) == 0 {
		return f, fmt.Errorf("fault %q says nothing: one form is %q", f.text, "errors cloud 5% at 20m for 5m")
	}
	var near error
	for _, form := range faultForms {
		g := f
		err := g.fill(form, head)
		if err == nil {
			if err = g.when(); err == nil {
				return g, nil
			}
			return f, fmt.Errorf("fault %q: %w", f.text, err)
		}
		if strings.Fields(form.form)[0] == head[0] && near == nil {
			near = fmt.Errorf("fault %q: %w; the form is %q", f.text, err, form.form+" at …")
		}
	}
	if near != nil {
		return f, near
	}
	return f, fmt.Errorf("fault %q begins with %q, which is no fault; did you mean %q?", f.text, head[0], nearest(head[0], firstWords()))
}
