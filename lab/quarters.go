package lab

import (
	"slices"
	"time"
)

// Quarter is what was sent in a quarter of a second, by the room that served it and the one that it entered by. It grows while answers
// come.
type Quarter struct {
	At              time.Time // its beginning
	Served, Entered map[string]int64
	Crossed         int64
}

// QuarterLength is how long a quarter is.
const QuarterLength = 250 * time.Millisecond

// keptQuarters is how many of them are kept: a quarter of an hour.
const keptQuarters = 3600

// quarters are the newest quarters of a load, oldest first. Requests count by when they were sent: a share changes in the quarter in which
// it changed, however long answers take.
type quarters []Quarter

func (s *quarters) count(q *request, by string) {
	at := q.at.Truncate(QuarterLength)
	i, found := slices.BinarySearchFunc(*s, at, func(x Quarter, t time.Time) int { return x.At.Compare(t) })
	if !found {
		*s = slices.Insert(*s, i, Quarter{At: at, Served: map[string]int64{}, Entered: map[string]int64{}})
		if len(*s) > keptQuarters {
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
		if by != q.room {
			(*s)[i].Crossed++
		}
	}
}

// since is a copy of the quarters that began at a moment or after it.
func (s quarters) since(t time.Time) []Quarter {
	var out []Quarter
	for _, x := range s {
		if !x.At.Before(t) {
			copied := Quarter{At: x.At, Crossed: x.Crossed, Served: map[string]int64{}, Entered: map[string]int64{}}
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

// Quarters is what the load has sent since a moment, quarter by quarter.
func (l *Lab) Quarters(since time.Time) []Quarter {
	l.load.mu.Lock()
	defer l.load.mu.Unlock()
	return l.load.quarters.since(since)
}
