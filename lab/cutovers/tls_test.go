package cutovers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roomshift/dbsync"
	"roomshift/lab"
	"roomshift/lab/server"
)

// TestMastersByTheirOwnAuthority: what rooms.yaml says of a master's TLS reaches that master: one that takes only TLS, by an
// authority of its own and from clients with its certificate, is read by `check --live`, and not without the certificate.
func TestMastersByTheirOwnAuthority(t *testing.T) {
	s := begin(t)
	made, err := server.MakeCertificates(filepath.Join(s.dir, "tls"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := server.StartMaster(t.Context(), t.TempDir(), server.MasterOptions{Name: "tls", ID: 9, Grants: dbsync.Grants,
		Lines: []string{"ssl-ca=" + made.CAFile, "ssl-cert=" + made.ServerCert, "ssl-key=" + made.ServerKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if _, err := m.DB().ExecContext(t.Context(), "ALTER USER roomshift@'127.0.0.1' REQUIRE X509"); err != nil {
		t.Fatal(err)
	}
	whole := "caFile: tls/ca.pem, certFile: tls/client.pem, keyFile: tls/client.key"
	if f := s.answers(whole, m); !f.OK || !strings.Contains(f.Seen, "MariaDB") {
		t.Errorf("with all of them: %+v", f)
	}
	if f := s.answers("caFile: tls/ca.pem", m); f.OK || !strings.Contains(f.Seen, "1045") || !strings.Contains(f.Seen, "certFile") {
		t.Errorf("without a certificate: %+v", f)
	}
	if f := s.answers("certFile: tls/client.pem, keyFile: tls/client.key", m); f.OK || !strings.Contains(f.Seen, "x509") || !strings.Contains(f.Seen, "caFile") {
		t.Errorf("without its authority: %+v", f)
	}
}

// found is a finding of check --live --json.
type found struct {
	Check, Room, Seen, Wanted, Do string
	OK                            bool
}

// answers is whether the cloud's master answers, by rooms.yaml with these words beside its dsnEnv.
func (s *scene) answers(words string, cloud *server.Master) found {
	s.t.Helper()
	s.secret = append(s.secret, cloud.Secrets()...)
	file := s.rooms(func(yaml string) string {
		return strings.Replace(yaml, "dsnEnv: LAB_DSN_CLOUD", "dsnEnv: LAB_DSN_CLOUD, "+words, 1)
	})
	c := exec.CommandContext(s.t.Context(), program, "check", "--live", "--json", "--rooms", file, s.lab.Runbook("out"))
	c.Env = append(append(os.Environ(), s.lab.Env()...), "LAB_DSN_CLOUD="+cloud.DSN(server.Roomshift))
	out, _ := c.Output() // something else isn't well: the two masters replicate from nobody
	s.noSecret("an output", string(out))
	var answer struct{ Findings []found }
	if err := json.Unmarshal(out, &answer); err != nil {
		s.t.Fatalf("%v:\n%s", err, out)
	}
	for _, f := range answer.Findings {
		if strings.HasSuffix(f.Check, ": answers") && f.Room == lab.Cloud {
			return f
		}
	}
	s.t.Fatalf("no finding says whether the master in the cloud answers:\n%s", out)
	return found{}
}
