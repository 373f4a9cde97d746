package main

import "fmt"

// oneRoute is the files of what runs the real program over one Consul and one route of it.
type oneRoute struct {
	name, share, bake string
	home, cloud       string // networks
	consul            string // how the route stands in Consul, as rooms.yaml has it
	agents            bool   // their port is said
}

// rooms is rooms.yaml, for a Consul there and agents at a port.
func (o oneRoute) rooms(addr string, port int) string {
	agents := ""
	if o.agents {
		agents = fmt.Sprintf("agents: {port: %d}, ", port)
	}
	return fmt.Sprintf(`version: 1
environment: lab
control: {room: home, prefix: roomshift}
rooms:
  home: {consul: {addr: %q, datacenter: home}, %saddresses: [%s]}
  cloud: {addresses: [%s]}
prometheus: {addr: "http://127.0.0.1:9"}
routes:
  web: {consul: {%s}}
gates:
  errors:
    each: room
    ratio: {bad: 'bad{room="$room"}', of: 'all{room="$room"}'}
    every: 500ms
    hold: {above: 1%%}
    abort: {above: 5%%, for: 5s}
`, addr, agents, o.home, o.cloud, o.consul)
}

// book is the runbook: one rung, and a rest.
func (o oneRoute) book() string {
	return fmt.Sprintf(`version: 1
name: %s
move: {from: home, to: cloud}
bake: %s
steps:
  - shift: {cloud: {web: [%s]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - checkpoint: there
`, o.name, o.bake, o.share)
}
