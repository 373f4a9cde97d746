package main

import (
	"net/netip"
	"slices"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/runbooks"
)

// wireUpstreams makes a plane of the upstream keys in a room's Consul, if there are any.
func (r *realRooms) wireUpstreams(client *consul.Client, place, room string) {
	specs := upstreamsIn(r.l.Rooms, room)
	if len(specs) == 0 {
		return
	}
	var names []cutover.Room
	for i := range r.l.Rooms.Rooms {
		names = append(names, r.l.Rooms.Rooms[i].Name)
	}
	plane := place + ".upstreams"
	ups := client.Upstreams(plane, specs, names, networksOf(r.l.Rooms))
	r.upstreams = append(r.upstreams, ups)
	r.world.Planes = append(r.world.Planes, client.Plane(plane, room, place, ups))
}

// upstreamsIn are the seats whose upstream's keys are in this room's Consul: what stands once for all is the control room's.
func upstreamsIn(rooms *runbooks.Rooms, room string) map[cutover.Seat]consul.UpstreamSpec {
	specs := map[cutover.Seat]consul.UpstreamSpec{}
	for i := range rooms.Routes {
		rt := &rooms.Routes[i]
		if rt.Medium != runbooks.MediumUpstream {
			continue
		}
		spec := consul.UpstreamSpec{Name: rt.Upstream, Consumer: consul.UpstreamConsumer(rt.Consumer)}
		switch {
		case slices.Contains(rt.Seats, room):
			specs[cutover.Seat{Route: rt.Name, At: room}] = spec
		case len(rt.Seats) == 0 && room == rooms.Control.Room:
			specs[cutover.Seat{Route: rt.Name}] = spec
		}
	}
	return specs
}

// networksOf are the ranges of addresses that rooms.yaml says are in a room.
func networksOf(rooms *runbooks.Rooms) []consul.Network {
	var out []consul.Network
	for i := range rooms.Rooms {
		for _, a := range rooms.Rooms[i].Addresses {
			if p, err := netip.ParsePrefix(a.CIDR); err == nil { // what isn't a range is a URL: the file was checked
				out = append(out, consul.Network{Room: rooms.Rooms[i].Name, Prefix: p})
			}
		}
	}
	return out
}

// goBy tells the media what a run's plan was made of.
func (r *realRooms) goBy(p *cutover.Plan) {
	if p == nil {
		return
	}
	for _, u := range r.upstreams {
		u.OutAtFirst(p.Held)
	}
}

// upstreamPolicy is the part of a token's policy for the upstream keys in a room's Consul.
func upstreamPolicy(rooms *runbooks.Rooms, room string) []string {
	var names []string
	for _, spec := range upstreamsIn(rooms, room) {
		names = append(names, spec.Name)
	}
	return consul.UpstreamPolicy(names...)
}
