package metrics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Count asks a room once what a query says, and when that was true, as a gate asks. Anything else than a fresh number is an error.
func (m *Metrics) Count(ctx context.Context, name, query string, room cutover.Room) (value float64, at cutover.T, err error) {
	src, err := m.source(room)
	if err != nil {
		return 0, 0, err
	}
	gate := &runbooks.Gate{Name: name, Query: query, RoomNames: []string{room}}
	age := 3 * max(src.interval(ctx), 5*time.Second)
	g, err := m.newGateGauge(0, &cutover.GatePlan{Name: name, Kind: cutover.GateRoom, MaxAge: cutover.T(age), Window: cutover.Minute}, gate, room)
	if err != nil {
		return 0, 0, err
	}
	s := g.sample(ctx, 0)
	if s.Unknown != "" {
		hint := ""
		if strings.HasPrefix(string(s.Unknown), string(cutover.NoData)) {
			hint = "; what has stopped gives no data at all: write `or vector(0)` behind its query, and count what is always there"
		}
		return 0, 0, fmt.Errorf("%s in %s: %s%s", name, room, s.Unknown, hint)
	}
	return s.Lo, s.At, nil
}
