package alidnstest_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/alidns"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"roomshift/dns/alidnstest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// account is an emulator with one zone and two records of www on each of two lines.
func account(t *testing.T, o alidnstest.Options) (s *alidnstest.Server, home, cloud string) {
	t.Helper()
	s, err := alidnstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.AddZone("example.com")
	home = s.Add(alidnstest.Record{Zone: "example.com", RR: "www", Type: "A", Value: "203.0.113.10", Weight: 90})
	cloud = s.Add(alidnstest.Record{Zone: "example.com", RR: "www", Type: "A", Value: "198.51.100.10", Weight: 10})
	s.Add(alidnstest.Record{Zone: "example.com", RR: "www", Type: "A", Value: "203.0.113.10", Line: "telecom"})
	s.Add(alidnstest.Record{Zone: "example.com", RR: "@", Type: "A", Value: "203.0.113.10"})
	s.Add(alidnstest.Record{Zone: "example.com", RR: "*", Type: "A", Value: "203.0.113.99"})
	return s, home, cloud
}

// client is the real SDK's.
func client(t *testing.T, s *alidnstest.Server, id, secret string) *alidns.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := alidns.NewClientWithOptions("cn-hangzhou", sdk.NewConfig().WithHttpTransport(transport).WithTimeout(5*time.Second),
		credentials.NewAccessKeyCredential(id, secret))
	if err != nil {
		t.Fatal(err)
	}
	c.Domain = s.Addr()
	return c
}

func good(t *testing.T, s *alidnstest.Server) *alidns.Client {
	return client(t, s, alidnstest.TestKeyID, alidnstest.TestSecret)
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e sdkerrors.Error
	if !errors.As(err, &e) {
		t.Fatalf("no answer of the API: %v", err)
	}
	return e.ErrorCode()
}

