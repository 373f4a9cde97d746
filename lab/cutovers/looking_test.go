package cutovers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roomshift/lab"
)

// standing is what looking may not change: of both Consuls each key with its index, and the newest index of keys and of sessions;
// of both masters the GTID streams, by the server that began them.
type standing struct {
	consuls map[string]string
	streams map[string]map[string]uint64 // by room, by domain-server
	beats   uint64                       // the number of roomshift's heartbeats
}

func (s *scene) standing() standing {
	s.t.Helper()
	is := standing{consuls: map[string]string{}, streams: map[string]map[string]uint64{}}
	if err := s.lab.Ring.Await(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for _, room := range []string{lab.Home, lab.Cloud} {
		is.consuls[room] = s.versions(room)
		is.streams[room] = s.streams(room)
	}
	err := s.lab.Ring.Master(lab.Home).DB().QueryRowContext(s.t.Context(), "SELECT IFNULL(SUM(seq), 0) FROM roomshift.heartbeat").Scan(&is.beats)
	if err != nil {
		s.t.Fatal(err)
	}
	return is
}

// versions is each key of a Consul with its ModifyIndex, and the newest index of all keys, deleted ones too, and of all sessions.
func (s *scene) versions(room string) string {
	s.t.Helper()
	body, newest, err := ask(s.t.Context(), s.lab, http.MethodGet, room, "/v1/kv/?recurse")
	if err != nil {
		s.t.Fatal(err)
	}
	var keys []struct {
		Key         string
		ModifyIndex uint64
	}
	if err := json.Unmarshal([]byte(body), &keys); err != nil {
		s.t.Fatal(err)
	}
	sessions, session, err := ask(s.t.Context(), s.lab, http.MethodGet, room, "/v1/session/list")
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%v, keys at index %s, sessions %s at index %s", keys, newest, strings.TrimSpace(sessions), session)
}

// streams is the newest number of each GTID stream that a master has logged.
func (s *scene) streams(room string) map[string]uint64 {
	s.t.Helper()
	var state string
	if err := s.lab.Ring.Master(room).DB().QueryRowContext(s.t.Context(), "SELECT @@gtid_binlog_state").Scan(&state); err != nil {
		s.t.Fatal(err)
	}
	streams := map[string]uint64{}
	for _, gtid := range strings.Split(state, ",") {
		var domain, by string
		var n uint64
		if _, err := fmt.Sscanf(strings.ReplaceAll(gtid, "-", " "), "%s %s %d", &domain, &by, &n); err != nil {
			s.t.Fatalf("GTID %q: %v", gtid, err)
		}
		streams[domain+"-"+by] = n
	}
	return streams
}

// unchanged fails if anything but the writer's heartbeats has moved since.
func (s *scene) unchanged(what string, was standing) standing {
	s.t.Helper()
	now := s.standing()
	own := fmt.Sprintf("%d-%d", s.lab.Ring.Master(lab.Home).ID, s.lab.Ring.Master(lab.Home).ID)
	for _, room := range []string{lab.Home, lab.Cloud} {
		if now.consuls[room] != was.consuls[room] {
			s.t.Errorf("%s: the Consul of %s held %s, and holds %s", what, room, was.consuls[room], now.consuls[room])
		}
		for stream, n := range now.streams[room] {
			moved := n - was.streams[room][stream]
			if stream == own {
				moved -= now.beats - was.beats
			}
			if moved != 0 {
				s.t.Errorf("%s: %d transactions of stream %s in %s that are no heartbeats", what, int64(moved), stream, room)
			}
		}
	}
	s.t.Logf("%s: %d heartbeats", what, now.beats-was.beats)
	return now
}

// TestLookingChangesNothing: plan, check --live and a dry run leave every key and session of both Consuls and both masters' GTID
// positions as they were, heartbeats aside; and a dry run writes what the real one writes.
func TestLookingChangesNothing(t *testing.T) {
	s := begin(t)
	s.do("writes off")
	if err := s.lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := s.book("1s", few+rest)
	was := s.standing()
	s.start("check", "--live", "--rooms", s.lab.RoomsFile(), file).exits(0)
	was = s.unchanged("check --live", was)
	s.start("plan", "--rooms", s.lab.RoomsFile(), file).exits(0)
	was = s.unchanged("plan", was)
	dry := s.start("run", "--dry-run", "--rooms", s.lab.RoomsFile(), file)
	dry.exits(7)
	was = s.unchanged("a dry run", was)
	real := s.start("run", "--rooms", s.lab.RoomsFile(), file)
	real.exits(7)
	if a, b := dry.writes(), real.writes(); len(b) == 0 || !slices.Equal(a, b) {
		t.Errorf("a dry run writes %q, the real one %q", a, b)
	}
	if s.versions(lab.Home) == was.consuls[lab.Home] {
		t.Error("a real run didn't show in home's Consul: nothing was looked at")
	}
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}

// TestDryRunToItsEnd: it says at its beginning and at its end where its journal is, is no run that a command could mean, and its
// report can be read.
func TestDryRunToItsEnd(t *testing.T) {
	s := begin(t)
	dry := s.start("run", "--dry-run", "--rooms", s.lab.RoomsFile(), s.book("1s", few+"  - back: start\n"))
	dry.await("its journal is ")
	status := s.start("status")
	status.exits(2)
	status.says("no run is under way")
	dry.exits(0)
	dry.says("dry run: nothing was written; it would have held ", "gone back once", "which no command takes for a run")
	s.restored()
	paths := regexp.MustCompile(`\S+/roomshift-dry-\S+`).FindAllString(dry.text(), -1)
	if len(paths) != 3 || paths[0] != paths[1] || filepath.Join(paths[2], "journal.jsonl") != paths[0] {
		t.Fatalf("its journal is said to be %q; want the file at the beginning and at the end, and then its folder", paths)
	}
	report := s.start("report", paths[2])
	report.exits(0)
	report.says("RESULT", "chain intact")
	for _, command := range []string{"back", "takeover"} {
		s.start(command, paths[2], "--rooms", s.lab.RoomsFile()).exits(2)
	}
}
