package dns_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

// TestTokenIsRenewed: a token that expires in the night is read again from the file that whoever renews it writes: before it is refused where the
// file has changed, and else once it is. While there is no new one the error says where it is wanted. No token is ever told.
func TestTokenIsRenewed(t *testing.T) {
	const first, second, third, fourth = "stsTokenOne", "stsTokenTwo", "stsTokenThree", "stsTokenFour"
	file := filepath.Join(t.TempDir(), "alidns.ini")
	at := time.Now().Add(-time.Hour)
	write := func(text string) { // as quickly as its time doesn't tell it
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	ini := func(token string) string {
		return "[default]\naccess_key_id = " + alidnstest.TestKeyID + "\naccess_key_secret = " + alidnstest.TestSecret + "\nsecurity_token = " + token + "\n"
	}
	write(ini(first))
	l := newLab(t, alidnstest.Options{Token: first})
	a, err := aliyun.AccountFrom(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.client = l.clientOf(l.server.URL(), func(c *dns.Config) { c.Account, c.AccountFile = a, file })
	w := l.weights()
	set := func(object, after string) cutover.Outcome {
		t.Helper()
		o := w.Write(within(t), cutover.Fence{}, []cutover.Change{l.changeOf(w, wwwDefault, object, after)})[0]
		if o.Err != nil {
			l.clean(o.Err.Error())
			for _, s := range []string{first, second, third, fourth} {
				if strings.Contains(o.Err.Error(), s) {
					t.Errorf("%v tells a token", o.Err)
				}
			}
		}
		return o
	}
	const object = "www@default/203.0.113.10"
	change := l.changeOf(w, wwwDefault, object, "90")
	l.server.Renew(second)
	o := w.Write(within(t), cutover.Fence{}, []cutover.Change{change})[0]
	if o.What != cutover.Failed || o.RetryAfter != 0 || !errors.Is(o.Err, aliyun.ErrExpired) || !strings.Contains(o.Err.Error(), "InvalidSecurityToken.Expired") ||
		!strings.Contains(o.Err.Error(), "renew it in "+file) || strings.Contains(o.Err.Error(), first) {
		t.Errorf("with a token that has expired: %+v", o)
	}
	write(ini(second)[:60]) // half of it
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Failed || !errors.Is(o.Err, aliyun.ErrExpired) {
		t.Errorf("while the file is half written: %+v", o)
	}
	write(ini(second))
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Errorf("once it is renewed: %+v", o)
	}

	// Renewed before it is refused, which its size or time tells.
	write(ini(third))
	l.server.Renew(third)
	if o := set(object, "80"); o.What != cutover.Done {
		t.Errorf("renewed in time: %+v", o)
	}

	// Renewed while a file of the same size and time tells nothing: the call that is refused is made again, soon, and is no failure.
	change = l.changeOf(w, wwwDefault, object, "70")
	write(strings.Replace(ini(fourth)+"#", "#", " ", 1)) // as long as the third
	l.server.Renew(fourth)
	o = w.Write(within(t), cutover.Fence{}, []cutover.Change{change})[0]
	if o.What != cutover.Failed || !errors.Is(o.Err, aliyun.ErrExpired) || o.RetryAfter <= 0 {
		t.Errorf("refused while the file has a newer one: %+v, want it asked again soon", o)
	}
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Errorf("asked again: %+v", o)
	}
	if got := l.record(object).Weight; got != 70 {
		t.Errorf("the record weighs %d, want 70", got)
	}
}
