package cutover

import (
	"fmt"
	"iter"
)

// EachSeat is the seats of a listing, each with its objects. held is in order of seats.
func EachSeat(held []Held) iter.Seq2[Seat, []Held] {
	return func(yield func(Seat, []Held) bool) {
		for from, to := 0, 0; from < len(held); from = to {
			for to = from + 1; to < len(held) && held[to].Seat == held[from].Seat; to++ {
			}
			if !yield(held[from].Seat, held[from:to]) {
				return
			}
		}
	}
}

// ShapeSeats is Medium.Shape where each seat is shaped by itself: the first waves of all seats are one, and so are their second ones. held
// is in order of seats; seats that aren't wanted are left alone.
func ShapeSeats(held []Held, want map[Seat]Share, shape func(of []Held, want Share) ([][]Change, error)) ([][]Change, error) {
	var waves [][]Change
	for seat, of := range EachSeat(held) {
		share, ok := want[seat]
		if !ok {
			continue
		}
		ws, err := shape(of, share)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", seat, err)
		}
		for k, w := range ws {
			waves = appendWave(waves, k, w)
		}
	}
	return waves, nil
}
