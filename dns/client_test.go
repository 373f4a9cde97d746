package dns_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

// TestOnlyHTTPS: requests carry a signature, so they go by HTTPS, or stay on this machine.
func TestOnlyHTTPS(t *testing.T) {
	for endpoint, taken := range map[string]bool{
		"": true, "https://alidns.aliyuncs.com": true, "http://127.0.0.1:80": true, "http://[::1]:80": true,
		"http://alidns.aliyuncs.com": false, "http://localhost:80": false, "http://192.0.2.1": false, "alidns.aliyuncs.com": false,
		"ftp://127.0.0.1": false, "https://user:word@alidns.aliyuncs.com": false, "https://alidns.aliyuncs.com/path": false,
	} {
		c, err := dns.New(dns.Config{Endpoint: endpoint, Account: account})
		if (err == nil) != taken {
			t.Errorf("%q: %v, want taken: %v", endpoint, err, taken)
		}
		if err == nil {
			c.Close()
		} else if strings.Contains(err.Error(), "word") {
			t.Errorf("%q: the error tells a password: %v", endpoint, err)
		}
	}
	if _, err := dns.New(dns.Config{}); !errors.Is(err, aliyun.ErrNoAccount) {
		t.Errorf("without an account: %v", err)
	}
	t.Setenv("DEBUG", "x,sdk")
	if _, err := dns.New(dns.Config{Account: account}); err == nil || !strings.Contains(err.Error(), "DEBUG=sdk") {
		t.Errorf("while the SDK prints its requests: %v", err)
	}
}

// TestAccountFrom: the environment of Alibaba's tools, or a file in their format; what lacks is said, what is there never.
func TestAccountFrom(t *testing.T) {
	none := func(string) string { return "" }
	env := func(name string) string {
		return map[string]string{aliyun.EnvKeyID: "id", aliyun.EnvSecret: "se", aliyun.EnvToken: "to"}[name]
	}
	if a, err := aliyun.AccountFrom("", env); err != nil || a != (aliyun.Account{KeyID: "id", Secret: "se", Token: "to"}) {
		t.Errorf("from the environment: %+v, %v", a, err)
	}
	if _, err := aliyun.AccountFrom("", none); !errors.Is(err, aliyun.ErrNoAccount) || !strings.Contains(err.Error(), aliyun.EnvSecret) {
		t.Errorf("from an empty environment: %v", err)
	}
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# mine\n[other]\naccess_key_id = no\n[default]\ntype = access_key\naccess_key_id = LTAIfile\naccess_key_secret=hush=\n[more]\naccess_key_secret = no\n")
	if a, err := aliyun.AccountFrom(file, env); err != nil || a != (aliyun.Account{KeyID: "LTAIfile", Secret: "hush="}) {
		t.Errorf("from a file: %+v, %v", a, err)
	}
	write("[default]\naccess_key_id = LTAIfile\n")
	if _, err := aliyun.AccountFrom(file, env); !errors.Is(err, aliyun.ErrNoAccount) || strings.Contains(err.Error(), "LTAIfile") {
		t.Errorf("from half a file: %v", err)
	}
	if _, err := aliyun.AccountFrom(file+"-not", env); err == nil {
		t.Error("from no file: no error")
	}
}

