package dbsync

import (
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// glanceAt is a look at a sound channel at a moment: X has executed up to done of Y's 100 bytes, and has had so many heartbeats.
func glanceAt(at cutover.T, done, heartbeats string) glance {
	return glance{pos: position{"bin.000001", 100}, read: at, sent: at, heard: at, status: []row{{
		"Master_Server_Id": "2", "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Slave_heartbeat_period": "1.000",
		"Slave_received_heartbeats": heartbeats, "Relay_Master_Log_File": "bin.000001", "Exec_Master_Log_Pos": done}}}
}

func quietSession() (*session, *[]string) {
	tr, said := testTrack(false)
	tr.every = cutover.T(100 * time.Millisecond)
	return &session{x: &node{room: "home"}, y: &node{room: "cloud"}, yID: "2", back: tr}, said
}

// TestPulse: idle while heartbeats come, for two periods after the last one at most, then unknown.
func TestPulse(t *testing.T) {
	s, said := quietSession()
	var p pulse
	for i, heartbeats := range []string{"7", "7", "8", "8", "8", "8", "8", "8"} {
		p.hear(s, glanceAt(cutover.T(i+1)*500*ms, "100", heartbeats))
	}
	// The first glances prove nothing. At 1.5 s one has come since 1.0 s; 3.0 s is two periods after that.
	wantSaid(t, said, "cloud: idle", "cloud: idle", "cloud: idle", "cloud: idle",
		"cloud: unknown: no data: nothing is under way to home, and its source's heartbeat (each 1s) hasn't come for 2.5s",
		"cloud: unknown: no data: nothing is under way to home, and its source's heartbeat (each 1s) hasn't come for 3s")
}

// TestPulseNever: no heartbeat at all is unknown after two periods, and never idle.
func TestPulseNever(t *testing.T) {
	s, said := quietSession()
	var p pulse
	for i := range 6 {
		p.hear(s, glanceAt(cutover.T(i+1)*500*ms, "100", "7"))
	}
	for _, w := range *said {
		if !strings.Contains(w, "hasn't come") {
			t.Errorf("said %q", w)
		}
	}
	if len(*said) == 0 {
		t.Error("said nothing")
	}
}

// TestPulseBehind: what X doesn't reach is a lag that grows, though no heartbeat of ours is under way.
func TestPulseBehind(t *testing.T) {
	s, said := quietSession()
	var p pulse
	p.hear(s, glanceAt(500*ms, "90", "7"))
	p.hear(s, glanceAt(1000*ms, "90", "8"))
	p.hear(s, glanceAt(1500*ms, "90", "9"))
	p.hear(s, glanceAt(2000*ms, "100", "10"))
	wantSaid(t, said, "cloud: ≥ 0.5000", "cloud: ≥ 1.0000", "cloud: idle")
}

// TestPulseRefuses: a stopped thread, another source, several, none, or a heartbeat too slow to tell.
func TestPulseRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*glance){
		"applier No (error 1062)": func(l *glance) {
			l.status[0]["Slave_SQL_Running"], l.status[0]["Last_SQL_Errno"] = "No", "1062"
		},
		"receiving thread Connecting":   func(l *glance) { l.status[0]["Slave_IO_Running"] = "Connecting" },
		"the server with id 3, want 2":  func(l *glance) { l.status[0]["Master_Server_Id"] = "3" },
		"replicates from 2 sources":     func(l *glance) { l.status = append(l.status, l.status[0]) },
		"replicates from nowhere":       func(l *glance) { l.status = nil },
		"heartbeat each 30s can't show": func(l *glance) { l.status[0]["Slave_heartbeat_period"] = "30.000" },
		`binlog position "":"NULL"`:     func(l *glance) { l.status[0]["Exec_Master_Log_Pos"], l.status[0]["Relay_Master_Log_File"] = "NULL", "" },
	} {
		s, said := quietSession()
		l := glanceAt(500*ms, "100", "7")
		spoil(&l)
		new(pulse).hear(s, l)
		if len(*said) != 1 || !strings.Contains((*said)[0], "unknown") || !strings.Contains((*said)[0], want) {
			t.Errorf("said %q, want %q", *said, want)
		}
	}
}

// TestPulseApplied: what X has applied but not noted yet counts when all of it has come and X has all its transactions, and not before.
func TestPulseApplied(t *testing.T) {
	for _, c := range []struct {
		has      bool
		received string
		says     string
	}{{true, "100", "cloud: idle"}, {false, "100", "cloud: ≥ 0.5000"}, {true, "90", "cloud: ≥ 0.5000"}} {
		s, said := quietSession()
		var p pulse
		for i := range 3 {
			l := glanceAt(cutover.T(i+1)*500*ms, "80", string(rune('7'+i)))
			l.set, l.has, l.hadPending = "a:1-9", c.has, c.has
			l.status[0]["Master_Log_File"], l.status[0]["Read_Master_Log_Pos"] = "bin.000001", c.received
			p.hear(s, l)
		}
		if len(*said) == 0 || (*said)[0] != c.says {
			t.Errorf("has %v, received up to %s: said %q, want %q", c.has, c.received, *said, c.says)
		}
	}
}
