// Package runbooks is the language: it turns rooms.yaml and runbook files into values, and says every problem of a file
// at once with line and column. It knows no server and makes no request.
//
// Data flows: YAML → LoadRooms → Rooms; YAML + Rooms → LoadRunbook → Runbook (names resolved, gates merged, defaults
// filled in and marked). Package cutover takes both and makes a plan.
package runbooks

import (
	"net/netip"
	"time"
)

// Pos is a place in a file. Line and Col count from 1.
type Pos struct {
	File      string
	Line, Col int
}

// Percent is a share in basis points, 0..10000; files write it as a percentage with at most two decimals.
type Percent int

// Rate is a number of events in a second; files write it as "120k/s", "20/s", "10%/m" is not a Rate but a Drain.
type Rate float64

// Unit is what a limit's number means. Two limits of one gate, and a gate and its query, are of one unit.
type Unit string

// The units of a limit: 0.5% is a ratio held as 0.005, 500ms a duration held in seconds, 20/s a rate held per second.
const (
	UnitNumber   Unit = "number"
	UnitRatio    Unit = "ratio"
	UnitDuration Unit = "duration"
	UnitRate     Unit = "rate"
)

// Rooms is rooms.yaml: what exists. Every slice is in file order.
type Rooms struct {
	Pos
	Environment string
	Timezone    *time.Location
	TimezoneSet bool // false: the machine's, which plan says
	Control     Control
	Rooms       []Room
	Links       []Link
	Peak        Peak
	Probe       *Probe
	Observe     *Observe
	Prometheus  *Prometheus // serves rooms that have none of their own
	Alidns      *Alidns     // nil: Alibaba's own address, and the environment's AccessKey
	DTS         *Cloud      // where the sync tool of pairs answers; nil: not said
	AliRDS      *Cloud      // where masters' parameters are set that no statement may set; nil: not said
	Routes      []Route
	Groups      []Group
	Pairs       []Pair
	Only        []Only
	Gates       []Gate
}

// Control says whose Consul holds the lock, the writer records and the shared journal.
type Control struct {
	Pos
	Room, OrElse, Prefix string
}

// Room is one data centre.
type Room struct {
	Pos
	Name       string
	Consul     *Consul
	AgentsPort int // 0: agent-owned instances can only be read
	Prometheus *Prometheus
	Addresses  []Address
	Capacity   map[string]Rate // by route or group; a key's absence means unknown
	Tested     string          // the date of the load test, as written
}

// Consul is how one room's Consul is reached. TokenFile is relative to rooms.yaml until LoadRooms has joined the two.
type Consul struct {
	Pos
	TLS
	Addr, Datacenter, TokenFile string
}

// TLS is how a server proves who it is, and we who we are: the authority that signed its certificate ("": the machine's), our own
// certificate with its key ("": none), and the name in the server's certificate ("": the address).
type TLS struct{ CAFile, CertFile, KeyFile, ServerName string }

// Prometheus is how a Prometheus is reached. Scrape 0: read from it, else 15 s.
type Prometheus struct {
	Pos
	TLS
	Addr, TokenFile string
	Scrape          time.Duration
}

// Address maps DNS values to a room (a CIDR) or says where the room is probed (a URL).
type Address struct {
	Pos
	CIDR, URL string // one of them
}

// Link is the line between two rooms.
type Link struct {
	Pos
	Name     string
	Between  [2]string
	Circuits []float64 // bits in a second
	Keep     Percent   // of what is left when one circuit is cut
}

// Peak is the load the plan is also worked out for.
type Peak struct {
	Pos
	Rates map[string]Rate // by route or group
	At    string          // as written, in Timezone
}

// Probe is an HTTP request that a room must answer with 2xx or 3xx on every path.
type Probe struct {
	Pos
	Room  string // "" in rooms.yaml: asked of each room
	Host  string
	Paths []string
}

// Observe is where the true share is read: a query by a label that holds room names.
type Observe struct {
	Pos
	Query, RoomLabel string
}

// Medium is where a route's split is held.
type Medium string

// The media. Follows and stays hold no split of their own.
const (
	MediumKey      Medium = "key"      // a number at a Consul key
	MediumUpstream Medium = "upstream" // an upstream's keys
	MediumService  Medium = "service"  // a service's weights
	MediumSplitter Medium = "splitter" // a service-splitter
	MediumDNS      Medium = "dns"      // a name's weights
	MediumFollows  Medium = "follows"
	MediumStays    Medium = "stays"
)

// Route is one thing that carries traffic.
type Route struct {
	Pos
	Name   string
	Medium Medium

	Key      *KeyMedium // MediumKey
	Service  string     // MediumService, MediumSplitter: the service's name
	Consumer string     // who reads weights: of a service haproxy, generic, envoy; of an upstream upsync, apisix
	// Legs are, by room, the subset or service of the splitter's leg that leads there; nil: the rooms' own names.
	Legs     map[string]string
	Upstream string     // MediumUpstream
	DNS      *DNSMedium // MediumDNS

	Follows string // MediumFollows: the route it is called beside
	Stays   string // MediumStays: its room
	Tag     string // of followers and stayers: the services meant

	Into    string   // the route this one leads into, "" none
	Seats   []string // rooms whose Consul holds one copy each; nil: once for all (in the control room's Consul)
	Bytes   int64    // per request that crosses
	Calls   float64  // calls over the line for each request, of a stayer
	Long    bool     // connections: long
	Observe *Observe // its own, else Rooms.Observe
}

