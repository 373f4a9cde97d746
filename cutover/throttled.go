package cutover

import "errors"

// Throttled is the error of a listing that its server wants to be asked for later: it isn't there, and that is no failure, however often. A
// write's is Outcome.RetryAfter.
type Throttled struct {
	After T
	Err   error
}

func (t *Throttled) Error() string { return t.Err.Error() }

// Unwrap is for errors.Is.
func (t *Throttled) Unwrap() error { return t.Err }

// patienceFor is how long a server wants to be left alone, by the error of a listing; 0: it doesn't say.
func patienceFor(err error) T {
	var t *Throttled
	if errors.As(err, &t) {
		return t.After
	}
	return 0
}
