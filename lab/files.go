package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"roomshift/lab/server"
)

// roomsYAML is the lab's inventory: real rooms with short times, so that a run takes a minute.
const roomsYAML = `# Made by the lab: two rooms on this machine, with short times.
version: 1
environment: lab
control: {room: home, orElse: cloud, prefix: roomshift}

rooms:
  home:
    consul: {addr: %q, datacenter: home, tokenFile: %q}
    prometheus: {addr: %q, scrape: %s}
    addresses: [%s]
    capacity: {gw: 2000/s}
%s  cloud:
    consul: {addr: %q, datacenter: cloud, tokenFile: %q}
    prometheus: {addr: %q, scrape: %s}
    addresses: [%s]
    capacity: {gw: 2000/s}
%s
probe: {host: lab.test, paths: [/healthz]}

observe:
  prometheus: 'sum by (served_by) (rate(gw_requests_total{route="$route"}[$window]))'
  room: served_by

%sroutes:
  gw: {consul: {key: gateway/cloud, as: percent, of: cloud}, seats: [home, cloud]}   # what each gateway sends to the cloud
%s
pairs:
  app-db:
    home: {dsnEnv: LAB_DSN_HOME, restarts: fenced}
    cloud: {dsnEnv: LAB_DSN_CLOUD, restarts: fenced}
    breaks: {restart: read_only=1 is in its file, durable: the lab is quick and not durable, accounts: each master has its own passwords, bypass: the lab's own account looks at it}
    publish: app-db-writer

gates:
  errors:
    each: room
    ratio: {bad: 'sum(rate(app_requests_total{code=~"5.."}[$window]))', of: 'sum(rate(app_requests_total[$window]))'}
    every: 500ms
    window: 5s
    maxAge: 4s
    blindFor: 5s
    hold: {above: 1%%}
    abort: {above: 5%%, for: 2s}
    minEvents: 5
  slow:
    each: room
    prometheus: 'histogram_quantile(0.9, sum by (le) (rate(app_seconds_bucket[$window])))'
    every: 500ms
    window: 5s
    maxAge: 4s
    blindFor: 5s
    hold: {above: 800ms}
    abort: {above: 1500ms, for: 10s}
  lag:
    replication: app-db
    every: 200ms
    maxAge: 2s
    blindFor: 5s
    hold: {above: 300ms}
    abort: {above: 1s, for: 2s}
`

// coreBooks are the lab's runbooks without those of its parts, by name. Each is whole in some half a minute.
var coreBooks = map[string]string{
	"out": `version: 1
name: out
about: From the few at the start to 60 % of home's requests in the cloud, and rest there.
move: {from: home, to: cloud}
bake: 5s
steps:
  - name: cloud answers
    check: {probe: {room: cloud, host: lab.test, paths: [/healthz]}}
  - name: climb
    shift: {cloud: {gw@home: [8%, 30%, 60%]}}
    settle: {within: 20s, tolerance: 2pt, else: ask}
  - checkpoint: out
`,
	"drill": `version: 1
name: drill
about: Eight of a hundred in the cloud for ten seconds, then exactly back.
move: {from: home, to: cloud}
bake: 5s
steps:
  - name: a few
    shift: {cloud: {gw@home: [5%, 8%]}}
    settle: {within: 20s, tolerance: 2pt, else: ask}
  - back: start
`,
	"home": `version: 1
name: home
about: Back home after out, at a pace of its own.
move: {from: cloud, to: home}
bake: 5s
steps:
  - name: descend
    shift: {home: {gw@home: [70%, 97%]}}
    settle: {within: 20s, tolerance: 2pt, else: ask}
  - checkpoint: home
`,
}

