// Package alitest is what emulators of Alibaba Cloud's APIs have in common at the wire, for tests and the lab: RPC style, as the SDK speaks
// it, with signatures that are worked out here.
//
//   - It listens on 127.0.0.1 only.
//   - A request is carried out only if its signature, nonce, timestamp and rights are good; else it changes nothing.
//   - A ClientToken makes a write happen once: the same one again is answered as before and does nothing, with other parameters it is
//     refused.
//   - What isn't known of the real service is modelled in the way that is worse for its client.
package alitest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Options are what an account is like. The zero value is one that may do everything.
type Options struct {
	KeyID, Secret, Token string // "": TestKeyID, TestSecret, no token
	PerSecond            map[string]int
	Allowed              []string // actions that the key may call; nil: all
	Seed                 uint64
	Now                  func() time.Time // nil: the wall clock
	// Late is how long after its client gave up a held request lands, 0: 10 s.
	Late time.Duration
	Host string // of the answers' HostId, "": the lab's
	// NoTokens: ClientToken isn't looked at. It isn't known of every action whether the real service does.
	NoTokens bool
}

// The key that an emulator takes where Options names none.
const (
	TestKeyID  = "LTAItestKeyIdOfTheLab"
	TestSecret = "testSecretThatNobodyMayPrint"
)

// Action is one action of an API: its version, whether it changes something, and what it does, which returns the members of its answer.
type Action struct {
	Version string
	Writes  bool
	Do      func(q url.Values) (map[string]any, *Error)
}

// Server is the emulator of one endpoint.
type Server struct {
	o        Options
	actions  map[string]Action
	http     *http.Server
	listener net.Listener
	ended    chan struct{}
	served   sync.WaitGroup

	doing sync.Mutex // one request at a time is carried out
	once  map[string]done

	mu      sync.Mutex
	expired []string
	nonces  map[string]time.Time
	calls   map[string]int
	writes  int
	asked   map[string][]time.Time
	faults  []*Fault
	held    []chan struct{}
	rnd     *rand.Rand
}

// done is a write that was carried out for a ClientToken.
type done struct {
	params string
	answer map[string]any
}

// New starts an emulator on a port of its own.
func New(o Options, actions map[string]Action) (*Server, error) {
	o.KeyID, o.Secret = cmp.Or(o.KeyID, TestKeyID), cmp.Or(o.Secret, TestSecret)
	o.Late, o.Host = cmp.Or(o.Late, 10*time.Second), cmp.Or(o.Host, "api.aliyuncs.com")
	if o.Now == nil {
		o.Now = time.Now
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, actions: actions, listener: l, ended: make(chan struct{}), once: map[string]done{}, nonces: map[string]time.Time{},
		calls: map[string]int{}, asked: map[string][]time.Time{}, rnd: rand.New(rand.NewPCG(o.Seed, 1))}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	s.served.Go(func() { _ = s.http.Serve(l) }) // ends with Close
	return s, nil
}

// Close ends the emulator and waits for what it started. Requests that are held never land.
func (s *Server) Close() {
	close(s.ended)
	s.http.Close()
	s.served.Wait()
}

// Addr is the API's host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the API's address.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Writes is how many requests that change something were carried out, or would have been but for an error of theirs: every request
// that asked for a change and was well signed.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Calls is how many requests of an action came, "" of all, whatever became of them.
func (s *Server) Calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if action != "" {
		return s.calls[action]
	}
	n := 0
	for _, c := range s.calls {
		n += c
	}
	return n
}

// serve answers one request of the API. All parameters are in the query, as the SDK sends them, or in a form.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.answerError(w, Refusal("InvalidParameter", "The request can't be read."))
		return
	}
	q := r.Form
	name := q.Get("Action")
	err := s.admit(r.Method, name, q)
	f := s.came(name, err == nil)
	if err != nil {
		s.answerError(w, err)
		return
	}
	s.disturbed(w, r, name, f, q)
}

// admit refuses what isn't well signed, what no API knows, and what the account may not do.
func (s *Server) admit(method, name string, q url.Values) *Error {
	if err := s.authenticate(method, q); err != nil {
		return err
	}
	a, known := s.actions[name]
	switch {
	case !known:
		return &Error{Status: http.StatusNotFound, Code: "InvalidAction.NotFound", Message: "Specified api is not found, please check your url and method."}
	case a.Version != q.Get("Version"):
		return Refusal("InvalidVersion", "Specified parameter Version is not valid.")
	case s.o.Allowed != nil && !slices.Contains(s.o.Allowed, name):
		return &Error{Status: http.StatusForbidden, Code: "Forbidden.RAM", Message: "User not authorized to operate on the specified resource, or this API doesn't support RAM."}
	}
	return nil
}

