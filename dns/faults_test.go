package dns_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

// change is one change of a record's weight, and what it is found to hold before.
func (l *lab) changeOf(m cutover.Medium, seat cutover.Seat, object, after string) cutover.Change {
	l.t.Helper()
	for _, h := range l.read(m, seat) {
		if h.Object == object {
			return cutover.Change{Seat: seat, Plane: h.Plane, Object: object, Before: h.Value, After: after}
		}
	}
	l.t.Fatalf("%s isn't listed", object)
	return cutover.Change{}
}

const (
	homeWWW  = "www@default/203.0.113.10"
	cloudWWW = "www@default/198.51.100.10"
	homeTel  = "www@telecom/203.0.113.10"
)

// TestEachRefusal: what the API refuses is failed with its own code, changes nothing, is asked once, and keeps no other record from being
// written.
func TestEachRefusal(t *testing.T) {
	for _, code := range []string{"DomainRecordNotBelongToUser", "DomainForbidden", "DomainRecordLocked", "DomainRecordDisable", "PanDomainRecord",
		"RecordForbidden.BlackHole", "RecordForbidden.DNSChange", "DisableDNSSLB", "InvalidWeigth", "DomainRecordConflict",
		"QuotaExceeded.Record", "QuotaExceeded.ARecord", "QuotaExceeded.TTL", "Forbidden.RAM", "InvalidParameter"} {
		t.Run(code, func(t *testing.T) {
			l := newLab(t, alidnstest.Options{})
			for _, m := range []struct {
				cutover.Medium
				suffix, after string
			}{{l.weights(), "", "90"}, {l.ttls(), "/ttl", "60"}} {
				first, second := l.changeOf(m, wwwDefault, homeWWW+m.suffix, m.after), l.changeOf(m, wwwTelecom, homeTel+m.suffix, m.after)
				before, writes := l.record(homeWWW), l.server.Writes()
				l.server.Fault(alidnstest.Fault{Action: "write", Kind: alidnstest.Refuse, Code: code, Times: 1})
				outs := m.Write(within(t), cutover.Fence{}, []cutover.Change{first, second})
				if outs[0].What != cutover.Failed || outs[0].Err == nil || !strings.Contains(outs[0].Err.Error(), code) {
					t.Errorf("refused with %s it is %v: %v", code, outs[0].What, outs[0].Err)
				}
				l.clean(outs[0].Err.Error())
				if outs[1].What != cutover.Done {
					t.Errorf("the other one is %v: %v", outs[1].What, outs[1].Err)
				}
				if l.record(homeWWW) != before || l.server.Writes()-writes != 2 {
					t.Errorf("it was %+v and is %+v after %d writes, want it as it was after 2", before, l.record(homeWWW), l.server.Writes()-writes)
				}
			}
		})
	}
}

// TestRealRefusals: the states of records and zones themselves, not told to the emulator as a fault.
func TestRealRefusals(t *testing.T) {
	l := newLab(t, alidnstest.Options{MinTTL: 600})
	w, ttls := l.weights(), l.ttls()
	weight := l.changeOf(w, wwwDefault, homeWWW, "90")
	for _, c := range []struct {
		code      string
		m         cutover.Medium
		change    cutover.Change
		make, end func()
	}{
		{"DomainRecordLocked", w, weight, func() { l.change(homeWWW, func(r *alidnstest.Record) { r.Locked = true }) }, func() { l.change(homeWWW, func(r *alidnstest.Record) { r.Locked = false }) }},
		{"DomainForbidden", w, weight, func() { l.server.Restrict("example.com", "forbidden") }, func() { l.server.Restrict("example.com", "") }},
		{"RecordForbidden.BlackHole", w, weight, func() { l.server.Restrict("example.com", "blackhole") }, func() { l.server.Restrict("example.com", "") }},
		{"RecordForbidden.DNSChange", w, weight, func() { l.server.Restrict("example.com", "dnschange") }, func() { l.server.Restrict("example.com", "") }},
		{"DisableDNSSLB", w, weight, func() {
			l.server.Fault(alidnstest.Fault{Action: "UpdateDNSSLBWeight", Times: 1, Kind: alidnstest.Meanwhile, Do: func() { l.server.SwitchWeights("www.example.com", "A", "default", false) }})
		}, func() { l.server.SwitchWeights("www.example.com", "A", "default", true) }},
		{"QuotaExceeded.TTL", ttls, l.changeOf(ttls, wwwDefault, homeWWW+"/ttl", "60"), func() {}, func() {}},
	} {
		before := l.record(homeWWW)
		c.make()
		o := c.m.Write(within(t), cutover.Fence{}, []cutover.Change{c.change})[0]
		if o.What != cutover.Failed || !strings.Contains(o.Err.Error(), c.code) {
			t.Errorf("%s: %v: %v", c.code, o.What, o.Err)
		}
		c.end()
		if l.record(homeWWW) != before {
			t.Errorf("%s: it was %+v and is %+v", c.code, before, l.record(homeWWW))
		}
	}
}

