package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomshift/lab/server"
)

// part is what a lab may have beside its core: another medium, who obeys it, a load of its own that counts every answer. Parts are
// started in the order of Lab.parts, once Consuls, services and gateways run, and ended the other way round.
type part interface {
	start(ctx context.Context) error
	close() // also after a start that failed
	// heal ends the part's own faults, when Consuls and services are up again.
	heal(ctx context.Context) error
	// status is the part's lines, each with its end: what its load has counted, what is set and obeyed.
	status(ctx context.Context) string
	// adds is what the part gives the rest of the lab. It is asked once it has started.
	adds() additions
}

// additions are what a part adds. Everything may be left out.
type additions struct {
	about     string                     // one line for a user who just started the lab, with its end: what there is
	routes    string                     // lines under routes: of rooms.yaml, indented by two
	providers string                     // lines under providers:, indented by two
	rooms     map[string]string          // by room: more lines of it, indented by four
	networks  map[string][]string        // by room: more of its addresses, as they stand in YAML
	rights    []string                   // more lines of the policy of roomshift's token, in both Consuls
	targets   map[string][]server.Target // by room: what its Prometheus scrapes, too
	runbooks  map[string]string          // texts by name, without .yaml
	files     map[string]string          // other texts beside rooms.yaml, by file name
	env       []string                   // NAME=value
	secrets   []string
	words     []word
}

// word is what can be typed into the lab beside the words of its core.
type word struct {
	name string
	help string // its lines of Help, each with its end: what to type, two blanks or more, what it does
	// do carries it out and says what it did. errNotUnderstood: these aren't words of its.
	do func(ctx context.Context, args []string) (said string, err error)
}

var errNotUnderstood = errors.New("not understood")

// makeParts makes the parts that the options ask for. Each is in a field of the lab's, too, for who looks at it.
func (l *Lab) makeParts() {
	if o := l.o.Upstream; o != nil {
		l.Upstream = newUpstream(l, *o)
		l.parts = append(l.parts, l.Upstream)
	}
	if o := l.o.Services; o != nil {
		l.Services = newServices(l, *o)
		l.parts = append(l.parts, l.Services)
	}
	if o := l.o.Splitter; o != nil {
		l.Splitter = newSplitter(l, *o)
		l.parts = append(l.parts, l.Splitter)
	}
	if o := l.o.Names; o != nil {
		l.Names = newNames(l, *o)
		l.parts = append(l.parts, l.Names)
	}
}

func (l *Lab) startParts(ctx context.Context) error {
	l.makeParts()
	for _, p := range l.parts {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	if len(l.parts) == 0 {
		return nil
	}
	return l.allow(ctx)
}

// allow gives roomshift's token what the parts that are there need.
func (l *Lab) allow(ctx context.Context) error {
	for _, room := range rooms {
		if err := l.Consuls[room].SetRules(ctx, l.Rules()); err != nil {
			return err
		}
	}
	return nil
}

// add starts a part in a lab that runs. What files and env say of the lab is worked out anew by who asks; those in its folder stay.
func (l *Lab) add(ctx context.Context, p part) error {
	if err := p.start(ctx); err != nil {
		p.close()
		return err
	}
	l.parts = append(l.parts, p)
	return l.allow(ctx)
}

// drop ends a part that add started.
func (l *Lab) drop(p part) {
	l.parts = slices.DeleteFunc(l.parts, func(other part) bool { return other == p })
	p.close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = l.allow(ctx) // its Consul may be away by now; more rights than it needs do no harm
}

func (l *Lab) closeParts() {
	for _, p := range slices.Backward(slices.Clone(l.parts)) { // a part may take itself off the list
		p.close()
	}
}

// added is every part's additions, in order.
func (l *Lab) added() []additions {
	var all []additions
	for _, p := range l.parts {
		all = append(all, p.adds())
	}
	return all
}

// Rules is what roomshift's token may do in each room's Consul.
func (l *Lab) Rules() string {
	lines := []string{}
	for _, a := range l.added() {
		lines = append(lines, a.rights...)
	}
	slices.Sort(lines)
	rules := baseRules()
	for _, line := range slices.Compact(lines) {
		if !strings.Contains(rules, line+"\n") {
			rules += line + "\n"
		}
	}
	return rules
}

// About is a line for each route and whatever else there is, for a user who just started the lab.
func (l *Lab) About() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "  %-8s the number at a key in each room's Consul, obeyed by the gateways at %s (home) and %s (cloud)\n", Route, l.Gateway(Home), l.Gateway(Cloud))
	for _, a := range l.added() {
		b.WriteString(a.about)
	}
	return b.String()
}

// spoken carries out a line in the words of the parts. Several parts may have one word, each for routes of its own.
func (l *Lab) spoken(ctx context.Context, f []string) (string, error) {
	if said, err := l.toldRoute(ctx, f); !errors.Is(err, errNotUnderstood) {
		return said, err
	}
	for _, a := range l.added() {
		for _, w := range a.words {
			if w.name != f[0] {
				continue
			}
			if said, err := w.do(ctx, f[1:]); !errors.Is(err, errNotUnderstood) {
				return said, err
			}
		}
	}
	return "", errNotUnderstood
}

// Help is what Do understands.
func (l *Lab) Help() string {
	b := &strings.Builder{}
	b.WriteString(coreHelp + l.routesHelp())
	said := map[string]bool{}
	for _, a := range l.added() {
		for _, w := range a.words {
			if !said[w.help] {
				b.WriteString(w.help)
			}
			said[w.help] = true
		}
	}
	b.WriteString(endHelp)
	return b.String()
}

// misunderstood is the error for a line that is no word of Help.
func (l *Lab) misunderstood(line string) error {
	return fmt.Errorf("%q isn't understood; want a line such as\n%s", line, l.Help())
}

// quoted are networks by room as they stand in YAML.
func quoted(networks map[string]string) map[string][]string {
	all := map[string][]string{}
	for room, network := range networks {
		all[room] = []string{strconv.Quote(network)}
	}
	return all
}
