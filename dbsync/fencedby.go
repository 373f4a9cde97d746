package dbsync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// A master in a cloud whose provider gives nobody the right to set read_only is fenced, and opened, through the provider's API. A request
// of an API has no session that could be killed (R1): it may be held on its way and accepted later, and what was accepted is carried out
// later still. What can be proven is this:
//
//   - Accepted and not in force: the provider shows the parameter's wanted value beside the running one, and each accepted change in its
//     history with whether it is applied. Nothing is sent while they differ, and nothing is believed of the master.
//   - In force: the server itself says so, on the session that holds its lock; the provider's word alone isn't taken.
//   - Sent and not accepted: a request is signed with its time, and the provider refuses one that is older than validFor. Each is signed
//     first, then its sender sees that its session still holds the server's lock, and only then it is sent. So whatever an older holder of
//     the lock ever sent was signed before we took the lock, and is refused from Quiet after that: validFor, and as much again for a
//     sender whose clock was ahead. Until then a move away from the master isn't begun, and none is committed: a late open would make two
//     writers. Our own requests count as well, if they weren't answered: opens begin that time anew.
//   - A late fence is never dangerous: it leaves no writer, which is seen and undone. A late open of the room that the record names
//     isn't either. After COMMIT nobody may have sent one of the old writer in this epoch (R3, R4), so the new one is opened at once.
//   - A request that wasn't answered is sent once more, with the token that makes the provider carry it out once, before anything else is.
//
// Nothing proves that the provider does as it says: that a drill shows.

// Provider sets a parameter that fences one master. An instance's own name is in String.
type Provider interface {
	fmt.Stringer
	// Set asks for "1" (fenced) or "0". before is called when the request is signed and not sent; an error of it keeps it from being
	// sent. nil: accepted, which isn't in force. cutover.ErrOutcomeUnknown: it may have been, or may still be accepted.
	Set(ctx context.Context, value, token string, before func() error) error
	// Values are the parameter as it was accepted last, and as it is in force, by the provider's word.
	Values(ctx context.Context) (wanted, running string, err error)
	// Settable is nil if the provider lets the parameter be changed while the server runs.
	Settable(ctx context.Context, engine, version string) error
	// Pending is the change of the history that is accepted and not in force, "" none.
	Pending(ctx context.Context) (string, error)
}

// validFor is how far a request's time may be from the provider's clock, either way.
const validFor = 15 * time.Minute

// DefaultQuiet is how long after its lock was taken something older may still be accepted by a provider.
const DefaultQuiet = 2*validFor + time.Minute

// ProviderError: a provider didn't do as asked, and won't: nothing of that request is under way.
type ProviderError struct {
	Room    cutover.Room
	Act, By string
	Err     error // its own words
}

func (e *ProviderError) Error() string {
	return fmt.Sprintf("%s the master in %s by %s: %v", e.Act, e.Room, e.By, e.Err)
}

func (e *ProviderError) Unwrap() error { return e.Err }

// unsettled is a request to the provider that wasn't answered.
type unsettled struct{ value, token string }

// providerPause is between two looks whether a change is in force.
const providerPause = 200 * time.Millisecond

// quiet tells how long something older may still land, 0 not any more.
func (s *Server) quiet() time.Duration {
	if s.provider == nil {
		return 0
	}
	return max(0, time.Until(time.Unix(0, s.quietAt.Load())))
}

// disturb begins the quiet time anew.
func (s *Server) disturb() { s.quietAt.Store(time.Now().Add(s.quietFor).UnixNano()) }

// byProvider makes the parameter be value, and waits until the server says that it is; ctx bounds that.
func (s *Server) byProvider(ctx context.Context, act, value string) error {
	fail := func(err error) error {
		if errors.Is(err, cutover.ErrOutcomeUnknown) {
			return fmt.Errorf("%s the master in %s by %s: %w", act, s.room, s.provider, err)
		}
		return &ProviderError{Room: s.room, Act: act, By: s.provider.String(), Err: err}
	}
	if err := s.settleProvider(ctx); err != nil {
		return fail(err)
	}
	pending, err := s.provider.Pending(ctx)
	if err != nil {
		return fail(err)
	}
	if pending != "" && !s.isOwn(value) {
		return &PendingError{Room: s.room, By: []Client{{User: s.provider.String(), Statement: pending}}}
	}
	if !s.isOwn(value) {
		if err := s.send(ctx, unsettled{value, "roomshift-" + rand.Text()}); err != nil {
			return fail(err)
		}
	}
	return s.inForce(ctx, value, fail)
}

// isOwn tells whether this session asked for the value last, and was answered that it is accepted.
func (s *Server) isOwn(value string) bool {
	own := s.accepted.Load()
	return own != nil && own.value == value && own.session == s.Session()
}

type acceptedBy struct {
	value   string
	session uint64
}

// settleProvider sends what wasn't answered once more.
func (s *Server) settleProvider(ctx context.Context) error {
	u := s.open.Load()
	if u == nil {
		return nil
	}
	return s.send(ctx, *u)
}