// TestThrottled: a throttled write is failed with the time that the provider asks for, and what comes after it in the request isn't sent.
func TestThrottled(t *testing.T) {
	for _, after := range []time.Duration{0, 2500 * time.Millisecond} {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		cs := []cutover.Change{l.changeOf(w, wwwDefault, homeWWW, "90"), l.changeOf(w, wwwTelecom, homeTel, "90")}
		l.server.Fault(alidnstest.Fault{Action: "write", Kind: alidnstest.Throttle, RetryAfter: after})
		want := max(cutover.Second, cutover.T(after))
		for _, o := range w.Write(within(t), cutover.Fence{}, cs) {
			if o.What != cutover.Failed || !errors.Is(o.Err, aliyun.ErrThrottled) || o.RetryAfter != want {
				t.Errorf("%v after %v: %v, want failed after %v", o.What, o.RetryAfter.Duration(), o.Err, want.Duration())
			}
		}
		if n := l.server.Writes(); n != 1 {
			t.Errorf("%d writes were sent, want one", n)
		}
		l.server.Heal()
		l.server.Fault(alidnstest.Fault{Action: "read", Kind: alidnstest.Throttle, RetryAfter: after})
		if o := w.Write(within(t), cutover.Fence{}, cs)[0]; o.What != cutover.Failed || o.RetryAfter != want || l.server.Writes() != 1 {
			t.Errorf("throttled while it reads: %v after %v, %d writes", o.What, o.RetryAfter.Duration(), l.server.Writes())
		}
	}
}

// TestHang: a write that hangs is unknown before the request's time is over, what comes after it isn't sent, and others go on beside it.
func TestHang(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	c := l.clientOf(l.server.URL(), func(c *dns.Config) { c.TimeOut = 500 * time.Millisecond })
	w := c.Weights("alidns", wwwAndAPI, rooms)
	cs := []cutover.Change{l.changeOf(w, wwwDefault, homeWWW, "90"), l.changeOf(w, wwwTelecom, homeTel, "90")}
	l.server.Fault(alidnstest.Fault{Action: "write", Kind: alidnstest.Hang, Times: 1})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	outs := w.Write(ctx, cutover.Fence{}, cs)
	if outs[0].What != cutover.Unknown || !errors.Is(outs[0].Err, cutover.ErrOutcomeUnknown) {
		t.Errorf("what hangs is %v: %v", outs[0].What, outs[0].Err)
	}
	if outs[1].What != cutover.Failed || !strings.Contains(outs[1].Err.Error(), "not sent") || l.server.Writes() != 1 {
		t.Errorf("what comes after it is %v: %v; %d writes", outs[1].What, outs[1].Err, l.server.Writes())
	}
	if ctx.Err() != nil {
		t.Error("it took all of the request's time")
	}
	l.clean(outs[0].Err.Error() + outs[1].Err.Error())
}

