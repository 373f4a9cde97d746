package cutovers

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"roomshift/lab"
)

// TestWhatAnAccountLacksIsPrinted: where a Consul refuses the token, or a master the account, `check --live` prints all that it
// needs, as it can be copied; where they don't, it prints none of it.
func TestWhatAnAccountLacksIsPrinted(t *testing.T) {
	s := begin(t)
	policy := []string{`key_prefix "roomshift/" { policy = "write" }`, `key "gateway/cloud" { policy = "write" }`, `session_prefix "" { policy = "write" }`}
	rights := "GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO roomshift@'HOST';"
	file := s.rooms(func(yaml string) string { return regexp.MustCompile(`, tokenFile: "[^"]*"`).ReplaceAllString(yaml, "") })
	out := s.start("check", "--live", s.lab.Runbook("out"), "--rooms", file).exits(1)
	for _, want := range append(policy, "give the token this policy") {
		if n := strings.Count(out, want); n < 2 { // of either room's Consul
			t.Errorf("%d times %q, want it of both rooms:\n%s", n, want, out)
		}
	}
	conn, err := s.lab.Ring.Master(lab.Cloud).DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	here := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		here("GRANT SLAVE MONITOR ON *.* TO roomshift@'127.0.0.1'")
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	here("SET SESSION sql_log_bin=0")
	here("REVOKE SLAVE MONITOR ON *.* FROM roomshift@'127.0.0.1'")
	out = s.start("check", "--live", s.lab.Runbook("out")).exits(1)
	if !strings.Contains(out, "1227") || strings.Count(out, "\n            "+rights+"\n") != 1 || strings.Contains(out, "key_prefix") {
		t.Errorf("want %q once, below what the server said, and no policy:\n%s", rights, out)
	}
}
