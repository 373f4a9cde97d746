package dbsync

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/lab/server"
	"roomshift/runbooks"
)

// TestTLS: a master that takes nothing but TLS, and a client with a certificate of its authority, is asked with both, and not
// without one of them. What rooms.yaml says stands over the DSN: a master without TLS isn't asked in plain text because of it.
func TestTLS(t *testing.T) { onBoth(t, testTLS) }

func testTLS(t *testing.T) {
	made, err := server.MakeCertificates(filepath.Join(t.TempDir(), "tls"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := server.MakeCertificates(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := server.StartMaster(t.Context(), t.TempDir(), server.MasterOptions{Engine: lab.Master("home").Engine, Name: "tls", ID: 9, Grants: grantsOf(lab.Master("home").Engine), Lines: []string{
		"ssl-ca=" + made.CAFile, "ssl-cert=" + made.ServerCert, "ssl-key=" + made.ServerKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if err := m.Open(t.Context()); err != nil { // what is required of an account is a write
		t.Fatal(err)
	}
	without := "TLS" // what is said of a master without TLS
	if onMySQL() {
		without = "x509" // there is none: it makes its own authority, which nobody named
	}
	require := func(what string) {
		if _, err := m.DB().ExecContext(t.Context(), "ALTER USER roomshift@'127.0.0.1' REQUIRE "+what); err != nil {
			t.Fatal(err)
		}
	}
	look := func(words runbooks.TLS, dsn string) cutover.Seen {
		t.Helper()
		config, err := words.Config()
		if err != nil {
			t.Fatal(err)
		}
		r := openLab(t, Pair{Name: "tls", Rooms: [2]cutover.Room{"home", "cloud"}, DSN: [2]string{dsn, dsn}, TLS: [2]*tls.Config{config, config}})
		seen, err := r.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	dsn := m.DSN(server.Roomshift)
	own := runbooks.TLS{CAFile: made.CAFile}
	client := runbooks.TLS{CAFile: made.CAFile, CertFile: made.CertFile, KeyFile: made.KeyFile}
	named := client
	named.ServerName = "localhost"
	for _, c := range []struct {
		name, require, dsn string
		words              runbooks.TLS
		says               string // why it wasn't asked; "" it was
	}{
		{"its authority", "SSL", dsn, own, ""},
		{"its authority, and a certificate", "X509", dsn, client, ""},
		{"another name of its certificate", "X509", dsn, named, ""},
		{"what is written stands over the DSN", "SSL", dsn + "?tls=false", own, ""},
		{"another authority", "SSL", dsn, runbooks.TLS{CAFile: other.CAFile}, "x509"},
		{"another authority, and a DSN that doesn't look", "SSL", dsn + "?tls=skip-verify", runbooks.TLS{CAFile: other.CAFile}, "x509"},
		{"another name", "SSL", dsn, runbooks.TLS{CAFile: made.CAFile, ServerName: "db.example"}, "db.example"},
		{"no certificate", "X509", dsn, own, "1045"},
		{"another authority's certificate", "X509", dsn, runbooks.TLS{CAFile: made.CAFile, CertFile: other.CertFile, KeyFile: other.KeyFile}, "the connection"},
		{"no TLS", "SSL", dsn, runbooks.TLS{}, "1045"},
		{"the machine's authorities", "SSL", dsn + "?tls=true", runbooks.TLS{}, "x509"},
		{"a master without TLS", "", lab.Master("home").DSN(server.Roomshift) + "?tls=preferred", own, without},
	} {
		if c.require != "" {
			require(c.require)
		}
		seen := look(c.words, c.dsn)
		if asked := len(seen.Why) == 0; asked != (c.says == "") || !strings.Contains(seen.Why["home"], c.says) {
			t.Errorf("%s: %+v, want %q", c.name, seen, c.says)
		}
	}
}
