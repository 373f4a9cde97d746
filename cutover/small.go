package cutover

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func sortedSeats[V any](m map[Seat]V) []Seat {
	seats := make([]Seat, 0, len(m))
	for s := range m {
		seats = append(seats, s)
	}
	slices.SortFunc(seats, CompareSeats)
	return seats
}

func sortedInts[V any](m map[int]V) []int {
	ks := make([]int, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// percent writes basis points as people read them: "22.5 %".
func percent(bp int) string {
	s := strconv.FormatFloat(float64(bp)/100, 'f', 2, 64)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	return s + " %"
}

func abs(n int) int { return max(n, -n) }

func sign(n int) int { return cmp.Compare(n, 0) }

func parseWall(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

// wall is the wall time now, in the plan's zone.
func (e *engine) wall() time.Time { return e.w.Clock.Wall(e.now).In(e.loc) }