// TestEveryCallHangs: all workers hang, and each request still ends in its time.
func TestEveryCallHangs(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	c := l.clientOf(l.server.URL(), func(c *dns.Config) { c.TimeOut = 300 * time.Millisecond })
	w := c.Weights("alidns", wwwAndAPI, rooms)
	l.server.Fault(alidnstest.Fault{Kind: alidnstest.Hang})
	done := make(chan error, 20)
	for range cap(done) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			_, err := w.Read(ctx, w.Seats())
			done <- err
		}()
	}
	for range cap(done) {
		select {
		case err := <-done:
			if err == nil {
				t.Error("a listing that hangs has no error")
			} else {
				l.clean(err.Error())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a request doesn't end")
		}
	}
	l.server.Heal()
	if _, err := w.Read(within(t), w.Seats()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestLostReply: carried out and not answered, or answered by a proxy's page, is unknown, once; looking shows that it landed.
func TestLostReply(t *testing.T) {
	for _, kind := range []alidnstest.Kind{alidnstest.LoseReply, alidnstest.Garbage} {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		c := l.changeOf(w, wwwDefault, homeWWW, "90")
		l.server.Fault(alidnstest.Fault{Action: "write", Kind: kind, Times: 1})
		o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]
		if o.What != cutover.Unknown || !errors.Is(o.Err, cutover.ErrOutcomeUnknown) {
			t.Errorf("%s: %v: %v", kind, o.What, o.Err)
		}
		l.clean(o.Err.Error())
		if r := l.record(homeWWW); r.Weight != 90 || l.server.Writes() != 1 {
			t.Errorf("%s: weight %d after %d writes, want 90 after one", kind, r.Weight, l.server.Writes())
		}
		if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done || l.server.Writes() != 1 {
			t.Errorf("%s: again it is %v by %d writes, want done without one", kind, o.What, l.server.Writes())
		}
	}
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	c := l.changeOf(w, wwwDefault, homeWWW, "90")
	l.server.Fault(alidnstest.Fault{Action: "write", Kind: alidnstest.Refuse, Code: "InternalError", Status: 503, Times: 1})
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Unknown {
		t.Errorf("answered 503 it is %v, want unknown", o.What)
	}
}

// TestLateLanding: what its client gave up on lands later, within the plane's lateness, and is found then; if something newer was written
// meanwhile, it is found over that.
func TestLateLanding(t *testing.T) {
	l := newLab(t, alidnstest.Options{Late: 100 * time.Millisecond})
	c := l.clientOf(l.server.URL(), func(c *dns.Config) { c.TimeOut = 200 * time.Millisecond })
	w := c.Weights("alidns", wwwAndAPI, rooms)
	late := l.changeOf(w, wwwDefault, homeWWW, "90")
	l.server.Fault(alidnstest.Fault{Action: "write", Kind: alidnstest.Late, Times: 1})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if o := w.Write(ctx, cutover.Fence{}, []cutover.Change{late})[0]; o.What != cutover.Unknown {
		t.Fatalf("it is %v: %v", o.What, o.Err)
	}
	if r := l.record(homeWWW); r.Weight != 100 {
		t.Fatalf("it landed at once: weight %d", r.Weight)
	}
	newer := l.changeOf(l.weights(), wwwDefault, homeWWW, "70")
	if o := l.weights().Write(within(t), cutover.Fence{}, []cutover.Change{newer})[0]; o.What != cutover.Done {
		t.Fatalf("a newer one is %v: %v", o.What, o.Err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for l.record(homeWWW).Weight != 90 {
		if time.Now().After(deadline) {
			t.Fatal("it doesn't land")
		}
		<-time.After(5 * time.Millisecond)
	}
	// The engine reads every touched object once more when lateness is over: it finds its own value, where another was wanted.
	if h := l.read(l.weights(), wwwDefault); h[1].Object != homeWWW || h[1].Value != "90" {
		t.Errorf("afterwards %v is read", h)
	}
}

// TestForeignBetween: what somebody else changes between reading and writing is found, told, and not written over where it can be seen.
func TestForeignBetween(t *testing.T) {
	t.Run("before the reading", func(t *testing.T) {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		c := l.changeOf(w, wwwDefault, homeWWW, "90")
		l.change(homeWWW, func(r *alidnstest.Record) { r.Weight = 55 })
		o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]
		if o.What != cutover.Foreign || o.Found != "55" || l.server.Writes() != 0 {
			t.Errorf("%v, found %q, %d writes: %v", o.What, o.Found, l.server.Writes(), o.Err)
		}
	})
	t.Run("after our write", func(t *testing.T) {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		c := l.changeOf(w, wwwDefault, homeWWW, "90")
		l.server.Fault(alidnstest.Fault{Action: "DescribeSubDomainRecords", Skip: 1, Times: 1, Kind: alidnstest.Meanwhile, Do: func() {
			l.change(homeWWW, func(r *alidnstest.Record) { r.Weight = 55 })
		}})
		o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]
		if o.What != cutover.Foreign || o.Found != "55" || l.server.Writes() != 1 {
			t.Errorf("%v, found %q, %d writes: %v", o.What, o.Found, l.server.Writes(), o.Err)
		}
	})
	t.Run("beside it", func(t *testing.T) {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		c := l.changeOf(w, wwwDefault, homeWWW, "90")
		l.server.Fault(alidnstest.Fault{Action: "write", Times: 1, Kind: alidnstest.Meanwhile, Do: func() {
			l.change(homeTel, func(r *alidnstest.Record) { r.Weight = 7 })
			l.change(homeWWW, func(r *alidnstest.Record) { r.TTL = 60 })
			l.server.Add(alidnstest.Record{Zone: "example.com", RR: "www", Type: "A", Value: "203.0.113.11"})
		}})
		if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done {
			t.Fatalf("%v: %v", o.What, o.Err)
		}
		for _, part := range []string{"203.0.113.10 on line telecom meanwhile: it was A 203.0.113.10, weight 100, TTL 600, enabled, and is A 203.0.113.10, weight 7",
			"203.0.113.10 on line default meanwhile: it was A 203.0.113.10, weight 100, TTL 600, enabled, and is A 203.0.113.10, weight 90, TTL 60",
			"somebody made 203.0.113.11 on line default"} {
			if !strings.Contains(l.noted(), part) {
				t.Errorf("isn't told: %q; told is\n%s", part, l.noted())
			}
		}
	})
	t.Run("gone", func(t *testing.T) {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		c := l.changeOf(w, wwwDefault, homeWWW, "90")
		l.server.Delete(l.id(homeWWW))
		if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Foreign || !o.Gone {
			t.Errorf("%v, gone %v: %v", o.What, o.Gone, o.Err)
		}
	})
	t.Run("undisturbed", func(t *testing.T) {
		l := newLab(t, alidnstest.Options{})
		w := l.weights()
		if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{l.changeOf(w, wwwDefault, homeWWW, "90")})[0]; o.What != cutover.Done || l.noted() != "" {
			t.Errorf("%v, told: %s", o.What, l.noted())
		}
	})
}

