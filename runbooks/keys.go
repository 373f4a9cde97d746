package runbooks

import (
	"slices"
	"strings"
)

// The keys of the language, once. The parser refuses every key that isn't here, the published schemas list the same ones (a
// test holds them together), and a name chosen by people may be none of them, so that a key can be added to a map of names
// and a reader never wonders which is which.

// shape is the keys of one kind of map. The keys of an open one stand among names, of rooms or routes.
type shape struct {
	name     string // in the schema's $defs; the file's kind for the whole file
	what     string // in messages
	keys     []string
	required []string
	open     bool
}

func words(s string) []string { return strings.Fields(s) }

// The maps of rooms.yaml.
var (
	shapeRooms = &shape{name: "rooms", what: "rooms.yaml", required: words("version environment rooms"),
		keys: words("version environment timezone control rooms links peak probe observe prometheus providers routes groups pairs only gates")}
	shapeControl     = &shape{name: "control", what: "control", keys: words("room orElse prefix")}
	shapeRoom        = &shape{name: "room", what: "a room", keys: words("consul agents prometheus addresses capacity")}
	shapeConsul      = &shape{name: "consul", what: "a room's consul", keys: words("addr datacenter tokenFile caFile certFile keyFile serverName"), required: words("addr")}
	shapeAgents      = &shape{name: "agents", what: "agents", keys: words("port"), required: words("port")}
	shapePrometheus  = &shape{name: "prometheus", what: "prometheus", keys: words("addr tokenFile caFile certFile keyFile serverName scrape"), required: words("addr")}
	shapeCapacity    = &shape{name: "capacity", what: "capacity", keys: words("tested"), open: true}
	shapeLink        = &shape{name: "link", what: "a link", keys: words("between circuits keep"), required: words("between circuits")}
	shapePeak        = &shape{name: "peak", what: "peak", keys: words("at"), open: true}
	shapeProbe       = &shape{name: "probe", what: "probe", keys: words("host paths"), required: words("host paths")}
	shapeObserve     = &shape{name: "observe", what: "observe", keys: words("prometheus room"), required: words("prometheus room")}
	shapeRoute       = &shape{name: "route", what: "a route", keys: words("consul dns follows stays into seats bytes calls connections observe")}
	shapeRouteConsul = &shape{name: "routeConsul", what: "a route's consul", keys: words("key field as of service consumer upstream splitter legs tag")}
	shapeDNS         = &shape{name: "dns", what: "dns", keys: words("name provider lines"), required: words("name provider")}
	shapeProviders   = &shape{name: "providers", what: "providers", keys: words("alidns dts alirds")}
	shapeAlidns      = &shape{name: "alidns", what: "alidns", keys: words("addr credentialsFile caFile nameServers networks")}
	shapeCloud       = &shape{name: "cloud", what: "a cloud's API", keys: words("addr region credentialsFile caFile"), required: words("region")}
	shapePair        = &shape{name: "pair", what: "a pair", keys: words("record onLost publish sync breaks"), open: true}
	shapeMaster      = &shape{name: "master", what: "one side of a pair", keys: words("dsnEnv caFile certFile keyFile serverName readers restarts fence"), required: words("dsnEnv")}
	shapeFence       = &shape{name: "fence", what: "a fence", keys: words("provider instance parameter quiet"), required: words("provider instance")}
	shapeReaders     = &shape{name: "readers", what: "readers", keys: words("consul"), required: words("consul")}
	shapeSync        = &shape{name: "sync", what: "sync", keys: words("dts"), required: words("dts")}
	shapeOnly        = &shape{name: "only", what: "an only", keys: words("consul pair user within running behind")}
	shapeOnlyConsul  = &shape{name: "onlyConsul", what: "an only's consul", keys: words("key"), required: words("key")}
	shapeRunning     = &shape{name: "running", what: "running", keys: words("prometheus consul each"), required: words("each")}
	shapeBehind      = &shape{name: "behind", what: "behind", keys: words("prometheus each"), required: words("prometheus each")}
	shapeGate        = &shape{name: "gate", what: "a gate",
		keys: words("each rooms link ratio prometheus replication database every maxAge blindFor window hold abort minEvents bake onAbort")}
	shapeRatio = &shape{name: "ratio", what: "a ratio", keys: words("good bad of")}
	shapeAsked = &shape{name: "asked", what: "a gate's prometheus", keys: words("in query"), required: words("query")}
	shapeLimit = &shape{name: "limit", what: "a limit", keys: words("above below for")}
)