// came counts a request and takes the fault that meets it, at once: who sees the count knows that no later request gets that fault.
func (s *Server) came(name string, admitted bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	if !admitted {
		return &Fault{}
	}
	if s.actions[name].Writes {
		s.writes++
	}
	if f := s.meets(name); f != nil {
		return f
	}
	return &Fault{}
}

// disturbed carries a request out as its fault has it.
func (s *Server) disturbed(w http.ResponseWriter, r *http.Request, name string, f *Fault, q url.Values) {
	switch f.Kind {
	case Refuse:
		s.answerError(w, &Error{Status: cmp.Or(f.Status, http.StatusBadRequest), Code: f.Code, Message: "The emulator was told to refuse this."})
		return
	case Throttle:
		s.answerError(w, throttled(f.RetryAfter))
		return
	case Hang:
		select {
		case <-r.Context().Done():
		case <-s.ended:
		}
		return
	case Meanwhile:
		f.Do()
	}
	var answer map[string]any
	var err *Error
	land := func() { answer, err = s.perform(name, q) }
	if f.Kind == Late || f.Kind == Held {
		land = func() { // it is accepted, or not, when it arrives
			if err = s.inTime(q); err == nil {
				answer, err = s.perform(name, q)
			}
		}
		if !s.hold(r, f, land) {
			return
		}
	} else {
		land()
	}
	s.reply(w, f, answer, err)
}

// reply answers a request that was carried out or refused, as its fault has it.
func (s *Server) reply(w http.ResponseWriter, f *Fault, answer map[string]any, err *Error) {
	total, listing := answer["TotalCount"].(int)
	switch {
	case f.Kind == LoseReply:
		panic(http.ErrAbortHandler)
	case f.Kind == Garbage:
		fmt.Fprint(w, "<html>a proxy's page</html>")
	case err != nil:
		s.answerError(w, err)
	case f.Kind == HalfPage && listing:
		answer["TotalCount"] = total + 1
		fallthrough
	default:
		s.answer(w, http.StatusOK, answer)
	}
}

func throttled(after time.Duration) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "Throttling.User", Message: "Request was denied due to user flow control.", RetryAfter: after}
}

// perform carries an action out, unless the account has called it too often, or did so already by the same ClientToken.
func (s *Server) perform(name string, q url.Values) (map[string]any, *Error) {
	if err := s.tooOften(name); err != nil {
		return nil, err
	}
	s.doing.Lock()
	defer s.doing.Unlock()
	a, token := s.actions[name], q.Get("ClientToken")
	if !a.Writes || token == "" || s.o.NoTokens {
		return a.Do(q)
	}
	params := meant(q)
	if d, was := s.once[token]; was {
		if d.params != params {
			return nil, Refusal("IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical request.")
		}
		return d.answer, nil
	}
	answer, err := a.Do(q)
	if err == nil {
		s.once[token] = done{params, answer}
	}
	return answer, err
}

// meant is what a request asks for, without what is of its sending.
func meant(q url.Values) string {
	rest := url.Values{}
	for name, v := range q {
		switch name {
		case "Timestamp", "Signature", "SignatureNonce", "SecurityToken", "AccessKeyId":
		default:
			rest[name] = v
		}
	}
	return rest.Encode()
}

func (s *Server) tooOften(name string) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.o.PerSecond[name]
	if limit == 0 {
		return nil
	}
	now := s.o.Now()
	recent := slices.DeleteFunc(s.asked[name], func(at time.Time) bool { return now.Sub(at) >= time.Second })
	s.asked[name] = append(recent, now)
	if len(recent) >= limit {
		s.asked[name] = recent
		return throttled(time.Second)
	}
	return nil
}

func (s *Server) answerError(w http.ResponseWriter, e *Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("x-ratelimit-user-api", fmt.Sprintf("Limit:10,Remain:0,TimeLeft:%d,TimeWindow:1000", e.RetryAfter.Milliseconds()))
	}
	s.answer(w, e.Status, map[string]any{"HostId": s.o.Host, "Code": e.Code, "Message": e.Message,
		"Recommend": "https://error-center.aliyun.com/status/search?Keyword=" + e.Code})
}

func (s *Server) answer(w http.ResponseWriter, status int, members map[string]any) {
	out := map[string]any{}
	for k, v := range members {
		out[k] = v
	}
	s.mu.Lock()
	out["RequestId"] = fmt.Sprintf("%08X-0000-4000-8000-%012X", s.rnd.Uint32(), s.rnd.Uint32())
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // a client that has gone doesn't read it
}
