// Package alidnstest is an emulator of Alibaba Cloud DNS at the wire, for tests and the lab: the API as the SDK speaks it (RPC style,
// version 2015-01-09), and name servers that answer by what the API was told.
//
//   - It listens on 127.0.0.1 only.
//   - A request is carried out only if its signature, nonce, timestamp and rights are good; else it changes nothing.
//   - A name's weights work among enabled records of one host, type and line, and only where the weight switch is on.
//   - What isn't known of the real service is modelled in the way that is worse for its client: see Options.
package alidnstest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"roomshift/aliyun/alitest"
)

// Options are what an account is like. The zero value is an account of a paid edition that may do everything.
type Options struct {
	KeyID, Secret, Token string // "": TestKeyID, TestSecret, no token
	MinTTL               int64  // the edition's floor in seconds, 0: 1
	MaxWeighted          int    // records of one host, type and line, 0: 90
	MaxRecords           int    // of a zone, 0: no limit
	PageLimit            int64  // answers hold at most so many, whatever was asked for; 0: 500
	PerSecond            map[string]int
	Allowed              []string // actions that the key may call; nil: all
	NameServers          int      // how many authorities answer, 0: 2
	// Lines says whose queries belong to which line: by the client subnet in the query, else by the asking address. Others get default.
	Lines map[string][]netip.Prefix
	// ResetsWeight: UpdateDomainRecord puts a record's weight back to 1. It isn't known whether the real one does.
	ResetsWeight bool
	Seed         uint64
	Now          func() time.Time // nil: the wall clock
	// Late is how long after its client gave up a held request lands, 0: 10 s.
	Late time.Duration
}

// Record is one record as the API shows it. Weight is kept while the record is disabled and while weights are off.
type Record struct {
	ID, Zone, RR, Type, Line, Value string
	TTL                             int64
	Priority                        int64
	Weight                          int
	Disabled, Locked                bool
	Remark                          string
}

// Name is the record's full name.
func (r Record) Name() string {
	if r.RR == "@" {
		return r.Zone
	}
	return r.RR + "." + r.Zone
}

// switchKey is what the weight switch is set for.
type switchKey struct{ name, kind, line string }

// zone is one domain of the account.
type zone struct {
	name                            string
	forbidden, blackHole, dnsChange bool
}

// Server is the emulator: the wire, what was told, and the name servers.
type Server struct {
	*alitest.Server
	o        Options
	names    []*nameServer
	handlers sync.WaitGroup

	mu      sync.Mutex
	zones   map[string]*zone
	records []*Record // in order of their making
	nextID  int64
	off     map[switchKey]bool // weights are on unless they are here
	rnd     *rand.Rand
	log     []string
}

// New starts an emulator on ports of its own.
func New(o Options) (*Server, error) {
	o.MinTTL, o.MaxWeighted = cmp.Or(o.MinTTL, 1), cmp.Or(o.MaxWeighted, 90)
	o.PageLimit, o.NameServers = cmp.Or(o.PageLimit, 500), cmp.Or(o.NameServers, 2)
	s := &Server{o: o, zones: map[string]*zone{}, nextID: 9_000_000_000_000_001, off: map[switchKey]bool{}, rnd: rand.New(rand.NewPCG(o.Seed, 1))}
	var err error
	if s.Server, err = alitest.New(alitest.Options{KeyID: o.KeyID, Secret: o.Secret, Token: o.Token, PerSecond: o.PerSecond, Allowed: o.Allowed,
		Seed: o.Seed, Now: o.Now, Late: o.Late, Host: "alidns.aliyuncs.com"}, s.actions()); err != nil {
		return nil, err
	}
	for i := range o.NameServers {
		ns, err := s.startNames(fmt.Sprintf("ns%d.alidns.test.", i+1))
		if err != nil {
			s.Close()
			return nil, err
		}
		s.names = append(s.names, ns)
	}
	return s, nil
}

// Close ends the emulator and waits for what it started. Requests that are held never land.
func (s *Server) Close() {
	s.Server.Close()
	for _, ns := range s.names {
		ns.stop()
	}
	s.handlers.Wait()
}

// NameServers are the authorities' host:port; each answers over UDP and TCP.
func (s *Server) NameServers() []string {
	var out []string
	for _, ns := range s.names {
		out = append(out, ns.addr)
	}
	return out
}

// AddZone makes a domain of the account.
func (s *Server) AddZone(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[name] = &zone{name: name}
}

// Restrict puts a zone into a state in which Alibaba refuses writes: "forbidden", "blackhole", "dnschange"; "" ends it.
func (s *Server) Restrict(name, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zones[name]
	z.forbidden, z.blackHole, z.dnsChange = state == "forbidden", state == "blackhole", state == "dnschange"
}

// Add makes a record as somebody in the console does, and returns its id. Its zone must be there. Line "" is default, Weight 0 is 1,
// Weight -1 a weight of 0, TTL 0 is 600.
func (s *Server) Add(r Record) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zones[r.Zone] == nil {
		panic("alidnstest: no zone " + r.Zone)
	}
	return s.add(r).ID
}

func (s *Server) add(r Record) *Record {
	r.ID = strconv.FormatInt(s.nextID, 10)
	s.nextID++
	if r.Line == "" {
		r.Line = "default"
	}
	switch r.Weight {
	case 0:
		r.Weight = 1
	case -1:
		r.Weight = 0
	}
	if r.TTL == 0 {
		r.TTL = 600
	}
	s.records = append(s.records, &r)
	return &r
}

// Records are all records, in order of their making.
func (s *Server) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Record
	for _, r := range s.records {
		out = append(out, *r)
	}
	return out
}

// Record is the one with this id.
func (s *Server) Record(id string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.find(id); r != nil {
		return *r, true
	}
	return Record{}, false
}

// Change is what somebody else does to a record: no API call is counted. A record that isn't there is an error.
func (s *Server) Change(id string, f func(*Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(id)
	if r == nil {
		return fmt.Errorf("no record %s", id)
	}
	f(r)
	return nil
}

// Remake deletes a record and makes it anew with the same content: it has another id then.
func (s *Server) Remake(id string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(id)
	if r == nil {
		return "", fmt.Errorf("no record %s", id)
	}
	again := *r
	s.records = slices.DeleteFunc(s.records, func(x *Record) bool { return x == r })
	made := s.add(again)
	made.Weight = again.Weight
	return made.ID, nil
}

// Delete takes a record away as somebody in the console does.
func (s *Server) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = slices.DeleteFunc(s.records, func(r *Record) bool { return r.ID == id })
}

// SwitchWeights turns the weights of a name's type on a line on or off.
func (s *Server) SwitchWeights(name, kind, line string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off[switchKey{name, kind, line}] = !on
}

// Log is the writes that were carried out, in order, as "UpdateDNSSLBWeight 9000000000000001 weight 10".
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// find is called with mu held.
func (s *Server) find(id string) *Record {
	for _, r := range s.records {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// zoneOf is the account's zone that a name lies in, nil if there is none. It is called with mu held.
func (s *Server) zoneOf(name string) *zone {
	for n := name; n != ""; {
		if z := s.zones[n]; z != nil {
			return z
		}
		_, rest, ok := strings.Cut(n, ".")
		if !ok {
			return nil
		}
		n = rest
	}
	return nil
}
