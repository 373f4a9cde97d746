package metrics

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
	"roomshift/runbooks"
)

// TestTLS: a Prometheus that takes only clients with a certificate of its own authority is asked with one, and not without.
func TestTLS(t *testing.T) {
	made, err := server.MakeCertificates(filepath.Join(t.TempDir(), "tls"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(made.ServerCert, made.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(made.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	front := httptest.NewUnstartedServer(newFakeSource(t, map[string]string{partValue: "1"}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	front.StartTLS()
	defer front.Close()
	whole := runbooks.TLS{CAFile: made.CAFile, CertFile: made.CertFile, KeyFile: made.KeyFile}
	named, misnamed := whole, whole
	named.ServerName, misnamed.ServerName = "localhost", "prom.example"
	for _, c := range []struct {
		name  string
		words runbooks.TLS
		says  string
	}{
		{"with all of them", whole, ""},
		{"another name of its certificate", named, ""},
		{"another server's name", misnamed, "prom.example"},
		{"no certificate", runbooks.TLS{CAFile: made.CAFile}, "certificate required"},
		{"no authority", runbooks.TLS{CertFile: made.CertFile, KeyFile: made.KeyFile}, "x509"},
	} {
		rooms := twoRooms(front.URL, front.URL, time.Second)
		rooms.Rooms[0].Prometheus.TLS = c.words
		m := mustNew(t, Config{Rooms: rooms})
		if _, why := m.all[0].ask(t.Context(), nil, 0); !strings.Contains(string(why), c.says) || (why == "") != (c.says == "") {
			t.Errorf("%s: %q, want %q", c.name, why, c.says)
		}
	}
}
