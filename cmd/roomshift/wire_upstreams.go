package main

import (
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
	var networks []consul.Network
	for i := range r.l.Rooms.Rooms {
		of := &r.l.Rooms.Rooms[i]
		names = append(names, of.Name)
		for _, p := range networksOf(of) {
			networks = append(networks, consul.Network{Room: of.Name, Prefix: p})
		}
	}
	plane := place + ".upstreams"
	ups := client.Upstreams(plane, specs, names, networks)
	r.upstreams = append(r.upstreams, ups)
	r.world.Planes = append(r.world.Planes, client.Plane(plane, room, place, ups))
}

func upstreamsIn(rooms *runbooks.Rooms, room string) map[cutover.Seat]consul.UpstreamSpec {
	return specsIn(rooms, room, runbooks.MediumUpstream, func(rt *runbooks.Route) consul.UpstreamSpec {
		return consul.UpstreamSpec{Name: rt.Upstream, Consumer: consul.UpstreamConsumer(rt.Consumer)}
	})
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