// RoomsYAML is the text of rooms.yaml.
func (l *Lab) RoomsYAML() string {
	var args []any
	parts := l.added()
	for _, room := range rooms {
		c, addresses, more := l.Consuls[room], []string{strconv.Quote(l.Gateway(room))}, ""
		for _, a := range parts {
			addresses = append(addresses, a.networks[room]...)
			more += a.rooms[room]
		}
		args = append(args, c.Addr, c.TokenFile, l.Proms[room].Addr, l.o.Scrape, strings.Join(addresses, ", "), more)
	}
	providers, routes := "", ""
	for _, a := range parts {
		providers += a.providers
		routes += a.routes
	}
	if providers != "" {
		providers = "providers:\n" + providers + "\n"
	}
	return fmt.Sprintf(roomsYAML, append(args, providers, routes)...)
}

// RoomsFile is where rooms.yaml was written.
func (l *Lab) RoomsFile() string { return filepath.Join(l.Dir, "rooms.yaml") }

// Runbook is where a runbook was written, beside rooms.yaml: out, drill, home, or a part's.
func (l *Lab) Runbook(name string) string { return filepath.Join(l.Dir, name+".yaml") }

// EnvFile is where Env was written, for a shell's dot command.
func (l *Lab) EnvFile() string { return filepath.Join(l.Dir, "env") }

// Env is what a roomshift that works on the lab needs in its environment: the masters' data source names, and a place of its
// own for journals. It holds secrets.
func (l *Lab) Env() []string {
	env := []string{
		"LAB_DSN_HOME=" + l.Ring.Master(Home).DSN(server.Roomshift),
		"LAB_DSN_CLOUD=" + l.Ring.Master(Cloud).DSN(server.Roomshift),
		"XDG_STATE_HOME=" + filepath.Join(l.Dir, "state"),
	}
	for _, a := range l.added() {
		env = append(env, a.env...)
	}
	return env
}

// runbooks are the texts of all runbooks, by name.
func (l *Lab) runbooks() map[string]string {
	books := maps.Clone(coreBooks)
	for _, a := range l.added() {
		maps.Copy(books, a.runbooks)
	}
	_, routes := carrying[foreigner](l) // media of Consul's
	for _, route := range routes {
		books[route] = othersBook(route, "From the few at the start to 30 % of "+route+" in the cloud, and rest there.", []string{route})
	}
	if len(routes) > 0 {
		books["others"] = othersBook("others", "From the few at the start to 30 % of "+strings.Join(routes, ", ")+" in the cloud, all at once, and rest there.", routes)
	}
	return books
}

// Books is a line for each runbook, with what it says of itself: those of the core first.
func (l *Lab) Books() string {
	books := l.runbooks()
	names := []string{"out", "drill", "home"}
	for _, name := range slices.Sorted(maps.Keys(books)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	b := &strings.Builder{}
	for _, name := range names {
		_, about, _ := strings.Cut(books[name], "\nabout: ")
		about, _, _ = strings.Cut(about, "\n")
		fmt.Fprintf(b, "  %-12s %s\n", name+".yaml", about)
	}
	return b.String()
}

// othersBook is a runbook that brings these routes to 30 %.
func othersBook(name, about string, routes []string) string {
	var shifts []string
	for _, route := range routes {
		shifts = append(shifts, route+"@home: [8%, 30%]")
	}
	return fmt.Sprintf(`version: 1
name: %s
about: %s
move: {from: home, to: cloud}
bake: 5s
steps:
  - name: climb
    shift: {cloud: {%s}}
    settle: {within: 20s, tolerance: 2pt, else: ask}
  - checkpoint: there
`, name, about, strings.Join(shifts, ", "))
}

func (l *Lab) writeFiles(context.Context) error {
	files := map[string]string{l.RoomsFile(): l.RoomsYAML()}
	for name, text := range l.runbooks() {
		files[l.Runbook(name)] = text
	}
	for _, a := range l.added() {
		for name, text := range a.files {
			files[filepath.Join(l.Dir, name)] = text
		}
	}
	env := &strings.Builder{}
	for _, v := range l.Env() {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(env, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	files[l.EnvFile()] = env.String()
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
