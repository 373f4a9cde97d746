package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/runbooks"
)

// alidns is the plane of names' weights; their TTLs are in another one beside it. Simulated rooms call them the same.
const (
	alidnsPlane    = "alidns"
	alidnsTTLPlane = "alidns/ttl"
)

// alidnsNames is the names at Alibaba Cloud DNS that a runbook is about.
type alidnsNames struct {
	client  *dns.Client
	weights *dns.Weights
	all     []dns.Name
	asker   dns.Asker
	wrote   chan struct{} // holds one token when weights were written
	servers []string      // as rooms.yaml has them; nil: the zone's own
}

// lookWithin bounds the question which lines there are.
const lookWithin = 15 * time.Second

// wireNames makes the planes of the names that this runbook rests on, or that the plan has.
func (r *realRooms) wireNames() error {
	routes := r.namesWanted()
	if len(routes) == 0 {
		return nil
	}
	reached := r.l.Rooms.Alidns
	if reached == nil {
		reached = &runbooks.Alidns{}
	}
	account, err := aliyun.AccountFrom(reached.CredentialsFile, os.Getenv)
	if err != nil {
		return usage("alidns: %w", err)
	}
	n := &alidnsNames{wrote: make(chan struct{}, 1), servers: reached.NameServers, asker: dns.Asker{Networks: reached.Networks, Rooms: roomNets(r.l.Rooms)}}
	n.client, err = dns.New(dns.Config{Name: alidnsPlane, Endpoint: reached.Addr, CAFile: reached.CAFile, Account: account, AccountFile: reached.CredentialsFile, Note: r.notes.always})
	if err != nil {
		return usage("%w", err)
	}
	r.names = n
	shows, err := r.nameSeats(n, routes)
	if err != nil {
		return err
	}
	place := r.world.Locks[0].Name // unfenced: the control room's lock
	n.weights = n.client.Weights(alidnsPlane, n.all, n.asker.Rooms)
	ttls := n.client.TTLs(alidnsTTLPlane, n.all)
	r.world.Planes = append(r.world.Planes,
		n.client.Plane(&toldWeights{n.weights, n}, cutover.Split, alidnsPlane, place, n.weights.Seats(), shows),
		n.client.Plane(ttls, cutover.TTL, alidnsTTLPlane, place, ttls.Seats(), shows))
	return nil
}

// namesWanted are the routes whose names are read: those of the plan, else those that the runbook rests on.
func (r *realRooms) namesWanted() []*runbooks.Route {
	rests := map[string]bool{}
	if r.plan == nil {
		rests = runbooks.RestsOn(r.l.Rooms, r.l.Book)
	} else {
		for i := range r.plan.Routes {
			rests[r.plan.Routes[i].Name] = len(r.plan.Routes[i].Seats) > 0
		}
	}
	var out []*runbooks.Route
	for i := range r.l.Rooms.Routes {
		if rt := &r.l.Rooms.Routes[i]; rt.Medium == runbooks.MediumDNS && rt.DNS != nil && rt.DNS.Provider == "alidns" && rests[rt.Name] {
			out = append(out, rt)
		}
	}
	return out
}

