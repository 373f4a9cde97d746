package rds_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/aliyun/alitest"
	"roomshift/aliyun/rds"
	"roomshift/cutover"
)

const id = "rm-2zetest"

func instance(t *testing.T, o alitest.Options, r alitest.RDSOptions) (*alitest.Server, *alitest.RDS, *rds.Instance) {
	t.Helper()
	r.Instance, r.Engine, r.EngineVersion, r.Parameter, r.Value = id, "MySQL", "8.0", "read_only", "0"
	if r.Apply == nil {
		r.Apply = func(string) error { return nil }
	}
	e := alitest.NewRDS(r)
	t.Cleanup(e.Close)
	s, err := alitest.New(o, e.Actions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	i, err := rds.New(rds.Config{Endpoint: s.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: alitest.TestSecret}, Instance: id, TimeOut: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return s, e, i
}

func nothing() error { return nil }

func until(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("10 s, and not yet")
		}
	}
}

// TestSet: what is accepted is pending until it is applied, by values and history, and one token changes something once.
func TestSet(t *testing.T) {
	_, e, i := instance(t, alitest.Options{}, alitest.RDSOptions{})
	loose := e.Stick()
	if err := i.Set(t.Context(), "1", "token-1", nothing); err != nil {
		t.Fatal(err)
	}
	wanted, running, err := i.Values(t.Context())
	if err != nil || wanted != "1" || running != "0" {
		t.Errorf("%q, %q, %v", wanted, running, err)
	}
	if p, err := i.Pending(t.Context()); err != nil || !strings.Contains(p, "sets it to 1") {
		t.Errorf("%q, %v", p, err)
	}
	for range 2 {
		if err := i.Set(t.Context(), "1", "token-1", nothing); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Set(t.Context(), "0", "token-1", nothing); err == nil || !strings.Contains(err.Error(), "IdempotentParameterMismatch") {
		t.Errorf("another value by the same token: %v", err)
	}
	if got := e.Log(); len(got) != 1 {
		t.Errorf("one token changed it %d times", len(got))
	}
	loose()
	until(t, func() bool { p, err := i.Pending(t.Context()); return err == nil && p == "" })
	if wanted, running, err := i.Values(t.Context()); err != nil || wanted != "1" || running != "1" {
		t.Errorf("%q, %q, %v", wanted, running, err)
	}
}

// TestBefore: what is asked between signing and sending can keep a request from being sent; one that is sent after it has waited carries the
// time at which it was signed.
func TestBefore(t *testing.T) {
	clock := time.Now()
	s, e, i := instance(t, alitest.Options{Now: func() time.Time { return clock }}, alitest.RDSOptions{})
	no := errors.New("the lock is gone")
	err := i.Set(t.Context(), "1", "a", func() error { return no })
	if !strings.Contains(err.Error(), "the lock is gone") || errors.Is(err, cutover.ErrOutcomeUnknown) || s.Calls("ModifyParameter") != 0 || len(e.Log()) != 0 {
		t.Errorf("%v, %d calls", err, s.Calls("ModifyParameter"))
	}
	err = i.Set(t.Context(), "1", "b", func() error { clock = clock.Add(16 * time.Minute); return nil })
	if err == nil || !strings.Contains(err.Error(), "InvalidTimeStamp.Expired") || errors.Is(err, cutover.ErrOutcomeUnknown) || len(e.Log()) != 0 {
		t.Errorf("sent 16 minutes after it was signed: %v, %v", err, e.Log())
	}
}

// TestUnknown: a write that was sent and not answered is unknown; one that was refused or throttled isn't.
func TestUnknown(t *testing.T) {
	s, e, i := instance(t, alitest.Options{Late: 50 * time.Millisecond}, alitest.RDSOptions{})
	for kind, unknown := range map[alitest.Kind]bool{alitest.LoseReply: true, alitest.Hang: true, alitest.Garbage: true, alitest.Throttle: false, alitest.Refuse: false} {
		s.Fault(alitest.Fault{Action: "ModifyParameter", Times: 1, Kind: kind, Code: "IncorrectDBInstanceState"})
		err := i.Set(t.Context(), "1", string(kind), nothing)
		if errors.Is(err, cutover.ErrOutcomeUnknown) != unknown || err == nil || strings.Contains(err.Error(), alitest.TestSecret) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	n := len(e.Log())
	s.Fault(alitest.Fault{Action: "ModifyParameter", Times: 1, Kind: alitest.Late})
	if err := i.Set(t.Context(), "0", "late", nothing); !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
	until(t, func() bool { return len(e.Log()) > n }) // it lands after its sender has given it up
}

// TestHistoryPages: a history of several pages is read whole, and one that is cut is an error.
func TestHistoryPages(t *testing.T) {
	s, e, i := instance(t, alitest.Options{}, alitest.RDSOptions{})
	for n := range 230 {
		e.Change([]string{"0", "1"}[n%2])
	}
	now := time.Now()
	got, err := i.History(t.Context(), now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil || len(got) != 230 || got[0].Value != "1" || got[0].At.Before(got[229].At) {
		t.Errorf("%d entries, %v", len(got), err)
	}
	s.Fault(alitest.Fault{Action: "DescribeModifyParameterLog", Times: 1, Skip: 1, Kind: alitest.Refuse, Code: "InternalError", Status: 500})
	if got, err := i.History(t.Context(), now.Add(-time.Hour), now.Add(time.Hour)); err == nil {
		t.Errorf("%d entries of a history that is cut", len(got))
	}
}

// TestPolicyIsLeast: without any one of Policy's actions the call that needs it is forbidden.
func TestPolicyIsLeast(t *testing.T) {
	all := map[string]func(context.Context, *rds.Instance) error{
		"DescribeParameters":         func(ctx context.Context, i *rds.Instance) error { _, _, err := i.Values(ctx); return err },
		"DescribeModifyParameterLog": func(ctx context.Context, i *rds.Instance) error { _, err := i.Pending(ctx); return err },
		"DescribeParameterTemplates": func(ctx context.Context, i *rds.Instance) error {
			_, err := i.Template(ctx, "MySQL", "8.0")
			return err
		},
		"ModifyParameter": func(ctx context.Context, i *rds.Instance) error { return i.Set(ctx, "1", "t", nothing) },
	}
	_, _, whole := instance(t, alitest.Options{Allowed: rds.Actions}, alitest.RDSOptions{})
	for n, action := range rds.Actions {
		if err := all[action](t.Context(), whole); err != nil {
			t.Errorf("with all: %v", err)
		}
		some := append(append([]string{}, rds.Actions[:n]...), rds.Actions[n+1:]...)
		_, _, i := instance(t, alitest.Options{Allowed: some}, alitest.RDSOptions{})
		if err := all[action](t.Context(), i); !errors.Is(err, aliyun.ErrForbidden) {
			t.Errorf("without %s: %v", action, err)
		}
		if !strings.Contains(rds.Policy(id), `"rds:`+action+`"`) || !strings.Contains(rds.Policy(id), "dbinstance/"+id) {
			t.Errorf("the policy lacks %s", action)
		}
	}
	if len(all) != len(rds.Actions) {
		t.Error("not every action is tried")
	}
}

// TestTemplate: whether a parameter may be set is the provider's word.
func TestTemplate(t *testing.T) {
	_, _, i := instance(t, alitest.Options{}, alitest.RDSOptions{})
	if got, err := i.Template(t.Context(), "MySQL", "8.0"); err != nil || got != (rds.Template{Known: true, Modifiable: true, Values: "[0|1]"}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, _, i = instance(t, alitest.Options{}, alitest.RDSOptions{Fixed: true, Restarts: true})
	if got, err := i.Template(t.Context(), "MySQL", "8.0"); err != nil || got.Modifiable || !got.Restarts {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := i.Template(t.Context(), "MySQL", "5.6"); err != nil || got.Known {
		t.Errorf("%+v, %v", got, err)
	}
}
