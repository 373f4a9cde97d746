package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// State is what a fault makes of a server.
type State string

// Down: ended as by kill -9, connections are refused. Frozen: it stands still, connections hang. Leaderless: a Consul that has lost its
// quorum; it answers, but for what needs a leader. Up: it runs.
const (
	Up         State = "up"
	Down       State = "down"
	Frozen     State = "frozen"
	Leaderless State = "leaderless"
)

// Lag delays what one master receives from the other by d; 0 ends it.
func (l *Lab) Lag(from, to string, d time.Duration) { l.Ring.Delay(from, to, d) }

// Cut cuts the line between the rooms: replication both ways, requests that cross, writes from the other room. Both rooms
// serve on, each by itself.
func (l *Lab) Cut() {
	l.Ring.Cut(Home, Cloud)
	l.Ring.Cut(Cloud, Home)
	for _, p := range l.lines {
		p.Cut()
	}
}

// Errors makes a part (0..1) of what a room's service is asked fail; 0 ends it.
func (l *Lab) Errors(room string, part float64) { l.services[room].errors.Store(int64(part * 1e6)) }

// Database makes a part (0..1) of what the services write to a room's master be refused, as by a database that is sick; 0 ends it.
func (l *Lab) Database(room string, part float64) {
	for _, s := range l.services {
		s.sick[room].Store(int64(part * 1e6))
	}
}

// WriteShare is how many of ten requests of the gateways' load write, 1 at first.
func (l *Lab) WriteShare(ofTen int) { l.load.writes.Store(int64(ofTen)) }

// Writes makes the load generator write or only read, as many requests either way. The services write nothing by themselves: once
// Answered has returned, the masters' GTID positions stand still but for what roomshift writes.
func (l *Lab) Writes(on bool) { l.load.reads.Store(!on) }

// Applier stops or starts the thread of a room's master that applies what the other wrote.
func (l *Lab) Applier(ctx context.Context, room string, run bool) error {
	if err := l.Ring.Master(room).Applier(ctx, run); err != nil {
		return err
	}
	l.stopped[room] = !run
	return nil
}

// Consul takes a room's Consul away, or brings it back with all it had.
func (l *Lab) Consul(ctx context.Context, room string, s State) error {
	c := l.Consuls[room]
	switch s {
	case Frozen:
		return c.Freeze()
	case Down:
		c.Kill()
		return nil
	case Leaderless:
		l.leader[room] = false
		return c.LoseLeader(ctx)
	default:
		_ = c.Thaw() // one that ended can't be thawed
		if !l.leader[room] {
			if err := c.FindLeader(ctx); err != nil {
				return err
			}
			l.leader[room] = true
		}
		if err := c.Start(ctx); err != nil {
			return err
		}
		return l.awaitKey(ctx, room)
	}
}

