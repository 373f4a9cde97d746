package dbsync

import (
	"context"
	"fmt"
	"strings"
)

// RestartFence is what can be shown of how a server comes up after a restart.
type RestartFence struct {
	Fenced bool   // shown to come up fenced
	Known  bool   // whether that can be shown at all: on MariaDB it can't, and has to be declared
	How    string // for people
	By     string // the variable that has to be persisted for it
}

// RestartFence reads whether the server comes up fenced after a restart (R12).
func (s *Server) RestartFence(ctx context.Context) (RestartFence, error) {
	ident, err := s.identified()
	if err != nil {
		return RestartFence{}, err
	}
	if s.provider != nil {
		return RestartFence{Fenced: true, Known: true, How: "it comes up as the parameter was set last (" + s.provider.String() + ")"}, nil
	}
	if ident.version.mariadb {
		return RestartFence{How: "read_only=1 in its file can't be seen once read_only was set by a statement: declare it, and show it by a drill"}, nil
	}
	if !ident.version.since(8, 0) {
		return RestartFence{How: ident.fenceVariable() + "=1 in its file can't be seen: declare it, and show it by a drill"}, nil
	}
	tables, err := s.aside(ctx, s.o.Margin, "SELECT variable_value AS v FROM performance_schema.persisted_variables WHERE variable_name = ?", ident.fenceVariable())
	if err != nil {
		return RestartFence{}, s.refused("look how it comes up", err, "")
	}
	r := RestartFence{Known: true, By: ident.fenceVariable(), How: ident.fenceVariable() + " isn't persisted"}
	if row := firstRow(tables, 0); row != nil {
		r.Fenced, err = parseReadOnly(row["v"])
		r.How = ident.fenceVariable() + " is persisted as " + row["v"]
	}
	return r, err
}

// PersistFence makes the server come up fenced after a restart, and reads that back; what it does now stays. On a server that can't be
// told so, it is an error.
func (s *Server) PersistFence(ctx context.Context) error {
	ident, err := s.identified()
	if err != nil {
		return err
	}
	if s.provider != nil || ident.version.mariadb || !ident.version.since(8, 0) {
		return s.fail(fmt.Errorf("%s: %w: it can't be told by a statement how to come up: write read_only=1 into its file", ident.version, ErrUnsupported))
	}
	if _, err := s.aside(ctx, s.o.Margin, "SET PERSIST_ONLY "+ident.fenceVariable()+" = 1"); err != nil {
		return s.refused("make it come up fenced", err, "PERSIST_RO_VARIABLES_ADMIN")
	}
	r, err := s.RestartFence(ctx)
	if err == nil && !r.Fenced {
		err = s.fail(fmt.Errorf("it took the fence as persisted and then said: %s", r.How))
	}
	return err
}

// Events switches the event scheduler off or on. An engine's fence that stops events by itself has nothing to switch: MySQL's. was tells
// whether it was on; one that its file has disabled stays so. Like a fence it travels on the session: nothing older may land later.
func (s *Server) Events(ctx context.Context, on bool) (was bool, err error) {
	ident, err := s.identified()
	if err != nil || !ident.d.verbs.bypassable() || s.provider != nil { // what a provider fences, nobody may set anything of
		return false, err
	}
	tables, err := s.aside(ctx, s.o.Margin, "SELECT @@global.event_scheduler AS e")
	if err != nil {
		return false, s.refused("look at its event scheduler", err, "")
	}
	state := strings.ToUpper(tables[0][0]["e"])
	was = state == "ON" || state == "1"
	if was == on || state == "DISABLED" {
		return was, nil
	}
	to := "OFF"
	if on {
		to = "ON"
	}
	_, err = s.set(ctx, "switch its events "+strings.ToLower(to), s.o.Fence+s.o.Margin, ident.d.verbs.events, "SET GLOBAL event_scheduler = "+to)
	return was, err
}
