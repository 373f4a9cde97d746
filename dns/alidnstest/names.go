package alidnstest

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// nameServer is one authority: it answers over UDP and TCP at one port.
type nameServer struct {
	s        *Server
	name     string
	addr     string
	udp, tcp *dns.Server

	silent bool      // guarded by s.mu, as is what follows
	old    []*Record // what it still answers by; nil: the account's records
}

func (s *Server) startNames(name string) (*nameServer, error) {
	ns := &nameServer{s: s, name: name}
	var packets net.PacketConn
	var listener net.Listener
	for try := 0; ; try++ { // one port for both: somebody may have the other half of it
		var err error
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		if listener, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			break
		}
		packets.Close()
		if try == 20 {
			return nil, err
		}
	}
	ns.addr = packets.LocalAddr().String()
	up := make(chan struct{}, 2)
	begun := func() { up <- struct{}{} }
	ns.udp = &dns.Server{PacketConn: packets, Handler: ns, NotifyStartedFunc: begun}
	ns.tcp = &dns.Server{Listener: listener, Handler: ns, NotifyStartedFunc: begun}
	for _, srv := range []*dns.Server{ns.udp, ns.tcp} {
		s.handlers.Go(func() { _ = srv.ActivateAndServe() })
	}
	<-up
	<-up
	return ns, nil
}

func (ns *nameServer) stop() {
	_ = ns.udp.Shutdown()
	_ = ns.tcp.Shutdown()
}

// Stale makes the n-th name server go on answering by what there is now, until Stale is called with on false.
func (s *Server) Stale(n int, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[n].old = nil
	if on {
		s.names[n].old = []*Record{}
		for _, r := range s.records {
			kept := *r
			s.names[n].old = append(s.names[n].old, &kept)
		}
	}
}

// Silence makes the n-th name server answer nothing.
func (s *Server) Silence(n int, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[n].silent = on
}

// ServeDNS answers one query, as an authority does.
func (ns *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, false
	if len(q.Question) != 1 || q.Question[0].Qclass != dns.ClassINET {
		m.SetRcode(q, dns.RcodeFormatError)
		_ = w.WriteMsg(m)
		return
	}
	asker, _ := netip.ParseAddrPort(w.RemoteAddr().String())
	from := asker.Addr()
	var subnet *dns.EDNS0_SUBNET
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, false)
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_SUBNET); ok {
				if a, ok := netip.AddrFromSlice(e.Address); ok {
					from, subnet = a.Unmap(), e
				}
			}
		}
	}
	if !ns.answer(m, from) {
		return
	}
	if subnet != nil {
		scoped := *subnet
		scoped.SourceScope = subnet.SourceNetmask
		m.IsEdns0().Option = append(m.IsEdns0().Option, &scoped)
	}
	_ = w.WriteMsg(m)
}

// answer fills in what the records say. False: nothing is said at all.
func (ns *nameServer) answer(m *dns.Msg, from netip.Addr) bool {
	s := ns.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if ns.silent {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(m.Question[0].Name, "."))
	z := s.zoneOf(name)
	if z == nil {
		m.Rcode = dns.RcodeRefused
		m.Authoritative = false
		return true
	}
	if name == z.name && m.Question[0].Qtype == dns.TypeNS {
		for _, other := range s.names {
			m.Answer = append(m.Answer, &dns.NS{Hdr: header(m.Question[0].Name, dns.TypeNS, 86400), Ns: other.name})
		}
		return true
	}
	records := s.records
	if ns.old != nil {
		records = ns.old
	}
	found, exists := s.match(records, name, z, s.lineOf(from))
	m.Answer = s.choose(found, m.Question[0])
	if len(m.Answer) == 0 {
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		m.Ns = []dns.RR{&dns.SOA{Hdr: header(z.name+".", dns.TypeSOA, 600), Ns: s.names[0].name, Mbox: "hostmaster." + z.name + ".",
			Serial: 1, Refresh: 3600, Retry: 1200, Expire: 86400, Minttl: 600}}
	}
	return true
}

func header(name string, kind uint16, ttl int64) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(ttl)} //nolint:gosec // at most 86400
}

// lineOf is the line whose networks an asker is in.
func (s *Server) lineOf(from netip.Addr) string {
	best, bits := "default", -1
	for line, nets := range s.o.Lines {
		for _, p := range nets {
			if p.Contains(from) && p.Bits() > bits {
				best, bits = line, p.Bits()
			}
		}
	}
	return best
}

// match is the enabled records of a name on a line; where the line has none, the default line's. Without records of its own a name
// gets those of a wildcard.
func (s *Server) match(records []*Record, name string, z *zone, line string) (found []*Record, exists bool) {
	names := []string{name}
	if _, parent, ok := strings.Cut(name, "."); ok && name != z.name {
		names = append(names, "*."+parent)
	}
	for _, n := range names {
		for _, l := range []string{line, "default"} {
			for _, r := range records {
				if r.Zone == z.name && r.Name() == n {
					exists = true
					if r.Line == l && !r.Disabled {
						found = append(found, r)
					}
				}
			}
			if len(found) > 0 {
				return found, true
			}
		}
		if exists {
			return nil, true
		}
	}
	return nil, false
}

// choose draws one record by the weights of its type; where weights are off, all are given, in any order.
func (s *Server) choose(found []*Record, q dns.Question) []dns.RR {
	kind := dns.TypeToString[q.Qtype]
	var of []*Record
	for _, r := range found {
		if r.Type == kind || r.Type == "CNAME" {
			of = append(of, r)
		}
	}
	if len(of) == 0 {
		return nil
	}
	if s.weighted(of[0]) {
		total := 0
		for _, r := range of {
			total += r.Weight
		}
		if total == 0 {
			return nil
		}
		at := s.rnd.IntN(total)
		k := slices.IndexFunc(of, func(r *Record) bool { at -= r.Weight; return at < 0 })
		of = of[k : k+1]
	} else {
		of = slices.Clone(of)
		s.rnd.Shuffle(len(of), func(i, k int) { of[i], of[k] = of[k], of[i] })
	}
	var out []dns.RR
	for _, r := range of {
		switch r.Type {
		case "A":
			out = append(out, &dns.A{Hdr: header(q.Name, dns.TypeA, r.TTL), A: net.ParseIP(r.Value)})
		case "AAAA":
			out = append(out, &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA, r.TTL), AAAA: net.ParseIP(r.Value)})
		case "CNAME":
			out = append(out, &dns.CNAME{Hdr: header(q.Name, dns.TypeCNAME, r.TTL), Target: dns.Fqdn(r.Value)})
		}
	}
	return out
}
