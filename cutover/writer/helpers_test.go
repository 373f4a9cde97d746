package writer

import (
	"fmt"
	"testing"
	"time"
)

const (
	roomA = "home"
	roomB = "cloud"
)

var someTime = time.Date(2026, 2, 17, 20, 0, 0, 0, time.UTC)

// record of a move from A to B, in epoch 7.
func record(phase Phase) Record {
	r := Record{V: 1, Epoch: 7, Seq: 20, Phase: phase, Writer: roomA, Servers: map[string]string{roomA: "id-a", roomB: "id-b"},
		Run: "run-1", By: "li", At: someTime}
	if phase != Stable {
		r.To = roomB
	}
	if phase == Commit {
		r.Pos = "a:1-5"
	}
	return r
}

// server is locked, quiet, and has what the other has.
func server(room string, m Mode) Server {
	s := Server{Room: room, ID: "id-" + map[string]string{roomA: "a", roomB: "b"}[room], Locked: true, Still: true, Pos: "a:1-5",
		Beyond: BeyondNone, Covers: Yes, Receives: Yes, Marker: Marker{6, roomA}}
	switch m {
	case ModeAway:
		s = Server{Room: room, Away: true}
	case ReadOnly:
		s.ReadOnly, s.SuperReadOnly = true, true
	case Pending:
		s.SuperReadOnly = true
	case ReadWrite:
	}
	return s
}

func seen(a, b Mode) Seen {
	return Seen{Lock: true, Proven: true, Servers: [2]Server{server(roomA, a), server(roomB, b)}}
}

// fencerOf has written FENCING of epoch 7, and was answered OK.
func fencerOf() Fencer {
	r := record(Fencing)
	return Fencer{}.Sending(r, 19, "s").Answered(r, 19, "s", true)
}

// committed has written COMMIT, and was answered OK.
func committed() Fencer {
	r := record(Commit)
	return fencerOf().Sending(r, 20, "s").Answered(r, 20, "s", true)
}

// short is an act in a word or two.
func shortAct(a Act) string {
	s := a.Do.String()
	switch a.Do {
	case Open, Fence, Kill:
		s += " " + a.Room
	case Wait:
		s += " " + a.Room + " " + a.Pos
	case Write:
		s += fmt.Sprintf(" %s(%s) e%d", a.Next.Phase, a.Next.Publishes(), a.Next.Epoch)
	case Hold:
		if a.Ask {
			s += " ask"
		}
	}
	if a.Undo {
		s += " first"
	}
	if a.Alarm {
		s += " alarm"
	}
	return s
}

func mustEncode(t *testing.T, r Record) string {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
