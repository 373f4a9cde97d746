package sim

import "roomshift/cutover"

// queue is what waits for its time: a heap by time, then by number, so that of two things at one moment the one that was put
// first comes first.
type queue[V any] struct {
	items []queued[V]
	n     int
}

type queued[V any] struct {
	at cutover.T
	n  int
	v  V
}

func (a *queued[V]) before(b *queued[V]) bool { return a.at < b.at || a.at == b.at && a.n < b.n }

// next is when the first is due, Never if nothing waits.
func (q *queue[V]) next() cutover.T {
	if len(q.items) == 0 {
		return cutover.Never
	}
	return q.items[0].at
}

func (q *queue[V]) put(at cutover.T, v V) {
	q.n++
	q.items = append(q.items, queued[V]{at, q.n, v})
	i := len(q.items) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !q.items[i].before(&q.items[up]) {
			break
		}
		q.items[i], q.items[up] = q.items[up], q.items[i]
		i = up
	}
}

// take removes the first.
func (q *queue[V]) take() (cutover.T, V) {
	first := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = queued[V]{}
	q.items = q.items[:last]
	i := 0
	for {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < last && q.items[c].before(&q.items[least]) {
				least = c
			}
		}
		if least == i {
			return first.at, first.v
		}
		q.items[i], q.items[least] = q.items[least], q.items[i]
		i = least
	}
}

// random is splitmix64: small, fast, and the same on every machine and in every release of Go.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// between is a number of [lo, hi).
func (r *random) between(lo, hi float64) float64 {
	return lo + (hi-lo)*float64(r.next()>>11)/(1<<53)
}

// span is a time of [lo, hi), in whole microseconds.
func (r *random) span(lo, hi cutover.T) cutover.T {
	return cutover.T(r.between(float64(lo), float64(hi))) / 1000 * 1000
}