// TestNoSecretInErrors: whatever goes wrong, nothing of the account, the signature or the URL is told.
func TestNoSecretInErrors(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	strange := map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/elsewhere?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		},
		"echo": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no such page: "+r.URL.String(), http.StatusNotFound)
		},
		"echo in json": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"Code":"X","Message":"`+r.URL.RawQuery+`"}`)
		},
		"odd json": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"Code":5,"Message":["x"]}`)
		},
		"empty": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"`)
		},
		"ended":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"odd in answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"TotalCount":"many"}`) },
	}
	endpoints := map[string]string{"nobody": "http://" + free.Addr().String()}
	for name, h := range strange {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		endpoints[name] = s.URL
	}
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		l.clean(err.Error())
		if strings.Contains(err.Error(), "://") {
			t.Errorf("%s: an address is told: %v", what, err)
		}
	}
	for what, endpoint := range endpoints {
		c := l.clientOf(endpoint, func(c *dns.Config) { c.TimeOut = time.Second })
		_, err := c.Weights("alidns", wwwAndAPI, rooms).Read(within(t), []cutover.Seat{wwwDefault})
		check(what, err)
	}
	wrong := l.clientOf(l.server.URL(), func(c *dns.Config) { c.Account.Secret = "another" })
	_, err = wrong.Weights("alidns", wwwAndAPI, rooms).Read(within(t), []cutover.Seat{wwwDefault})
	check("a wrong secret", err)
	if err != nil && !strings.Contains(err.Error(), "secret doesn't fit") {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestTemporaryKey: an STS token goes with every request.
func TestTemporaryKey(t *testing.T) {
	l := newLab(t, alidnstest.Options{Token: "tokenOfAnHour"})
	if _, err := l.weights().Read(within(t), []cutover.Seat{wwwDefault}); err == nil {
		t.Error("read without the token")
	}
	c := l.clientOf(l.server.URL(), func(c *dns.Config) { c.Account.Token = "tokenOfAnHour" })
	if _, err := c.Weights("alidns", wwwAndAPI, rooms).Read(within(t), []cutover.Seat{wwwDefault}); err != nil {
		t.Error(err)
	}
}

// TestPolicyIsLeast: with the policy's actions a name is read, moved and its TTL set; without any one of them the error says that the
// account may not.
func TestPolicyIsLeast(t *testing.T) {
	all := func(l *lab) error {
		w, ttls := l.weights(), l.ttls()
		if _, err := w.Read(within(t), w.Seats()); err != nil {
			return err
		}
		if _, err := l.client.MinTTL(within(t), "www.example.com"); err != nil {
			return err
		}
		for _, c := range []struct {
			m      cutover.Medium
			change cutover.Change
		}{
			{w, cutover.Change{Seat: wwwDefault, Object: homeWWW, Before: "100", After: "90"}},
			{w, cutover.Change{Seat: wwwDefault, Object: cloudWWW, Before: "0", After: "1"}},
			{ttls, cutover.Change{Seat: wwwDefault, Object: homeWWW + "/ttl", Before: "600", After: "60"}},
		} {
			if o := c.m.Write(within(t), cutover.Fence{}, []cutover.Change{c.change})[0]; o.What != cutover.Done {
				return o.Err
			}
		}
		return nil
	}
	if err := all(newLab(t, alidnstest.Options{Allowed: dns.Actions})); err != nil {
		t.Errorf("with the policy: %v", err)
	}
	for _, lacks := range dns.Actions {
		some := slices.DeleteFunc(slices.Clone(dns.Actions), func(a string) bool { return a == lacks })
		if err := all(newLab(t, alidnstest.Options{Allowed: some})); !errors.Is(err, aliyun.ErrForbidden) {
			t.Errorf("without %s: %v", lacks, err)
		}
	}
	if p := dns.Policy("example.com"); !strings.Contains(p, `"alidns:UpdateDNSSLBWeight"`) || !strings.Contains(p, `"acs:alidns:*:*:domain/example.com"`) {
		t.Error(p)
	}
}

// TestTLS: the server's certificate is held against the authority that was given, and against the machine's where none was.
func TestTLS(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(l.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(func() { s.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(file string) error {
		c := l.clientOf(s.URL, func(c *dns.Config) { c.CAFile = file })
		_, err := c.Weights("alidns", wwwAndAPI, rooms).Read(within(t), []cutover.Seat{wwwDefault})
		return err
	}
	if err := read(ca); err != nil {
		t.Errorf("by its own authority: %v", err)
	}
	if err := read(""); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("by the machine's authorities: %v", err)
	}
}