// The maps of a runbook.
var (
	shapeRunbook = &shape{name: "runbook", what: "a runbook", required: words("version name move steps"),
		keys: words("version name about move evacuate returns bake verifyWithin rules gates steps")}
	shapeMove  = &shape{name: "move", what: "move", keys: words("from to"), required: words("from to")}
	shapeRules = &shape{name: "rules", what: "rules",
		keys: words("windows blocked finishBy maxShare maxMove headroom rehearsedWithin")}
	shapeWindow   = &shape{name: "window", what: "a window", keys: words("days between"), required: words("between")}
	shapeBlocked  = &shape{name: "blocked", what: "a blocked span", keys: words("from to why"), required: words("from to")}
	shapeOverride = &shape{name: "override", what: "a gate's change in a runbook",
		keys: words("each rooms every maxAge blindFor window hold abort minEvents bake onAbort")}
	shapeLimitChange = &shape{name: "limitChange", what: "a limit's change in a runbook", keys: words("above below for")}
	shapeStep        = &shape{name: "step", what: "a step", keys: words("name after bake settle approve within needed window " +
		"ttl shift writer switch drain call check ask checkpoint guard back")}
	shapeSettle      = &shape{name: "settle", what: "settle", keys: words("within tolerance reach else")}
	shapeAsk         = &shape{name: "ask", what: "a question", keys: words("by within else"), required: words("by")}
	shapeCheck       = &shape{name: "check", what: "a check", keys: words("probe writer capacity checksum quiet")}
	shapeCheckProbe  = &shape{name: "checkProbe", what: "a check's probe", keys: words("room host paths"), required: words("room host paths")}
	shapeCheckWriter = &shape{name: "checkWriter", what: "a check's writer", keys: words("pairs to"), required: words("pairs to")}
	shapeQuiet       = &shape{name: "quiet", what: "quiet", keys: words("room below for"), required: words("room below for")}
	shapeWriter      = &shape{name: "writer", what: "writer", keys: words("to pairs noWriter with ifLost"), required: words("to pairs")}
	shapeDrain       = &shape{name: "drain", what: "a drain", keys: words("in rate"), required: words("in rate")}
	shapeCall        = &shape{name: "call", what: "a call", keys: words("do verify undo tokenFile"), required: words("do verify undo")}
	shapeRequest     = &shape{name: "request", what: "a request", keys: words("get post put patch delete field is")}
)

// shapesOf lists the maps of one kind of file.
func shapesOf(kind string) []*shape {
	if kind == "rooms" {
		return []*shape{shapeRooms, shapeControl, shapeRoom, shapeConsul, shapeAgents, shapePrometheus, shapeCapacity, shapeLink,
			shapePeak, shapeProbe, shapeObserve, shapeRoute, shapeRouteConsul, shapeDNS, shapeProviders, shapeAlidns, shapeCloud, shapePair, shapeMaster, shapeFence, shapeReaders,
			shapeSync, shapeOnly, shapeOnlyConsul, shapeRunning, shapeBehind, shapeGate, shapeRatio, shapeAsked, shapeLimit}
	}
	return []*shape{shapeRunbook, shapeMove, shapeRules, shapeWindow, shapeBlocked, shapeOverride, shapeLimitChange, shapeStep,
		shapeSettle, shapeAsk, shapeCheck, shapeCheckProbe, shapeCheckWriter, shapeQuiet, shapeWriter, shapeDrain, shapeCall,
		shapeRequest}
}

// reserved is every key of the language, sorted.
var reserved = func() []string {
	var all []string
	for _, kind := range []string{"rooms", "runbook"} {
		for _, s := range shapesOf(kind) {
			all = append(all, s.keys...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

func isKey(s string) bool {
	_, ok := slices.BinarySearch(reserved, s)
	return ok
}

// stepKinds is the kinds of step in the order that messages list them.
var stepKinds = []StepKind{StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall, StepCheck, StepAsk, StepCheckpoint, StepBack}

// kindsWith lists, for the keys that not every kind of step has, the kinds that have them.
var kindsWith = map[string][]StepKind{
	"bake":    {StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall},
	"settle":  {StepShift},
	"approve": {StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall, StepCheck, StepBack},
	"within":  {StepSwitch, StepCall, StepCheck, StepAsk},
	"needed":  {StepSwitch, StepDrain, StepCall, StepCheck, StepAsk},
	"after":   {StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall, StepCheck, StepAsk},
	"window":  {StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall, StepCheck, StepAsk, StepBack},
	"name":    {StepTTL, StepShift, StepWriter, StepSwitch, StepDrain, StepCall, StepCheck, StepAsk, StepBack},
	"guard":   {StepCheckpoint},
}
