package runbooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roomshift/lab/server"
)

// TestTLSConfig: nothing written is nothing asked for; what is written is read, and what can't be is told by its key and file
// without a word of what stands in it.
func TestTLSConfig(t *testing.T) {
	made, err := server.MakeCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := (TLS{}).Config(); c != nil || err != nil {
		t.Errorf("without any word: %v, %v; want none", c, err)
	}
	c, err := TLS{CAFile: made.CAFile, CertFile: made.CertFile, KeyFile: made.KeyFile, ServerName: "db"}.Config()
	if err != nil || c.RootCAs == nil || len(c.Certificates) != 1 || c.ServerName != "db" || c.InsecureSkipVerify {
		t.Errorf("with all of them: %+v, %v", c, err)
	}
	if c, err := (TLS{ServerName: "db"}).Config(); err != nil || c.RootCAs != nil || len(c.Certificates) != 0 {
		t.Errorf("a name alone: %+v, %v; want the machine's authorities", c, err)
	}
	secret := filepath.Join(t.TempDir(), "noise.pem")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tls  TLS
		says []string
	}{
		"no such authority":    {TLS{CAFile: "no/ca.pem"}, []string{"caFile: ", "no/ca.pem"}},
		"no authority in it":   {TLS{CAFile: secret}, []string{"caFile: ", "noise.pem", "no certificate in PEM form"}},
		"no such certificate":  {TLS{CertFile: "no/c.pem", KeyFile: made.KeyFile}, []string{"certFile and keyFile: ", "no/c.pem"}},
		"another's key":        {TLS{CertFile: made.CertFile, KeyFile: made.ServerKey}, []string{"client.pem", "server.key", "aren't a certificate and its own key"}},
		"noise in place of it": {TLS{CertFile: made.CertFile, KeyFile: secret}, []string{"noise.pem", "in PEM form"}},
	} {
		_, err := c.tls.Config()
		for _, part := range c.says {
			if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want an error with %q and no secret", name, err, part)
			}
		}
	}
}