// TestTTLKeepsWeights: a TTL is written with everything else as it was read; a provider that sets the weight back thereby is mended at
// once, and that is said.
func TestTTLKeepsWeights(t *testing.T) {
	for _, resets := range []bool{false, true} {
		l := newLab(t, alidnstest.Options{ResetsWeight: resets})
		l.change(cloudWWW, func(r *alidnstest.Record) { r.Disabled, r.Weight = false, 40 })
		before := l.record(cloudWWW)
		ttls := l.ttls()
		c := l.changeOf(ttls, wwwDefault, cloudWWW+"/ttl", "60")
		if o := ttls.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done {
			t.Fatalf("resets %v: %v: %v", resets, o.What, o.Err)
		}
		before.TTL = 60
		if got := l.record(cloudWWW); got != before {
			t.Errorf("resets %v: it is %+v, want %+v", resets, got, before)
		}
		if told := strings.Contains(l.noted(), "set its weight from 40 to 1"); told != resets {
			t.Errorf("resets %v: told is %q", resets, l.noted())
		}
	}
}

// TestNotReadBack: the provider took it, and can't be asked any more: unknown.
func TestNotReadBack(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	c := l.changeOf(w, wwwDefault, homeWWW, "90")
	l.server.Fault(alidnstest.Fault{Action: "DescribeSubDomainRecords", Skip: 1, Kind: alidnstest.LoseReply})
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Unknown || !errors.Is(o.Err, cutover.ErrOutcomeUnknown) {
		t.Errorf("%v: %v", o.What, o.Err)
	}
}

// TestSetAlready: somebody set the same between reading and writing. The provider calls that a duplicate; it holds what is wanted.
func TestSetAlready(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	ttls := l.ttls()
	c := l.changeOf(ttls, wwwDefault, homeWWW+"/ttl", "60")
	l.server.Fault(alidnstest.Fault{Action: "write", Times: 1, Kind: alidnstest.Meanwhile, Do: func() {
		l.change(homeWWW, func(r *alidnstest.Record) { r.TTL = 60 })
	}})
	if o := ttls.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done || l.server.Writes() != 1 {
		t.Errorf("%v after %d writes: %v", o.What, l.server.Writes(), o.Err)
	}
}

// TestHangingListingsHoldUpNoWrite: however many listings hang, a write goes at once.
func TestHangingListingsHoldUpNoWrite(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	c := l.changeOf(w, wwwDefault, homeWWW, "90")
	const listings = 20
	l.server.Fault(alidnstest.Fault{Action: "DescribeSubDomainRecords", Kind: alidnstest.Hang, Times: 8})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{}, listings)
	asked := l.server.Calls("DescribeSubDomainRecords")
	for range listings {
		go func() {
			_, _ = w.Read(ctx, []cutover.Seat{wwwDefault}) // it hangs, or waits for one that does
			done <- struct{}{}
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); l.server.Calls("DescribeSubDomainRecords") < asked+8; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the listings don't come")
		}
	}
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done {
		t.Errorf("%v: %v", o.What, o.Err)
	}
	if len(done) > 0 {
		t.Error("a listing came back before the write: nothing was shown")
	}
	cancel()
	for range listings {
		<-done
	}
}
