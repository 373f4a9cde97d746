package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// Owner is who a catalog's entry follows: what is written by somebody else is undone by it.
type Owner string

// The owners that can be written. Any other is the name of a controller that keeps its entries by itself, as Kubernetes' sync does.
const (
	OwnedByAgent   Owner = "agent"   // its node's agent, which writes its own over whatever the catalog holds
	OwnedByCatalog Owner = "catalog" // whoever writes the catalog
)

// RoomSigns is by what an instance is known to be a room's: its address is in one of Networks, or a tag of it, or what it or its node
// has under "room" in its meta, is one of Words. The address is looked at first.
type RoomSigns struct {
	Room     cutover.Room
	Networks []netip.Prefix
	Words    []string
}

// listed is an instance as Consul lists it: what it is doesn't depend on which version of Consul it is.
type listed struct {
	Node struct {
		Node, Address string
		Meta          map[string]string
	}
	Service json.RawMessage
	Checks  []listedCheck
}

type listedCheck struct {
	CheckID, Status, Notes, ServiceID string
	ModifyIndex                       uint64
}

// serviceInstance is one of a service, as it was last seen. It is never changed.
type serviceInstance struct {
	object  string
	node    string
	host    string // the node's address
	room    cutover.Room
	owner   Owner
	service api.AgentService // what a transaction carries of it
	dropped string           // what it wouldn't carry, "" all is carried
	drained uint64           // the index of the check by which we keep traffic from it, 0 none
	live    bool             // every other check passes
}

// The check that keeps traffic from an instance. Weight 0 doesn't: Consul's agents refuse it, and its catalog makes 1 of it.
const (
	drainCheck = "roomshift-drained:"
	drainNotes = "roomshift: no traffic, until its weight is set again"
	maintained = "_service_maintenance:" // an agent's own
)

// mostDefinition is how long the definition of an instance may be, in bytes of JSON: a request holds up to 42 of them, and Consul takes
// 512 KiB.
const mostDefinition = 10 << 10

// carried are the fields of an instance that a transaction writes back, in every version: TaggedAddresses, Connect, Kind … aren't.
var carried = []string{"ID", "Service", "Tags", "Meta", "Port", "Address", "Weights", "EnableTagOverride", "Namespace", "Partition",
	"CreateIndex", "ModifyIndex", "Datacenter"}

// parse makes an instance of a service of what was listed. here is the room whose Consul lists it.
func (l *listed) parse(service string, signs []RoomSigns, here cutover.Room) (*serviceInstance, error) {
	i := &serviceInstance{node: l.Node.Node, host: l.Node.Address, live: true, owner: OwnedByCatalog}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(l.Service, &all); err != nil {
		return nil, fmt.Errorf("an instance on %s: %w", l.Node.Node, err)
	}
	for key, into := range map[string]any{"ID": &i.service.ID, "Service": &i.service.Service, "Tags": &i.service.Tags, "Meta": &i.service.Meta,
		"Port": &i.service.Port, "Address": &i.service.Address, "Weights": &i.service.Weights, "Namespace": &i.service.Namespace,
		"EnableTagOverride": &i.service.EnableTagOverride, "Partition": &i.service.Partition,
		"CreateIndex": &i.service.CreateIndex, "ModifyIndex": &i.service.ModifyIndex} {
		if raw, ok := all[key]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, fmt.Errorf("%s of an instance on %s: %w", key, l.Node.Node, err)
			}
		}
	}
	i.object = service + "/" + i.node + "/" + i.service.ID
	if i.service.ModifyIndex == 0 || i.service.Weights.Passing < 1 {
		return nil, fmt.Errorf("%s has no index or no weight", i.object)
	}
	i.dropped = droppedOf(all, len(l.Service))
	i.checks(l.Checks)
	for _, meta := range []map[string]string{l.Node.Meta, i.service.Meta} {
		if by := meta["external-source"]; by != "" {
			i.owner = Owner(by)
		}
	}
	i.room = i.roomBy(signs, l.Node.Meta, here)
	return i, nil
}

// born is another number once an instance was made anew, or deployed again under its ID: 52 bits of its index and its definition. Whatever can
// be changed on a running instance is left out: weights, checks and whether tags may be overridden.
func (i *serviceInstance) born() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\n%q %d\n", i.service.CreateIndex, i.service.Address, i.service.Port)
	if !i.service.EnableTagOverride {
		fmt.Fprintf(h, "%q\n", i.service.Tags)
	}
	for _, k := range sortedKeys(i.service.Meta) {
		fmt.Fprintf(h, "%q %q\n", k, i.service.Meta[k])
	}
	return h.Sum64() >> 12
}