// TestSDKIsUnderstood: the real SDK reads and writes, and what it leaves out is as the API says.
func TestSDKIsUnderstood(t *testing.T) {
	s, home, _ := account(t, alidnstest.Options{})
	c := good(t, s)
	q := alidns.CreateDescribeSubDomainRecordsRequest()
	q.SubDomain, q.PageSize = "www.example.com", requests.NewInteger(2)
	a, err := c.DescribeSubDomainRecords(q)
	if err != nil {
		t.Fatal(err)
	}
	if a.TotalCount != 3 || len(a.DomainRecords.Record) != 2 || a.DomainRecords.Record[0].Weight != 90 || a.DomainRecords.Record[0].Status != "ENABLE" {
		t.Errorf("the first page is %+v of %d", a.DomainRecords.Record, a.TotalCount)
	}
	w := alidns.CreateUpdateDNSSLBWeightRequest()
	w.RecordId, w.Weight = home, requests.NewInteger(60)
	if _, err := c.UpdateDNSSLBWeight(w); err != nil {
		t.Fatal(err)
	}
	u := alidns.CreateUpdateDomainRecordRequest()
	u.RecordId, u.RR, u.Type, u.Value, u.Line, u.TTL = home, "www", "A", "203.0.113.10", "default", requests.NewInteger(60)
	if _, err := c.UpdateDomainRecord(u); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Record(home); r.Weight != 60 || r.TTL != 60 {
		t.Errorf("the record is %+v, want weight 60 and TTL 60", r)
	}
	if got := code(t, second(c.UpdateDomainRecord(u))); got != "DomainRecordDuplicate" {
		t.Errorf("an update that changes nothing is %q", got)
	}
	u = alidns.CreateUpdateDomainRecordRequest()
	u.RecordId, u.RR, u.Type, u.Value, u.Line = home, "www", "A", "203.0.113.10", "default"
	if _, err := c.UpdateDomainRecord(u); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Record(home); r.TTL != 600 {
		t.Errorf("without a TTL it is %d, want the default", r.TTL)
	}
	if n := s.Writes(); n != 4 {
		t.Errorf("%d writes are counted, want 4", n)
	}
	apex := alidns.CreateDescribeSubDomainRecordsRequest()
	apex.SubDomain = "example.com"
	if _, err := c.DescribeSubDomainRecords(apex); code(t, err) == "" {
		t.Error("an apex is found without its zone")
	}
	apex.DomainName = "example.com"
	if a, err := c.DescribeSubDomainRecords(apex); err != nil || a.TotalCount != 1 || a.DomainRecords.Record[0].RR != "@" {
		t.Errorf("the apex is %+v: %v", a, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestSignatureIsChecked: a wrong secret, another's key, a changed parameter, a request sent twice and an old one change nothing.
func TestSignatureIsChecked(t *testing.T) {
	now := time.Now()
	s, home, _ := account(t, alidnstest.Options{Now: func() time.Time { return now }})
	write := func(c *alidns.Client) (url string, err error) {
		w := alidns.CreateUpdateDNSSLBWeightRequest()
		w.RecordId, w.Weight = home, requests.NewInteger(50)
		_, err = c.UpdateDNSSLBWeight(w)
		return w.BuildUrl(), err
	}
	_, err := write(client(t, s, alidnstest.TestKeyID, "another"))
	if err == nil || !strings.Contains(err.Error(), "AccessKeySecret") {
		t.Errorf("with a wrong secret the SDK says %v, want that the secret is wrong", err)
	}
	if _, err := write(client(t, s, "LTAIanother", alidnstest.TestSecret)); code(t, err) != "InvalidAccessKeyId.NotFound" {
		t.Errorf("another key: %v", err)
	}
	if r, _ := s.Record(home); r.Weight != 90 || s.Writes() != 0 {
		t.Fatalf("something was written: %+v, %d writes", r, s.Writes())
	}
	signed, err := write(good(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Change(home, func(r *alidnstest.Record) { r.Weight = 90 }); err != nil {
		t.Fatal(err)
	}
	again := func(address string) string {
		resp, err := http.Post(address, "application/x-www-form-urlencoded", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if body := again(signed); !strings.Contains(body, `"SignatureNonceUsed"`) {
		t.Errorf("sent twice: %s", body)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("Weight", "51")
	u.RawQuery = q.Encode()
	if body := again(u.String()); !strings.Contains(body, `"SignatureDoesNotMatch"`) {
		t.Errorf("with another weight: %s", body)
	}
	now = now.Add(20 * time.Minute)
	if _, err := write(good(t, s)); code(t, err) != "InvalidTimeStamp.Expired" {
		t.Errorf("a clock 20 m off: %v", err)
	}
	if r, _ := s.Record(home); r.Weight != 90 {
		t.Errorf("one of them was carried out: weight %d", r.Weight)
	}
}

// TestRefusals: each state in which Alibaba refuses a weight has its own code.
func TestRefusals(t *testing.T) {
	s, home, _ := account(t, alidnstest.Options{MinTTL: 600, PerSecond: map[string]int{"SetDomainRecordStatus": 1}})
	c := good(t, s)
	weight := func(id, n string) string {
		w := alidns.CreateUpdateDNSSLBWeightRequest()
		w.RecordId, w.Weight = id, requests.Integer(n)
		_, err := c.UpdateDNSSLBWeight(w)
		return code(t, err)
	}
	change := func(f func(*alidnstest.Record)) func() {
		return func() {
			if err := s.Change(home, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	wild := s.Records()[4].ID
	for _, x := range []struct {
		code      string
		make, end func()
		id, want  string
	}{
		{code: "DomainRecordNotBelongToUser", id: "1", want: "50"},
		{code: "PanDomainRecord", id: wild, want: "50"},
		{code: "InvalidWeigth", id: home, want: "0"},
		{code: "InvalidWeigth", id: home, want: "101"},
		{code: "DomainRecordLocked", id: home, want: "50", make: change(func(r *alidnstest.Record) { r.Locked = true }), end: change(func(r *alidnstest.Record) { r.Locked = false })},
		{code: "DomainRecordDisable", id: home, want: "50", make: change(func(r *alidnstest.Record) { r.Disabled = true }), end: change(func(r *alidnstest.Record) { r.Disabled = false })},
		{code: "DisableDNSSLB", id: home, want: "50", make: func() { s.SwitchWeights("www.example.com", "A", "default", false) }, end: func() { s.SwitchWeights("www.example.com", "A", "default", true) }},
		{code: "DomainForbidden", id: home, want: "50", make: func() { s.Restrict("example.com", "forbidden") }, end: func() { s.Restrict("example.com", "") }},
		{code: "RecordForbidden.BlackHole", id: home, want: "50", make: func() { s.Restrict("example.com", "blackhole") }, end: func() { s.Restrict("example.com", "") }},
		{code: "RecordForbidden.DNSChange", id: home, want: "50", make: func() { s.Restrict("example.com", "dnschange") }, end: func() { s.Restrict("example.com", "") }},
	} {
		if x.make != nil {
			x.make()
		}
		if got := weight(x.id, x.want); got != x.code {
			t.Errorf("weight %s on %s is %q, want %q", x.want, x.id, got, x.code)
		}
		if x.end != nil {
			x.end()
		}
	}
	u := alidns.CreateUpdateDomainRecordRequest()
	u.RecordId, u.RR, u.Type, u.Value, u.Line, u.TTL = home, "www", "A", "203.0.113.10", "default", requests.NewInteger(60)
	if _, err := c.UpdateDomainRecord(u); code(t, err) != "QuotaExceeded.TTL" {
		t.Errorf("a TTL below the edition's floor: %v", err)
	}
	st := alidns.CreateSetDomainRecordStatusRequest()
	st.RecordId, st.Status = home, "Enable"
	if _, err := c.SetDomainRecordStatus(st); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetDomainRecordStatus(st); code(t, err) != "Throttling.User" {
		t.Errorf("twice in a second: %v", err)
	}
	if r, _ := s.Record(home); r.Weight != 90 || r.TTL != 600 {
		t.Errorf("something was written: %+v", r)
	}
}

// TestNamesAnswerByWeights: the authorities answer by weights, lines, statuses and the switch, over UDP and TCP.
func TestNamesAnswerByWeights(t *testing.T) {
	s, home, cloud := account(t, alidnstest.Options{Lines: map[string][]netip.Prefix{"telecom": {netip.MustParsePrefix("10.9.0.0/16")}}})
	ask := func(server, network, name, subnet string) (answers []string, m *dns.Msg) {
		t.Helper()
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeA)
		q.RecursionDesired = false
		if subnet != "" {
			p := netip.MustParsePrefix(subnet)
			q.SetEdns0(1232, false)
			q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1,
				SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()})
		}
		m, _, err := (&dns.Client{Net: network}).Exchange(q, server)
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range m.Answer {
			answers = append(answers, rr.(*dns.A).A.String())
		}
		return answers, m
	}
	share := func(name, subnet string) float64 {
		n := 0
		for range 2000 {
			a, _ := ask(s.NameServers()[0], "udp", name, subnet)
			if len(a) != 1 {
				t.Fatalf("%d addresses in an answer, want one drawn by weight", len(a))
			}
			if a[0] == "198.51.100.10" {
				n++
			}
		}
		return float64(n) / 2000
	}
	if got := share("www.example.com.", ""); math.Abs(got-0.1) > 0.03 {
		t.Errorf("with 90:10 the cloud is answered in %.3f", got)
	}
	if got := share("www.example.com.", "10.9.1.0/24"); got != 0 {
		t.Errorf("telecom has no record of the cloud and answers it in %.3f", got)
	}
	if a, m := ask(s.NameServers()[1], "tcp", "example.com.", ""); len(a) != 1 || !m.Authoritative {
		t.Errorf("the apex over TCP: %v", m)
	}
	if a, _ := ask(s.NameServers()[0], "udp", "any.example.com.", ""); len(a) != 1 || a[0] != "203.0.113.99" {
		t.Errorf("the wildcard answers %v", a)
	}
	s.SwitchWeights("www.example.com", "A", "default", false)
	if a, _ := ask(s.NameServers()[0], "udp", "www.example.com.", ""); len(a) != 2 {
		t.Errorf("with weights off %v is answered, want both", a)
	}
	s.SwitchWeights("www.example.com", "A", "default", true)
	s.Stale(1, true)
	for id, f := range map[string]func(*alidnstest.Record){home: func(r *alidnstest.Record) { r.Disabled = true }, cloud: func(*alidnstest.Record) {}} {
		if err := s.Change(id, f); err != nil {
			t.Fatal(err)
		}
	}
	if got := share("www.example.com.", ""); got != 1 {
		t.Errorf("with home disabled the cloud is answered in %.3f", got)
	}
	old := 0
	for range 200 {
		if a, _ := ask(s.NameServers()[1], "udp", "www.example.com.", ""); a[0] == "203.0.113.10" {
			old++
		}
	}
	if old < 120 {
		t.Errorf("a stale authority answers the old record in %d of 200", old)
	}
}
