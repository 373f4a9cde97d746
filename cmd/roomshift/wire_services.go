package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/runbooks"
)

// wireServices makes, for each room's Consul, a plane of the services' weights and one of the splitters that are there.
func (r *realRooms) wireServices() error {
	rooms := r.l.Rooms
	for i := range rooms.Rooms {
		room := &rooms.Rooms[i]
		client := r.consuls[room.Name]
		if client == nil {
			continue
		}
		place := "consul." + room.Name
		if specs := servicesIn(rooms, room.Name); len(specs) > 0 {
			name := place + ".services"
			s := client.Services(name, specs, consul.ServicesOptions{Rooms: signsOf(rooms), Here: room.Name, AgentsPort: room.AgentsPort})
			r.world.Planes = append(r.world.Planes, client.ServicesPlane(name, room.Name, place, s))
		}
		if specs := splittersIn(rooms, room.Name); len(specs) > 0 {
			name := place + ".splitters"
			s := client.Splitters(name, specs)
			r.world.Planes = append(r.world.Planes, client.SplittersPlane(name, room.Name, place, s))
		}
	}
	return nil
}

func servicesIn(rooms *runbooks.Rooms, room string) map[cutover.Seat]consul.ServiceSpec {
	return specsIn(rooms, room, runbooks.MediumService, func(rt *runbooks.Route) consul.ServiceSpec {
		return consul.ServiceSpec{Service: rt.Service, Consumer: rt.Consumer}
	})
}

func splittersIn(rooms *runbooks.Rooms, room string) map[cutover.Seat]consul.SplitterSpec {
	return specsIn(rooms, room, runbooks.MediumSplitter, func(rt *runbooks.Route) consul.SplitterSpec {
		return consul.SplitterSpec{Service: rt.Service, Rooms: legsOf(rooms, rt)}
	})
}

// legsOf says by which words a splitter's legs lead to rooms: the route's own, else the rooms' names and datacenters.
func legsOf(rooms *runbooks.Rooms, rt *runbooks.Route) map[cutover.Room][]string {
	words := map[cutover.Room][]string{}
	for _, s := range signsOf(rooms) {
		words[s.Room] = s.Words
	}
	if rt.Legs == nil {
		return words
	}
	own := map[cutover.Room][]string{}
	for room, leg := range rt.Legs {
		own[room] = []string{leg}
	}
	return own
}

// signsOf says by what instances and legs are known to be a room's: the room's networks, its name, and its datacenter's.
func signsOf(rooms *runbooks.Rooms) []consul.RoomSigns {
	var signs []consul.RoomSigns
	for i := range rooms.Rooms {
		room := &rooms.Rooms[i]
		s := consul.RoomSigns{Room: room.Name, Words: []string{room.Name}, Networks: networksOf(room)}
		if room.Consul != nil && room.Consul.Datacenter != "" && room.Consul.Datacenter != room.Name {
			s.Words = append(s.Words, room.Consul.Datacenter)
		}
		signs = append(signs, s)
	}
	return signs
}

// serviceRights are the lines of a policy for what these two media write in a room's Consul.
func serviceRights(rooms *runbooks.Rooms, room string) []string {
	var services, splitters []string
	for _, s := range servicesIn(rooms, room) {
		services = append(services, s.Service)
	}
	for _, s := range splittersIn(rooms, room) {
		splitters = append(splitters, s.Service)
	}
	return consul.ServicePolicy(services, splitters)
}

// roomlessAdvice is what to do about instances in no room.
const roomlessAdvice = "put their addresses into addresses of a room in rooms.yaml, or give each one room's name as a tag, or as its meta's \"room\""

// roomlessIn names the instances of a plane that count for no room, "" none.
func roomlessIn(pl *cutover.Plane, held []cutover.Held) string {
	switch pl.Medium.(type) {
	case *consul.Services, *consul.Upstreams:
	default:
		return ""
	}
	held = slices.DeleteFunc(slices.Clone(held), func(h cutover.Held) bool { return h.Plane != pl.Name })
	objects := consul.Roomless(held)
	if len(objects) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d instances are in no room, or in two: %s", len(objects), len(held), consul.SomeOf(objects))
}

// roomless says which instances a plan would leave out: its shares would be wrong by what they serve.
func roomless(planes []cutover.Plane, held []cutover.Held) error {
	var errs []error
	for i := range planes {
		if text := roomlessIn(&planes[i], held); text != "" {
			errs = append(errs, fmt.Errorf("%s: %s: %s", planes[i].Name, text, roomlessAdvice))
		}
	}
	return errors.Join(errs...)
}

// ownedFindings is, for a plane whose objects have owners, a line for each seat and room in place of one for each object. A direct write
// that an owner would undo is no finding of its own: the plan says it.
func ownedFindings(pl *cutover.Plane, held []cutover.Held) []finding {
	m, ok := pl.Medium.(*consul.Services)
	if !ok {
		return nil
	}
	var fs []finding
	for _, o := range m.Ownership(held) {
		if o.Room == "" {
			continue
		}
		fs = append(fs, finding{Check: "seat " + o.Seat.String(), Room: pl.Room, Seen: o.String(), OK: true})
	}
	return fs
}

// ownedText says for plan by whom a route's objects are written, "" where that makes no difference.
func ownedText(p *cutover.Plan, seats []cutover.Seat, pl *cutover.Plane) string {
	m, ok := pl.Medium.(*consul.Services)
	if !ok {
		return ""
	}
	var held []cutover.Held
	for _, h := range p.Held {
		if h.Plane == pl.Name && slices.Contains(seats, h.Seat) {
			held = append(held, h)
		}
	}
	owners := map[string]int{}
	for _, o := range m.Ownership(held) {
		for who, n := range o.Owners {
			owners[who] += n
		}
	}
	text := ""
	for i, who := range slices.Sorted(maps.Keys(owners)) {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", owners[who], who)
	}
	return text
}
