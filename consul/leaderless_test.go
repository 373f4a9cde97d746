package consul_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestWhyNothingIsAnswered: a read that a Consul holds, as one without a leader does for 7 s, is said to want a leader, if that is what the
// server says when it is asked; else that it wasn't answered in time.
func TestWhyNothingIsAnswered(t *testing.T) {
	for _, c := range []struct {
		leader string // "" holds this, too
		none   bool
	}{{`""`, true}, {`"127.0.0.1:8300"`, false}, {"rubbish", false}, {"", false}} {
		t.Run(c.leader, func(t *testing.T) {
			end := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/status/leader" && c.leader != "" {
					_, _ = w.Write([]byte(c.leader))
					return
				}
				<-end
			}))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(end) })
			cl := client(t, strings.TrimPrefix(server.URL, "http://"), func(c *consul.Config) { c.TokenFile, c.TimeOut = "", 100*time.Millisecond })
			seat := cutover.Seat{Route: "gw", At: "home"}
			keys := cl.NumberKeys("p", "home", map[cutover.Seat]consul.KeySpec{seat: {Key: "gateway/cloud", As: "percent", Of: "cloud"}}, rooms)
			_, err := keys.Read(within10s(t), []cutover.Seat{seat})
			if err == nil || errors.Is(err, consul.ErrNoLeader) != c.none || strings.Contains(err.Error(), "no leader") != c.none {
				t.Errorf("leader %q: %v", c.leader, err)
			}
			if err != nil && !strings.Contains(err.Error(), "gateway/cloud in consul of home") {
				t.Errorf("doesn't say what was asked of whom: %v", err)
			}
		})
	}
}
