package lab

import (
	"slices"
	"time"
)

// Second is what was sent in one second, by the room that served it and the one that it entered by. It grows while answers come.
type Second struct {
	At              time.Time // its beginning
	Served, Entered map[string]int64
}

// keptSeconds is how many seconds are kept.
const keptSeconds = 900

// seconds are the newest seconds of a load, oldest first. Requests count by when they were sent: a share changes in the second in which
// it changed, however long answers take.
type seconds []Second

func (s *seconds) count(q *request, by string) {
	at := q.at.Truncate(time.Second)
	i, found := slices.BinarySearchFunc(*s, at, func(x Second, t time.Time) int { return x.At.Compare(t) })
	if !found {
		*s = slices.Insert(*s, i, Second{At: at, Served: map[string]int64{}, Entered: map[string]int64{}})
		if len(*s) > keptSeconds {
			*s = (*s)[1:]
			i--
		}
		if i < 0 {
			return
		}
	}
	if q.room != "" {
		(*s)[i].Entered[q.room]++
	}
	if by != "" {
		(*s)[i].Served[by]++
	}
}

// since is a copy of the seconds that began at a moment or after it.
func (s seconds) since(t time.Time) []Second {
	var out []Second
	for _, x := range s {
		if !x.At.Before(t) {
			copied := Second{At: x.At, Served: map[string]int64{}, Entered: map[string]int64{}}
			for room, n := range x.Served {
				copied.Served[room] = n
			}
			for room, n := range x.Entered {
				copied.Entered[room] = n
			}
			out = append(out, copied)
		}
	}
	return out
}

// Seconds is what the load has sent since a moment, second by second; at most a quarter of an hour is kept.
func (l *Lab) Seconds(since time.Time) []Second {
	l.load.mu.Lock()
	defer l.load.mu.Unlock()
	return l.load.seconds.since(since)
}
