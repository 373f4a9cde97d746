package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// TTLs is the medium of TTLs: a seat is a name's line, an object is one of its records, named SEAT/ADDRESS/ttl, and holds whole seconds.
type TTLs struct{ names }

var _ cutover.Medium = (*TTLs)(nil)

// TTLs is the TTLs of these names as the plane of this name.
func (c *Client) TTLs(plane string, all []Name) *TTLs { return &TTLs{newNames(c, plane, all)} }

// Read lists the TTLs of these seats' records, disabled ones too.
func (t *TTLs) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	seats = slices.Compact(seats)
	found, err := t.lists(ctx, seats)
	if err != nil {
		return nil, err
	}
	var held []cutover.Held
	for _, seat := range seats {
		x, err := t.of(seat)
		if err != nil {
			return nil, err
		}
		records, err := t.at(found[x.Name], seat)
		if err != nil {
			return nil, err
		}
		from := len(held)
		for _, r := range records {
			held = append(held, cutover.Held{Seat: seat, Plane: t.plane, Object: ttlRules{}.object(seat, r), Value: ttlRules{}.value(nil, r),
				Born: r.born(), Live: true})
		}
		slices.SortFunc(held[from:], func(a, b cutover.Held) int { return strings.Compare(a.Object, b.Object) })
	}
	return held, nil
}

var errNoShare = errors.New("a TTL has no share")

// Shape isn't called for TTLs.
func (t *TTLs) Shape([]cutover.Held, map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	return nil, errNoShare
}

// Weigh isn't called for TTLs.
func (t *TTLs) Weigh(cutover.Held, string) (cutover.Share, error) { return nil, errNoShare }

// Write changes TTLs: read → write → read back. The API takes a whole record, so what it was read as is written with it.
func (t *TTLs) Write(ctx context.Context, _ cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	return t.names.write(ctx, changes, ttlRules{})
}

// ttlRules are how TTLs are written.
type ttlRules struct{}

func (ttlRules) object(seat cutover.Seat, r *record) string { return object(seat, r) + "/ttl" }
func (ttlRules) value(_ *listing, r *record) string         { return strconv.FormatInt(r.ttl, 10) }

func (ttlRules) takes(value string) error {
	if n, err := strconv.Atoi(value); err != nil || strconv.Itoa(n) != value || n < 1 || n > 86400 {
		return fmt.Errorf("%q, want 1 to 86400 seconds", value)
	}
	return nil
}

func (ttlRules) set(ctx context.Context, a api, _ *listing, r *record, after string) error {
	next := *r
	var err error
	if next.ttl, err = strconv.ParseInt(after, 10, 64); err != nil {
		return err
	}
	return a.update(ctx, next)
}

// keeps: every field but the TTL is somebody else's.
func (ttlRules) keeps(r record) record {
	r.ttl = 0
	return r
}

// mend puts a weight back that the call itself has set to the default: it isn't known whether the provider does so, and it would move
// half of the users. Any other change is somebody's.
func (ttlRules) mend(ctx context.Context, a api, was, is *record) (string, error) {
	if !was.enabled || !is.enabled || was.weight <= 1 || is.weight > 1 {
		return "", nil
	}
	err := a.setWeight(ctx, is.id, was.weight)
	if err != nil {
		return "", fmt.Errorf("its weight was %d before its TTL was written and is %d: put it back by hand: %w", was.weight, is.weight, err)
	}
	return fmt.Sprintf("writing its TTL set its weight from %d to %d: it was put back at once", was.weight, is.weight), nil
}
