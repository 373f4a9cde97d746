package consul

import (
	"fmt"
	"strings"

	"roomshift/cutover"
)

// An instance that no room's sign is on, or the signs of two, is listed with no room: it isn't alive to a share, and is never written. A plan
// over such a listing would be wrong by what the instance serves, so whoever makes one refuses it, by name (Roomless); a run that is under
// way goes on over the others, since it must be able to go back, and says so (Config.Note).

// Roomless are the instances of a listing of Services or Upstreams that are in no room, in order.
func Roomless(held []cutover.Held) []string {
	var objects []string
	for i := range held {
		if held[i].Room == "" {
			objects = append(objects, held[i].Object)
		}
	}
	return objects
}

// SomeOf names the first three of many.
func SomeOf(objects []string) string {
	if n := len(objects); n > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(objects[:3], ", "), n-3)
	}
	return strings.Join(objects, ", ")
}

// noteRoomless says, once for as long as they are the same, which instances of a seat aren't counted.
func (c *Client) noteRoomless(seat cutover.Seat, held []cutover.Held) {
	if c.note == nil {
		return
	}
	objects := Roomless(held)
	all := strings.Join(objects, " ")
	c.mu.Lock()
	was := c.roomless[seat]
	c.roomless[seat] = all
	c.mu.Unlock()
	switch {
	case all == was:
	case all == "":
		c.note(fmt.Sprintf("%v: every instance is in a room again", seat))
	default:
		c.note(fmt.Sprintf("%v: in no room, or in two, and so not counted: %s: put the address into the addresses of a room, or tag the instance with a room's name",
			seat, SomeOf(objects)))
	}
}