// nameSeats finds the lines of each name, and how late their answers show what is written.
func (r *realRooms) nameSeats(n *alidnsNames, routes []*runbooks.Route) (shows cutover.T, err error) {
	if r.plan != nil { // whatever the provider holds by now, or whether it answers: the run's own seats come back
		n.all = namesOfPlan(r.plan, routes)
		return showsOfPlan(r.plan, n.all), nil
	}
	var names []string
	for _, rt := range routes {
		names = append(names, rt.DNS.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	found, err := n.client.Look(ctx, names)
	if err != nil {
		return 0, &exitError{code: cutover.ExitNothing, err: err}
	}
	ttl := map[string]cutover.T{}
	for _, rt := range routes {
		f := found[strings.ToLower(rt.DNS.Name)]
		lines := rt.DNS.Lines
		if lines == nil {
			lines = f.Lines
		}
		n.all = append(n.all, dns.Name{Route: rt.Name, Name: rt.DNS.Name, Lines: lines})
		ttl[rt.Name] = cutover.T(f.TTL) * cutover.Second
	}
	for i := range r.l.Book.Steps {
		st := &r.l.Book.Steps[i]
		for _, t := range st.TTL {
			for _, name := range r.routesOf(t.Name) {
				ttl[name] = cutover.T(t.TTL)
			}
		}
		if st.Shift == nil {
			continue
		}
		for _, t := range st.Shift.Targets {
			for _, name := range r.routesOf(t.Name) {
				shows = max(shows, ttl[name])
			}
		}
	}
	if shows == 0 { // no step moves a name
		for _, t := range ttl {
			shows = max(shows, t)
		}
	}
	return shows, nil
}

// routesOf is the routes that a name of a runbook means: a seat is its route's.
func (r *realRooms) routesOf(name string) []string {
	route, _, _ := strings.Cut(name, "@")
	routes, _ := r.l.Rooms.Expand(route)
	return routes
}

func namesOfPlan(p *cutover.Plan, routes []*runbooks.Route) []dns.Name {
	var out []dns.Name
	for _, rt := range routes {
		x := dns.Name{Route: rt.Name, Name: rt.DNS.Name}
		for i := range p.Routes {
			if p.Routes[i].Name == rt.Name {
				for _, seat := range p.Routes[i].Seats {
					x.Lines = append(x.Lines, seat.At)
				}
			}
		}
		out = append(out, x)
	}
	return out
}

// showsOfPlan is as late as the names of a plan may show what is written: by the TTLs that it found and those that it sets before the last
// of its shifts.
func showsOfPlan(p *cutover.Plan, all []dns.Name) cutover.T {
	ttl := map[string]cutover.T{}
	for _, x := range all {
		for i := range p.Routes {
			if p.Routes[i].Name == x.Route {
				ttl[x.Route] = p.Routes[i].Shows
			}
		}
	}
	shows := cutover.T(0)
	for i := range p.Steps {
		for k := range p.Steps[i].Rungs {
			rung := &p.Steps[i].Rungs[k]
			for seat, t := range rung.TTL {
				ttl[seat.Route] = t
			}
			for seat := range rung.Want {
				shows = max(shows, ttl[seat.Route])
			}
		}
	}
	if shows == 0 {
		for _, t := range ttl {
			shows = max(shows, t)
		}
	}
	return shows
}

// roomNets is which addresses are which room's.
func roomNets(rooms *runbooks.Rooms) []dns.RoomNets {
	var out []dns.RoomNets
	for i := range rooms.Rooms {
		room := &rooms.Rooms[i]
		out = append(out, dns.RoomNets{Room: room.Name, Nets: networksOf(room)})
	}
	return out
}

// alidnsAccount is what the AccessKey's owner needs, if a route's name is at Alibaba Cloud DNS. Which zone a name lies in, only the provider
// knows.
func alidnsAccount(rooms *runbooks.Rooms) (account, bool) {
	a := account{DNS: alidnsPlane, Where: dns.DefaultEndpoint}
	found := false
	for i := range rooms.Routes {
		d := rooms.Routes[i].DNS
		found = found || d != nil && d.Provider == alidnsPlane
	}
	if p := rooms.Alidns; p != nil {
		a.Secret = p.CredentialsFile
		if p.Addr != "" {
			a.Where = p.Addr
		}
	}
	a.Needs = strings.Split(dns.Policy("ZONE"), "\n")
	return a, found
}

// alidnsGrants prints it.
func alidnsGrants(w io.Writer, a account) {
	where := a.Secret
	if where == "" {
		where = "$" + aliyun.EnvKeyID + ", $" + aliyun.EnvSecret
	}
	fmt.Fprintf(w, "ALIDNS   %s · AccessKey: %s · a RAM policy, ZONE being each domain that the names lie in\n", a.Where, where)
	indented(w, a.Needs)
}
