package dbsync

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// TestTLS: a master that takes nothing but TLS is asked with a CA of its own, and not without it.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := certify(t, dir)
	m, err := server.StartMaster(t.Context(), t.TempDir(), server.MasterOptions{Name: "tls", ID: 9, Grants: Grants, Lines: []string{
		"ssl-ca=" + filepath.Join(dir, "ca.pem"), "ssl-cert=" + filepath.Join(dir, "cert.pem"), "ssl-key=" + filepath.Join(dir, "key.pem")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if _, err := m.DB().ExecContext(t.Context(), "ALTER USER roomshift@'127.0.0.1' REQUIRE SSL"); err != nil {
		t.Fatal(err)
	}
	look := func(config *tls.Config, dsn string) cutover.Seen {
		t.Helper()
		r := openLab(t, Pair{Name: "tls", Rooms: [2]cutover.Room{"home", "cloud"}, DSN: [2]string{dsn, dsn}, TLS: [2]*tls.Config{config, config}})
		seen, err := r.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	dsn := m.DSN(server.Roomshift)
	if seen := look(&tls.Config{RootCAs: pool}, dsn); !seen.ReadOnly["home"] || len(seen.Why) > 0 {
		t.Errorf("with its CA: %+v", seen)
	}
	if seen := look(&tls.Config{RootCAs: x509.NewCertPool()}, dsn); !strings.Contains(seen.Why["home"], "x509") {
		t.Errorf("with another CA: %+v", seen)
	}
	if seen := look(nil, dsn); len(seen.Why) != 2 {
		t.Errorf("without TLS: %+v", seen)
	}
	if seen := look(nil, dsn+"?tls=true"); !strings.Contains(seen.Why["home"], "x509") {
		t.Errorf("with the machine's CAs: %+v", seen)
	}
}

// certify makes a CA and a server certificate for 127.0.0.1 in dir.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "lab master"}, NotBefore: ca.NotBefore,
		NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caKey, leafKey := newKey(t), newKey(t)
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: caDER},
		"cert.pem": {Type: "CERTIFICATE", Bytes: leafDER}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	return pool
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
