package cutovers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"roomshift/lab"
)

// TestWhatAnAccountLacksIsPrinted: where a Consul refuses the token, or a master the account, `check --live` prints all that it
// needs, as it can be copied; where they don't, it prints none of it.
func TestWhatAnAccountLacksIsPrinted(t *testing.T) {
	policy := []string{`key_prefix "roomshift/" { policy = "write" }`, `key "gateway/cloud" { policy = "write" }`, `session_prefix "" { policy = "write" }`}
	rights := "GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO roomshift@'HOST';"
	anonymous := regexp.MustCompile(`, tokenFile: "[^"]*"`).ReplaceAllString(rooms.RoomsYAML(), "")
	file := filepath.Join(t.TempDir(), "rooms.yaml")
	if err := os.WriteFile(file, []byte(anonymous), 0o600); err != nil {
		t.Fatal(err)
	}
	out := checked(t, "--rooms", file)
	for _, want := range append(policy, "give the token this policy") {
		if n := strings.Count(out, want); n < 2 { // of either room's Consul
			t.Errorf("%d times %q, want it of both rooms:\n%s", n, want, out)
		}
	}
	conn, err := rooms.Ring.Master(lab.Cloud).DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	here := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	here("SET SESSION sql_log_bin=0")
	here("REVOKE SLAVE MONITOR ON *.* FROM roomshift@'127.0.0.1'")
	out = checked(t)
	here("GRANT SLAVE MONITOR ON *.* TO roomshift@'127.0.0.1'")
	if !strings.Contains(out, "1227") || strings.Count(out, "\n            "+rights+"\n") != 1 || strings.Contains(out, "key_prefix") {
		t.Errorf("want %q once, below what the server said, and no policy:\n%s", rights, out)
	}
}

func checked(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, append([]string{"check", "--live", rooms.Runbook("out")}, args...)...)
	c.Env = append(os.Environ(), rooms.Env()...)
	out, err := c.Output()
	remember(t, filepath.Join(t.TempDir(), "none"), string(out))
	if err == nil {
		t.Fatalf("it finds nothing wrong:\n%s", out)
	}
	return string(out)
}
