package runbooks

import (
	"strings"
	"testing"
)

// TestPairBreaks: a pair is excepted from checks that there are, each with a reason.
func TestPairBreaks(t *testing.T) {
	text := "version: 1\nenvironment: lab\nrooms:\n  home: {consul: {addr: \"http://127.0.0.1:1\"}}\n  cloud: {}\npairs:\n" +
		"  db: {home: {dsnEnv: A}, cloud: {dsnEnv: B}, breaks: {BREAKS}}\ngates: {lag: {replication: db, hold: {above: 1s}, abort: {above: 5s, for: 10s}}}\n"
	for breaks, want := range map[string]string{
		"durable: its disks have a battery": "",
		"roles: we know better":             `no check before a move is called "roles"`,
		"durable: [1]":                      "the reason is",
		"durable: \"\"":                     "the reason",
	} {
		rooms, ps := LoadRooms("rooms.yaml", []byte(strings.Replace(text, "BREAKS", breaks, 1)))
		switch {
		case want == "" && (len(ps) > 0 || rooms.Pairs[0].Breaks["durable"] != "its disks have a battery"):
			t.Errorf("%s: %v, %v", breaks, ps, rooms)
		case want != "" && (len(ps) != 1 || !strings.Contains(ps[0].Message, want)):
			t.Errorf("%s: %v, want %q", breaks, ps, want)
		}
	}
}
