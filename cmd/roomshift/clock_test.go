package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"roomshift/cutover"
)

// kinds is what events are, in order: l lease, c command, r reply, s sample.
func kinds(evs []cutover.Event) string {
	s := ""
	for _, e := range evs {
		switch {
		case e.Lease != nil:
			s += "l"
		case e.Command != nil:
			s += "c"
		case e.Reply != nil:
			s += "r"
		case e.Sample != nil:
			s += "s"
		}
	}
	return s
}

func TestClockHandsOverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		c.Sample(cutover.Sample{Gauge: 1, Room: "home"})
		c.Go(7, cutover.Second, func(context.Context) any { return "answer" })
		synctest.Wait()
		c.Command(cutover.Command{Verb: "freeze"})
		c.Lease(cutover.LeaseChange{})
		evs := c.Next(cutover.Never)
		if got := kinds(evs); got != "lcrs" {
			t.Fatalf("events came as %q; want lease, command, reply, sample", got)
		}
		if r := evs[2].Reply; r.ID != 7 || r.Value != "answer" {
			t.Errorf("reply %+v; want number 7 with its answer", r)
		}
		// nothing is handed over twice
		if evs := c.Next(c.Now() + cutover.Second); len(evs) != 0 {
			t.Errorf("%q came again", kinds(evs))
		}
	})
}

func TestClockKeepsTheNewestSampleOfEachGaugeAndRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		for i := range 1000 {
			c.Sample(cutover.Sample{Gauge: 1, Room: "home", Lo: float64(i)})
			c.Sample(cutover.Sample{Gauge: 1, Room: "cloud", Lo: float64(-i)})
			c.Sample(cutover.Sample{Gauge: 2, Room: "home", Lo: 5})
		}
		evs := c.Next(0)
		if len(evs) != 3 {
			t.Fatalf("%d samples; want the newest of three", len(evs))
		}
		if a, b := evs[0].Sample.Lo, evs[1].Sample.Lo; a != 999 || b != -999 {
			t.Errorf("samples %v and %v; want 999 and -999", a, b)
		}
	})
}

func TestClockWaitsUntilTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		begun := c.Now()
		if evs := c.Next(begun + 3*cutover.Second); len(evs) != 0 {
			t.Fatalf("%q came from nowhere", kinds(evs))
		}
		if got := c.Now() - begun; got != 3*cutover.Second {
			t.Errorf("it waited %s; want 3s", got.Duration())
		}
		if c.Next(begun); c.Now() != begun+3*cutover.Second {
			t.Error("a moment that has passed was waited for")
		}
		// an event ends the waiting
		go func() {
			<-time.After(time.Second)
			c.Command(cutover.Command{Verb: "pause"})
		}()
		at := c.Now()
		evs := c.Next(cutover.Never)
		if kinds(evs) != "c" || c.Now()-at != cutover.Second {
			t.Errorf("%q after %s; want the command after 1s", kinds(evs), (c.Now() - at).Duration())
		}
		if got := evs[0].Command.Stamp; got != c.Now() {
			t.Errorf("the command is stamped %s; want the moment when it came, %s", got.Duration(), c.Now().Duration())
		}
	})
}

// A request that takes too long is told so by its context; its reply comes all the same.
func TestClockBoundsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		c.Go(1, 2*cutover.Second, func(ctx context.Context) any {
			<-ctx.Done()
			return ctx.Err()
		})
		evs := c.Next(cutover.Never)
		err, _ := evs[0].Reply.Value.(error)
		if !errors.Is(err, context.DeadlineExceeded) || evs[0].Reply.At != 2*cutover.Second {
			t.Errorf("reply %+v; want its deadline after 2s", evs[0].Reply)
		}
	})
}

func TestClockTellsWallTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		c.Next(cutover.Second)
		if got, want := c.Wall(c.Now()+cutover.Second), time.Now().Add(time.Second); !got.Equal(want) {
			t.Errorf("a second from now is %s; want %s", got, want)
		}
	})
}