// send sends one request, whose sender is seen to hold the server's lock after it was signed.
func (s *Server) send(ctx context.Context, u unsettled) error {
	s.open.Store(&u)
	session := s.Session()
	err := s.provider.Set(ctx, u.value, u.token, func() error {
		_, err := s.ask(context.WithoutCancel(ctx), s.o.Margin, "SELECT 1 AS one")
		if err == nil && s.Session() != session {
			err = ErrNoSession
		}
		return err
	})
	switch {
	case err == nil:
		s.open.Store(nil)
		s.accepted.Store(&acceptedBy{u.value, session})
	case errors.Is(err, cutover.ErrOutcomeUnknown):
		if u.value == "0" {
			s.disturb()
		}
	default:
		s.open.Store(nil)
	}
	return err
}

// inForce waits until the server says the value on its own session, and the provider that nothing is under way.
func (s *Server) inForce(ctx context.Context, value string, fail func(error) error) error {
	ident, err := s.identified()
	if err != nil {
		return err
	}
	session := context.WithoutCancel(ctx) // that the time is over is no reason to lose it
	if end, ok := ctx.Deadline(); ok {    // who waits for this is told before it is too late for an answer
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-providerPause))
		defer cancel()
	}
	for {
		tables, err := s.ask(session, s.o.Margin, ident.d.verbs.bothText()+"; "+newestQuery)
		if err != nil {
			return fail(fmt.Errorf("%w: accepted, and not seen in force: %w", cutover.ErrOutcomeUnknown, err))
		}
		is, err := parseReadOnly(firstRow(tables, 0)["ro"])
		if err == nil && is == (value == "1") {
			wanted, running, err := s.provider.Values(ctx)
			pending, err2 := s.provider.Pending(ctx)
			if err == nil && err2 == nil && pending == "" && wanted == value && running == value {
				s.accepted.Store(nil)
				if value == "1" {
					s.began(firstRow(tables, 1))
				}
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fail(fmt.Errorf("%w: accepted, and not in force when the time was over", cutover.ErrOutcomeUnknown))
		case <-time.After(providerPause):
		}
	}
}

// seenProvider adds to what a look saw what the provider says: a change under way, and whether something older may still land.
func (s *Server) seenProvider(ctx context.Context, seen *writer.Server, o SeenOptions) error {
	if s.provider == nil || seen.Away {
		return nil
	}
	pending, err := s.provider.Pending(ctx)
	if err != nil {
		seen.Still = false // what is under way there isn't known
		return fmt.Errorf("the provider of the master in %s: %w", s.room, err)
	}
	if pending != "" && seen.Pending == "" {
		seen.Pending = s.provider.String() + ": " + pending
	}
	if left := s.quiet(); left > 0 && o.Phase != writer.Commit {
		seen.Still = false
		return s.tooSoon(left)
	}
	return nil
}

// tooSoon says until when something older may land.
func (s *Server) tooSoon(left time.Duration) error {
	return fmt.Errorf("a request that was sent before this process had the lock of the master in %s may be accepted by %s for %v more: until then the write role doesn't leave it",
		s.room, s.provider, left.Round(time.Second))
}

// NotNow is why a move away from this master shouldn't be begun at present, "" nothing speaks against it. It is what the last Seen saw, and
// of a pair that replicates by itself and is fenced by statements nothing.
func (s *Server) NotNow() string {
	var why []string
	if text := s.unready.Load(); s.tool != nil && text != nil && *text != "" {
		why = append(why, *text)
	}
	if left := s.quiet(); left > 0 {
		why = append(why, s.tooSoon(left).Error())
	}
	return strings.Join(why, "; ")
}

// checkProviders asks the providers that fence masters whether they let anybody do that, and whether they do what they say.
func (r *Ring) checkProviders(ctx context.Context) []Finding {
	var found []Finding
	for i, n := range r.nodes {
		p := r.kept.Providers[i]
		if p == nil {
			continue
		}
		f := Finding{Check: "provider", Room: n.room, Wanted: "it sets the parameter while the server runs, nothing is under way, and the server says the same",
			Do: "look at fence: and providers: of rooms.yaml, and at the account's RAM policy (`roomshift check RUNBOOK --grants`)"}
		seen, err := n.askProvider(ctx, p, r.timeout)
		if err != nil {
			seen = err.Error()
		} else {
			f.OK, f.Do = true, ""
		}
		f.Seen = seen
		found = append(found, f)
	}
	return found
}

func (n *node) askProvider(ctx context.Context, p Provider, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*limit)
	defer cancel()
	var text, name string
	if err := n.db.QueryRowContext(ctx, "SELECT "+readOnlyText+", VERSION()").Scan(&text, &name); err != nil {
		return "", n.fail(err)
	}
	v, err := parseVersion(name)
	if err != nil {
		return "", err
	}
	if err := p.Settable(ctx, v.engine(), fmt.Sprintf("%d.%d", v.n[0], v.n[1])); err != nil {
		return "", err
	}
	pending, err := p.Pending(ctx)
	if err == nil && pending != "" {
		err = fmt.Errorf("%s: %s", p, pending)
	}
	if err != nil {
		return "", err
	}
	_, running, err := p.Values(ctx)
	if err != nil {
		return "", err
	}
	is, err := parseReadOnly(text)
	want, err2 := parseReadOnly(running)
	if err == nil && (err2 != nil || is != want) {
		err = fmt.Errorf("%s is %q by its provider, and the server says %s", p, running, text)
	}
	return fmt.Sprintf("%s is %s", p, running), err
}

// provided tells whether a room's master is fenced by its provider.
func (r *Ring) provided(room cutover.Room) bool {
	for i, n := range r.nodes {
		if n.room == room {
			return r.kept.Providers[i] != nil
		}
	}
	return false
}
