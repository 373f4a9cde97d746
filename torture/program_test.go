package torture

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"roomshift/lab/server"
)

// The tool under test may be the program itself, `roomshift writer move`: with its plan, journal, gates, locks and takeover.
var real = flag.String("program", "", "a roomshift to put under test, in place of this test's own process")

// command is a process that moves the writer by the program; "": to the nearer side, as the record stands now.
func (s *scene) command(ctx context.Context, i int, want string, noWriter time.Duration) (*exec.Cmd, error) {
	verb := []string{"writer", "move", pairName, "--to", want, "--no-writer", noWriter.String(), "--reason", "torture"}
	if want == "" {
		r, _, err := s.record(ctx)
		if err != nil {
			return nil, err
		}
		verb[4] = r.Publishes()
		if ro, _, err := s.readOnly(ctx, r.Publishes()); err == nil && ro && r.Phase == "STABLE" {
			verb = []string{"writer", "reopen", pairName, "--reason", "torture"}
		}
	}
	rooms, err := s.roomsFile(i)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(*real, append(verb, "--rooms", rooms)...)
	cmd.Env = s.programEnv(i)
	return cmd, nil
}

func (s *scene) programEnv(i int) []string {
	env := append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(s.dir, "state"))
	for room, name := range map[string]string{"home": "FEED_HOME", "cloud": "FEED_CLOUD"} {
		env = append(env, name+"="+s.ring.Master(room).DSNAt(server.Roomshift, s.slots[i].sql[room].addr()))
	}
	return env
}

// roomsFile is rooms.yaml of a process: its own lines to everything.
func (s *scene) roomsFile(i int) (string, error) {
	file := filepath.Join(s.dir, fmt.Sprintf("rooms%d.yaml", i))
	text := fmt.Sprintf(`version: 1
environment: lab
control: {room: home, prefix: %s}
rooms:
  home: {consul: {addr: %q, datacenter: dc1}}
  cloud: {}
pairs:
  %s:
    home: {dsnEnv: FEED_HOME, restarts: fenced}
    cloud: {dsnEnv: FEED_CLOUD, restarts: fenced}
gates:
  lag: {replication: %s, hold: {above: 10s}, abort: {above: 30s, for: 30s}}
`, prefix, s.slots[i].kv.addr(), pairName, pairName)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// word tells the program that the move is to be undone, as a person does.
func (s *scene) word(i int) error {
	rooms, err := s.roomsFile(i)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, *real, "back", "--to", "start", "--rooms", rooms)
	cmd.Env = s.programEnv(i)
	return cmd.Run()
}
