package alitest

import (
	"net/http"
	"slices"
	"time"
)

// Fault is what becomes of requests. Action says which: the name of one, "read", "write", "" all. Skip lets so many go first; Times is
// how many it meets, 0 until Heal.
type Fault struct {
	Action      string
	Skip, Times int
	Kind        Kind

	Code       string        // Refuse: the API's error code
	Status     int           // Refuse: the HTTP status, 0: 400
	RetryAfter time.Duration // Throttle: said in the answer, 0: nothing is said
	Do         func()        // Meanwhile: what somebody else does just before the request is carried out
}

// Kind is a kind of Fault.
type Kind string

// The kinds of faults.
const (
	Refuse    Kind = "refuse"     // an API error; nothing is done
	Throttle  Kind = "throttle"   // Throttling.User
	Hang      Kind = "hang"       // no answer, nothing is done, ever
	LoseReply Kind = "lose reply" // it is carried out, the connection ends without an answer
	Late      Kind = "late"       // it is held until its client has given up, and carried out Options.Late after that, or by Release
	Held      Kind = "held"       // it is held until Release, and carried out then whether or not its client is there
	Garbage   Kind = "garbage"    // it is carried out, the answer is no JSON
	Meanwhile Kind = "meanwhile"  // Do runs first; the request is carried out after it
	HalfPage  Kind = "half page"  // a listing says a total that it doesn't deliver
)

// Fault adds a fault; the first that fits a request meets it.
func (s *Server) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal ends all faults. What is held stays held.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// HeldNow is how many requests are held.
func (s *Server) HeldNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// Release carries out every request that is held, and returns when that is done.
func (s *Server) Release() {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, h := range held {
		h <- struct{}{} // taken by the handler …
		h <- struct{}{} // … and carried out
	}
}

// meets is the fault that meets a request, nil for none. It is called with mu held.
func (s *Server) meets(action string) *Fault {
	for _, f := range s.faults {
		if !s.fits(f.Action, action) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.DeleteFunc(s.faults, func(x *Fault) bool { return x == f })
			}
		}
		return f
	}
	return nil
}

func (s *Server) fits(which, action string) bool {
	switch which {
	case "":
		return true
	case "read":
		return !s.actions[action].Writes
	case "write":
		return s.actions[action].Writes
	}
	return which == action
}

// hold keeps a request until it may land. False: the emulator ended first.
func (s *Server) hold(r *http.Request, f *Fault, land func()) bool {
	h := make(chan struct{})
	s.mu.Lock()
	s.held = append(s.held, h)
	s.mu.Unlock()
	var late <-chan time.Time
	gone := r.Context().Done()
	for {
		select {
		case <-gone:
			gone = nil
			if f.Kind == Late {
				late = time.After(s.o.Late)
			}
		case <-late:
			if !s.unhold(h) { // Release has it
				late = nil
				continue
			}
			land()
			return true
		case <-h:
			land()
			<-h
			return true
		case <-s.ended:
			return false
		}
	}
}

func (s *Server) unhold(h chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.held)
	s.held = slices.DeleteFunc(s.held, func(x chan struct{}) bool { return x == h })
	return len(s.held) < n
}