// KeyMedium is a number at a key: the part of the traffic, in As units, that room Of gets. Field is a dotted path in a JSON
// value, "" when the value is the plain number.
type KeyMedium struct {
	Pos
	Key, Field string
	As         string // percent, permille or basispoints
	Of         string
}

// Alidns is how Alibaba Cloud DNS is reached. Addr "": Alibaba's own. CredentialsFile "": the AccessKey is in the environment, as
// Alibaba's tools have it. NameServers are asked what names are answered with, as host:port; nil: the zone's own. Networks are a client's
// network for each line, for asking on it.
type Alidns struct {
	Pos
	Addr, CredentialsFile, CAFile string
	NameServers                   []string
	Networks                      map[string]netip.Prefix
}

// Cloud is how one product of Alibaba Cloud's is reached in a region. Addr "": Alibaba's own. CredentialsFile as of Alidns.
type Cloud struct {
	Pos
	Addr, Region, CredentialsFile, CAFile string
}

// DNSMedium is a name at a provider. Lines nil means all lines the provider holds now.
type DNSMedium struct {
	Pos
	Name, Provider string
	Lines          []string
}

// Group is routes that move as one.
type Group struct {
	Pos
	Name   string
	Routes []string
}

// Pair is two MySQL masters that replicate from each other.
type Pair struct {
	Pos
	Name    string
	Masters [2]Master // in the order of Rooms.Rooms
	Record  string    // whose Consul holds the writer record; "" the control room's
	OnLost  string    // "freeze" or "traffic"
	Publish string    // the service in each room's Consul that leads to the writer; "" none
	// DTS is the sync tool's two tasks, the first from Masters[0] to Masters[1]; the same twice: one instance of both directions. nil: native
	// replication.
	DTS []string

	Breaks map[string]string // checks before a move that this pair is excepted from, by name: the reasons
}

// Master is one side of a pair. The DSN itself is only ever in the environment variable DSNEnv. Without any word of TLS it is as the
// DSN says.
type Master struct {
	Pos
	TLS
	Room, DSNEnv, Readers string
	RestartsFenced        bool
	Fence                 *Fence // nil: a statement fences it
}

// Fence is how a master is fenced whose provider lets nobody set read_only by a statement. Parameter "": read_only. Quiet 0: as long as
// an older request may be accepted there.
type Fence struct {
	Pos
	Provider, Instance, Parameter string
	Quiet                         time.Duration
}

// Only is something that runs in exactly one room, or in none: where its key says, and only while the pair's record says that its writer
// is there.
type Only struct {
	Pos
	Name   string
	Key    string        // "" PREFIX/only/NAME; in the Consul that has the pair's record
	Pair   string        // "": the only pair of the file, or all of the steps that name it, see PairsOf
	User   string        // its account on the pair's masters, "" none: it has no open transaction when it has stopped
	Within time.Duration // so long it may take to stop; 0: two minutes

	Running *Observe // how many of it run, asked at each room; RoomLabel unused
	Service string   // instead: how many instances of this service pass, in each room's Consul
	Behind  *Observe // how much of its offsets hasn't reached the room that it goes to, asked there; nil: it has none
}

// Measured says whether it can be seen that nothing of it runs.
func (o *Only) Measured() bool { return o.Running != nil || o.Service != "" }

// Gate is a measured value with two limits. LoadRunbook returns it merged with the runbook's overrides.
type Gate struct {
	Pos
	Name        string
	Each        bool     // each: room
	RoomNames   []string // rooms: [..]; nil with Each: all rooms
	Link        string   // the gate is about this link
	Ratio       *Ratio
	Query       string // prometheus
	In          string // the room whose Prometheus is asked, for link gates; "" the judged room's
	Replication string // the pair
	Database    string // the pair whose writer's database it measures; RoomNames are that pair's rooms
	Every       time.Duration
	MaxAge      time.Duration
	BlindFor    time.Duration
	Window      time.Duration // what $window starts from
	Hold, Abort *Limit        // nil: no such limit
	MinEvents   int
	Bake        time.Duration // at least so long after each rung, 0: the step's
	OnAbort     string        // "", "back", "rung" or "freeze"
}

// Ratio is two of Good, Bad and Of; the value is bad/of for error ratios (Bad and Of), good/(good+bad), or good/of.
// A ratio of Good is a share of good events (limits: below), of Bad and Of a share of bad ones (limits: above).
type Ratio struct {
	Pos
	Good, Bad, Of string
}

// Limit is one side that a value must not pass. Value is in Unit's held form. For 0 means the default number of samples.
type Limit struct {
	Pos
	Below  bool // the value must not fall below; else must not rise above
	Value  float64
	Unit   Unit
	For    time.Duration
	ForSet bool
}
