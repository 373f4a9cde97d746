package runbooks

import (
	"net"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v3"
)

// alidns reads how Alibaba Cloud DNS is reached.
func (r *roomsReader) alidns(n *yaml.Node) *Alidns {
	if n == nil {
		return nil
	}
	f, _ := r.fields(n, shapeAlidns)
	a := &Alidns{Pos: r.pos(n), Addr: r.address(f.get("addr"), "addr"), CredentialsFile: f.path("credentialsFile"), CAFile: f.path("caFile")}
	for _, item := range f.items("nameServers") {
		s := r.str(item, "a name server")
		if s == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(s); err != nil {
			r.addf(item, RuleValue, "write "+net.JoinHostPort(s, "53"), "%s is no HOST:PORT", quoted(s))
			continue
		}
		a.NameServers = append(a.NameServers, s)
	}
	if n := f.get("networks"); n != nil {
		a.Networks = map[string]netip.Prefix{}
		for _, e := range r.entries(n, "networks") {
			s := r.str(e.value, "a network")
			if s == "" {
				continue
			}
			p, err := netip.ParsePrefix(s)
			if err != nil || p != p.Masked() {
				r.addf(e.value, RuleValue, "", "%s is no network such as 202.96.128.0/24", quoted(s))
				continue
			}
			a.Networks[e.key.Value] = p
		}
	}
	return a
}

// cloud reads how a product of Alibaba Cloud's is reached.
func (r *roomsReader) cloud(n *yaml.Node) *Cloud {
	if n == nil {
		return nil
	}
	f, _ := r.fields(n, shapeCloud)
	return &Cloud{Pos: r.pos(n), Addr: r.address(f.get("addr"), "addr"), Region: f.str("region"), CredentialsFile: f.path("credentialsFile"), CAFile: f.path("caFile")}
}

// fence reads how a master is fenced by its provider.
func (r *roomsReader) fence(n *yaml.Node) *Fence {
	if n == nil {
		return nil
	}
	f, _ := r.fields(n, shapeFence)
	return &Fence{Pos: r.pos(n), Provider: f.one("provider", "alirds"), Instance: f.str("instance"), Parameter: f.str("parameter"), Quiet: f.duration("quiet", time.Second)}
}
