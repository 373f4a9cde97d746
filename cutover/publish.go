package cutover

import (
	"context"
	"fmt"
	"slices"
)

// Publisher tells who the writer of a pair is to those who don't follow its record: a service in the catalog, a tag, a name. What it
// writes is worked out of the record alone, and never goes back behind what is newer.
type Publisher interface {
	// Publish makes one attempt, within ctx, to publish what the pair's record says now. Nil: it says that, or what is newer; or the
	// record isn't STABLE, and whoever brings it there publishes.
	Publish(ctx context.Context, pair string) error
}

// publication is a pair's, as far as this process has it in hand. A process that takes over publishes anew, for nobody knows how far the
// one before it had come.
type publication struct {
	pair    string
	attempt int
	gen     int // rises with each record that is to be published
	done    int // the newest that is
	flying  bool
	since   T // when the newest was asked for
	tries   int
	retryAt T
	told    string
}

const (
	publishLimit    = 10 * Second // one attempt, in every room
	publishPatience = 10 * Second // a step waits so long for what hangs, and then goes on without
)

// publish asks for a pair's record to be published. Going on doesn't wait for it, but for a moment: the record is what counts.
func (e *engine) publish(pair string) {
	if e.w.Publisher == nil {
		return
	}
	i := slices.IndexFunc(e.public, func(p *publication) bool { return p.pair == pair })
	if i < 0 {
		i = len(e.public)
		e.public = append(e.public, &publication{pair: pair})
	}
	p := e.public[i]
	p.gen, p.since, p.tries, p.retryAt = p.gen+1, e.now, 0, e.now
}

// publishAll goes on with what isn't published yet, again and again.
func (e *engine) publishAll() {
	for _, p := range e.public {
		switch {
		case p.done == p.gen || p.flying:
		case e.now < p.retryAt:
			e.at(p.retryAt)
		default:
			e.publishOne(p)
		}
	}
}

func (e *engine) publishOne(p *publication) {
	p.attempt++
	p.flying = true
	gen, attempt := p.gen, p.attempt
	ends := func(err error) {
		if p.attempt == attempt && p.flying {
			p.flying = false
			e.unlessPublished(p, gen, err)
		}
	}
	e.start(publishLimit, func(ctx context.Context) any { return e.w.Publisher.Publish(ctx, p.pair) }, func(v any) {
		err, _ := v.(error)
		if err == nil { // however late: it says what it read then, or what is newer
			p.done, p.told = max(p.done, gen), ""
		}
		ends(err)
	}, func() { ends(errNoAnswer) })
}

// unlessPublished sees to another attempt, if there was an error.
func (e *engine) unlessPublished(p *publication, gen int, err error) {
	if err == nil {
		return
	}
	if p.gen == gen {
		p.retryAt = e.now + backoff(p.tries, 0)
		p.tries++
	}
	if text := err.Error(); p.told != text {
		p.told = text
		e.note(fmt.Sprintf("the writer of %s isn't published yet: %s; applications that follow the record aren't concerned", p.pair, text))
	}
}

// unpublished is why a step waits before it bakes; "" if it doesn't.
func (e *engine) unpublished(pairs []string) string {
	for _, p := range e.public {
		if p.done < p.gen && slices.Contains(pairs, p.pair) && e.now < p.since+publishPatience {
			e.at(p.since + publishPatience)
			return "the writer of " + p.pair + " is being published"
		}
	}
	return ""
}