// awaitKey waits until a room's Consul hands out the number again: for a while after it has a leader it still refuses tokens
// that it knows.
func (l *Lab) awaitKey(ctx context.Context, room string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := l.Number(ctx, room)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Prometheus takes a room's Prometheus away, or brings it back with the data it had.
func (l *Lab) Prometheus(ctx context.Context, room string, s State) error {
	p := l.Proms[room]
	switch {
	case s == Frozen:
		return p.Freeze()
	case s == Down:
		p.Kill()
		return nil
	case p.Ended():
		return p.Start(ctx)
	default:
		return p.Thaw()
	}
}

// Room takes a whole room away, or brings it back: its gateway, service and instances refuse connections, its master,
// Consul, Prometheus and load balancers stand still.
func (l *Lab) Room(ctx context.Context, room string, s State) error {
	if s != Up {
		l.gateways[room].server.close()
		l.services[room].server.close()
		for _, freeze := range []func() error{l.Ring.Master(room).Freeze, l.Consuls[room].Freeze, l.Proms[room].Freeze} {
			if err := freeze(); err != nil {
				return fmt.Errorf("take %s away: %w", room, err)
			}
		}
		return l.partsAway(room, true)
	}
	if err := l.Ring.Master(room).Thaw(); err != nil {
		return err
	}
	if err := l.Consul(ctx, room, Up); err != nil {
		return err
	}
	if err := l.Prometheus(ctx, room, Up); err != nil {
		return err
	}
	if err := l.services[room].server.start(); err != nil {
		return err
	}
	return errors.Join(l.gateways[room].server.start(), l.partsAway(room, false))
}

// Heal ends every fault.
func (l *Lab) Heal(ctx context.Context) error {
	l.Writes(true)
	l.Ring.Heal()
	for _, p := range l.lines {
		p.Heal()
	}
	for _, room := range rooms {
		l.Errors(room, 0)
		l.Database(room, 0)
		if err := l.Room(ctx, room, Up); err != nil {
			return err
		}
		if l.stopped[room] {
			if err := l.Applier(ctx, room, true); err != nil {
				return err
			}
		}
	}
	for _, p := range l.parts {
		if err := p.heal(ctx); err != nil {
			return err
		}
	}
	return nil
}

// The words of a lab without parts, and what stands below those of its parts.
const (
	coreHelp = `lag FROM TO 2s          replication from one room to the other is late; 0s ends it
applier ROOM stop|start the room's master stops applying what the other wrote
errors ROOM 20%         a part of what the room's service is asked fails; 0% ends it
database ROOM 20%       a part of what is written to the room's master is refused
room ROOM down|up       a whole room is away
consul ROOM down|frozen|leaderless|up   it is killed, stands still, or has lost its quorum
prometheus ROOM down|frozen|up   it is killed, or stands still
cut                     the line between the rooms
writes off|on           the gateways' load only reads
set ROOM NUMBER         write the number at the room's key by hand
`
	endHelp = `heal                    ends every fault
status                  what each load has counted, and what is obeyed
quit                    ends the lab
`
)

// Do carries out one line of l.Help and says what it did.
func (l *Lab) Do(ctx context.Context, line string) (string, error) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return "", nil
	}
	switch f[0] {
	case "help", "?":
		return l.Help(), nil
	case "status":
		return l.status(ctx), nil
	case "heal":
		return "healed\n", l.Heal(ctx)
	case "cut":
		l.Cut()
		return "the line is cut\n", nil
	case "writes":
		if len(f) == 2 && (f[1] == "on" || f[1] == "off") {
			l.Writes(f[1] == "on")
			return line + ": done\n", nil
		}
	}
	if said, err := l.spoken(ctx, f); !errors.Is(err, errNotUnderstood) {
		return said, err
	}
	if len(f) < 3 || !isRoom(f[1]) {
		return "", l.misunderstood(line)
	}
	return line + ": done\n", l.fault(ctx, f[0], f[1], f[2:])
}

func isRoom(s string) bool { return s == Home || s == Cloud }

// fault carries out what a fault's line says of a room.
func (l *Lab) fault(ctx context.Context, what, room string, args []string) error {
	last := args[len(args)-1]
	switch {
	case what == "lag" && len(args) == 2 && isRoom(args[0]) && args[0] != room:
		return l.late(room, args[0], last)
	case len(args) != 1:
	case what == "errors":
		return failing(l.Errors, room, last)
	case what == "database":
		return failing(l.Database, room, last)
	case what == "set":
		return l.SetNumber(ctx, room, last)
	case what == "applier" && (last == "stop" || last == "start"):
		return l.Applier(ctx, room, last == "start")
	default:
		if set := l.setter(what, State(last)); set != nil {
			return set(ctx, room, State(last))
		}
	}
	return l.misunderstood(strings.Join(append([]string{what, room}, args...), " "))
}

func (l *Lab) late(from, to, delay string) error {
	d, err := time.ParseDuration(delay)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration: want one like 2s", delay)
	}
	l.Lag(from, to, d)
	return nil
}

// setter is what brings a part of a room into a state, nil if there is none.
func (l *Lab) setter(what string, s State) func(context.Context, string, State) error {
	known := s == Up || s == Down || s == Frozen
	switch {
	case what == "room" && known && s != Frozen:
		return l.Room
	case what == "consul" && (known || s == Leaderless):
		return l.Consul
	case what == "prometheus" && known:
		return l.Prometheus
	}
	return nil
}

// failing makes a part of a room's requests fail.
func failing(set func(room string, part float64), room, text string) error {
	part, err := percent(text)
	if err == nil {
		set(room, part)
	}
	return err
}

func percent(s string) (float64, error) {
	var n float64
	if _, err := fmt.Sscanf(s, "%f%%", &n); err != nil || n < 0 || n > 100 || !strings.HasSuffix(s, "%") {
		return 0, fmt.Errorf("%q is no percentage: want one like 20%%", s)
	}
	return n / 100, nil
}

func (l *Lab) status(ctx context.Context) string {
	c := l.Counts()
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s; gateways send to the cloud: home %d %%, cloud %d %%\n", l.load.line(Route, "gateways"), l.Obeyed(Home), l.Obeyed(Cloud))
	fmt.Fprintf(b, "%s: %s%s\n", Pair, l.Written(Mark{}), l.followed())
	for _, why := range c.Why[max(0, len(c.Why)-5):max(0, len(c.Why)-1)] {
		fmt.Fprintln(b, "  failed", why)
	}
	for _, p := range l.parts {
		b.WriteString(p.status(ctx))
	}
	return b.String()
}