// droppedOf says which of an instance's fields a transaction would drop.
func droppedOf(all map[string]json.RawMessage, size int) string {
	var names []string
	for key, raw := range all {
		if !slices.Contains(carried, key) && !isEmpty(raw) {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	if size > mostDefinition {
		names = append(names, fmt.Sprintf("more than %d KiB", mostDefinition>>10))
	}
	return strings.Join(names, " and ")
}

// isEmpty tells whether a JSON value says nothing: Consul lists what isn't set as null, "", 0, false, or an object of such.
func isEmpty(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	switch string(raw) {
	case "null", `""`, "0", "false", "[]", "{}":
		return true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return false
	}
	for _, m := range members {
		if !isEmpty(m) {
			return false
		}
	}
	return true
}

// checks finds out whether the instance lives, whether we keep traffic from it, and whose it is: an agent's node has a check of its own.
func (i *serviceInstance) checks(checks []listedCheck) {
	for _, c := range checks {
		switch {
		case c.CheckID == "serfHealth":
			i.owner = OwnedByAgent
			i.live = i.live && c.Status == api.HealthPassing
		case c.ServiceID == i.service.ID && isDrain(c.CheckID, c.Notes, i.service.ID):
			i.drained = c.ModifyIndex
		default:
			i.live = i.live && c.Status == api.HealthPassing
		}
	}
}

// isDrain tells whether a check is the one by which roomshift keeps traffic from an instance.
func isDrain(check, notes, id string) bool {
	return check == drainCheck+id || check == maintained+id && notes == drainNotes
}

// roomBy finds the instance's room, "" where nothing says one, or two are said. An agent's node is in the datacenter that lists it; an entry
// that somebody wrote may be anywhere.
func (i *serviceInstance) roomBy(signs []RoomSigns, node map[string]string, here cutover.Room) cutover.Room {
	text := i.service.Address
	if text == "" {
		text = i.host
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		for _, s := range signs {
			for _, n := range s.Networks {
				if n.Contains(addr.Unmap()) {
					return s.Room
				}
			}
		}
	}
	words := append(slices.Clone(i.service.Tags), i.service.Meta["room"], node["room"])
	var said []cutover.Room
	for _, s := range signs {
		if slices.ContainsFunc(s.Words, func(w string) bool { return w != "" && slices.Contains(words, w) }) {
			said = append(said, s.Room)
		}
	}
	switch {
	case len(said) == 1:
		return said[0]
	case said == nil && i.owner == OwnedByAgent:
		return here
	}
	return ""
}

// serviceState is the part of an instance that is ours: its weight while it passes its checks, and whether traffic is kept from it. As text, which
// is an object's value: "300", or "0:300" for an instance that gets nothing, whose weight is 300 behind that. Where agents are written it is
// "0" alone, without the weight: an agent takes both in two requests, and between them nobody may find what is neither before nor after.
type serviceState struct {
	weight int // 0: not told
	out    bool
}

func (s serviceState) String() string {
	switch {
	case s.out && s.weight == 0:
		return "0"
	case s.out:
		return "0:" + strconv.Itoa(s.weight)
	}
	return strconv.Itoa(s.weight)
}

// stateOf reads what String wrote, and nothing else.
func stateOf(value string) (serviceState, error) {
	if value == "0" {
		return serviceState{0, true}, nil
	}
	text, out := strings.CutPrefix(value, "0:")
	n, err := strconv.Atoi(text)
	s := serviceState{n, out}
	if err != nil || n < 1 || n > 65535 || s.String() != value {
		return serviceState{}, fmt.Errorf("%s, want a weight of 1 to 65535, or 0:WEIGHT for no traffic", shown(value))
	}
	return s, nil
}

// reads is how many units a consumer makes of it.
func (s serviceState) reads(scale cutover.Scale) int {
	if s.out {
		return 0
	}
	return scale.Read(s.weight)
}

// told is the state as values of this medium tell it.
func (s *Services) told(is serviceState) serviceState {
	if is.out && s.o.AgentsPort != 0 {
		is.weight = 0
	}
	return is
}

// value is what an instance holds, as Held has it.
func (s *Services) value(i *serviceInstance) string {
	return s.told(serviceState{i.service.Weights.Passing, i.drained != 0}).String()
}

// facts is an instance's version: what a compare-and-set compares with, and what must be known of it to plan over it: INDEX.CHECK:OWNER:DROPPED.
type facts struct {
	index, check uint64
	owner        Owner
	dropped      string
}

func (i *serviceInstance) facts() facts {
	return facts{i.service.ModifyIndex, i.drained, i.owner, i.dropped}
}

func (f facts) String() string {
	return fmt.Sprintf("%d.%d:%s:%s", f.index, f.check, f.owner, f.dropped)
}

// factsOf reads a version; false for one that isn't ours: a dry run invents its own.
func factsOf(version string) (facts, bool) {
	parts := strings.SplitN(version, ":", 3)
	if len(parts) != 3 {
		return facts{}, false
	}
	index, check, _ := strings.Cut(parts[0], ".")
	i, err := strconv.ParseUint(index, 10, 64)
	if err != nil || i == 0 {
		return facts{}, false
	}
	k, err := strconv.ParseUint(check, 10, 64)
	return facts{i, k, Owner(parts[1]), parts[2]}, err == nil
}
