package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// defaultScrape is taken where neither rooms.yaml nor the Prometheus says how often it scrapes.
const defaultScrape = 15 * time.Second

// source is one Prometheus.
type source struct {
	name    string // for messages: "prometheus of home" or "the shared prometheus"
	api     v1.API
	client  api.Client
	now     func() cutover.T
	timeOut time.Duration

	noFuture atomic.Bool // it refuses negative offsets

	reading sync.Mutex    // one goroutine at a time asks for the interval; the others go on with what is known
	mu      sync.Mutex    // guards the rest
	scrape  time.Duration // 0: not known yet
	said    bool          // rooms.yaml says it
	asked   cutover.T     // when it was last asked for

	ruling ruleBook
}

func newSource(name string, p *runbooks.Prometheus, now func() cutover.T, timeOut time.Duration) (*source, error) {
	u, err := url.Parse(p.Addr)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s: the address must be a URL such as https://prometheus.example.net", name)
	}
	if u.User != nil {
		return nil, fmt.Errorf("%s: the address holds a user or password; put a token into a file and name it under tokenFile", name)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	if tr.TLSClientConfig, err = p.TLS.Config(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Redirects aren't followed: the token goes to the address that rooms.yaml names, and to no other.
	client, err := api.NewClient(api.Config{Address: p.Addr, Client: &http.Client{
		Transport:     &bearer{file: p.TokenFile, next: tr},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &source{name: name, api: v1.NewAPI(client), client: client, now: now, timeOut: timeOut, scrape: p.Scrape, said: p.Scrape > 0}
	return s, nil
}

// bearer adds the token to each request. The file is read each time, so that a token may be renewed under a run.
type bearer struct {
	file string
	next *http.Transport
}

func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if b.file == "" {
		return b.next.RoundTrip(req)
	}
	token, err := os.ReadFile(b.file)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return b.next.RoundTrip(req)
}

// CloseIdleConnections lets the client be closed.
func (b *bearer) CloseIdleConnections() { b.next.CloseIdleConnections() }

// ask asks for all parts in one query. A source that can't look ahead (Prometheus before 2.33) is asked without.
func (s *source) ask(ctx context.Context, parts []part, w time.Duration) (*answer, cutover.Reason) {
	a, why := s.query(ctx, compose(parts, w, !s.noFuture.Load()))
	if strings.Contains(string(why), "negative offset is disabled") && !s.noFuture.Swap(true) {
		return s.query(ctx, compose(parts, w, false))
	}
	return a, why
}

// query sends one composed query, bounded by the source's time-out.
func (s *source) query(ctx context.Context, query string) (*answer, cutover.Reason) {
	ctx, cancel := context.WithTimeout(ctx, s.timeOut)
	defer cancel()
	sent := s.now()
	v, warnings, _, err := s.api.Query(ctx, query, time.Time{})
	if err != nil {
		return nil, s.reason(ctx, err)
	}
	if len(warnings) > 0 { // part of an answer is none: some of the stores behind it didn't answer
		return nil, because("error", "%s answered only in part: %s", s.name, short(strings.Join(warnings, "; ")))
	}
	a, err := readAnswer(v, sent)
	if err != nil {
		return nil, because("error", "%s: %v", s.name, err)
	}
	return a, ""
}

// reason says why there is no answer.
func (s *source) reason(ctx context.Context, err error) cutover.Reason {
	var e *v1.Error
	switch {
	case ctx.Err() != nil:
		return because(cutover.NoAnswer, "%s didn't answer within %v", s.name, s.timeOut)
	case errors.As(err, &e):
		text, hint := e.Msg, ""
		if said := (struct{ Error string }{}); json.Unmarshal([]byte(e.Detail), &said) == nil && said.Error != "" {
			text += ": " + said.Error // of a 503, which says that the query took too long
		}
		if strings.Contains(text, "got scalar") {
			hint = "; a query that is a plain number needs vector(…) around it"
		}
		return because("error", "%s: %s%s", s.name, short(text), hint)
	default:
		if u := (*url.Error)(nil); errors.As(err, &u) { // its own text begins with the whole address
			err = u.Err
		}
		return because(cutover.NoAnswer, "%s: %s", s.name, short(err.Error()))
	}
}

// short keeps a server's words to one line of a screen.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return s
}

// interval is how often the source scrapes: as rooms.yaml says, else as it says itself, else 15 s. It asks at most once in
// half a minute, and never waits for another goroutine that asks.
func (s *source) interval(ctx context.Context) time.Duration {
	s.mu.Lock()
	scrape, due := s.scrape, s.asked == 0 || s.now()-s.asked > 30*cutover.Second
	s.mu.Unlock()
	if scrape > 0 {
		return scrape
	}
	if due && s.reading.TryLock() {
		defer s.reading.Unlock()
		if d, err := s.readInterval(ctx); err == nil {
			return d
		}
	}
	return defaultScrape
}

// globalInterval finds the interval in what Prometheus calls its configuration, which is YAML that it wrote itself: the
// first one is that of `global`, which stands first.
var globalInterval = regexp.MustCompile(`(?m)^global:\n(?:[ \t]+.*\n)*?[ \t]+scrape_interval: *(\S+)`)

// readInterval asks the source how often it scrapes, and remembers it.
func (s *source) readInterval(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeOut)
	defer cancel()
	s.mu.Lock()
	s.asked = s.now()
	s.mu.Unlock()
	c, err := s.api.Config(ctx)
	if err != nil {
		return 0, errors.New(string(s.reason(ctx, err)))
	}
	m := globalInterval.FindStringSubmatch(c.YAML)
	if m == nil {
		return 0, fmt.Errorf("%s doesn't say how often it scrapes", s.name)
	}
	d, err := model.ParseDuration(m[1])
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s says that it scrapes every %q", s.name, short(m[1]))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrape = time.Duration(d)
	return s.scrape, nil
}

// close ends idle connections, so that no goroutine of theirs stays behind.
func (s *source) close() {
	if c, ok := s.client.(api.CloseIdler); ok {
		c.CloseIdleConnections()
	}
}
