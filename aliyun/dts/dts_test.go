package dts_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/aliyun/alitest"
	"roomshift/aliyun/dts"
	"roomshift/cutover"
)

// service is an emulator with one task, and a client of it.
func service(t *testing.T, o alitest.Options, task func() alitest.DTSTask) (*alitest.Server, *dts.Client) {
	t.Helper()
	s, err := alitest.New(o, alitest.DTSActions(func(id string, reverse bool) (alitest.DTSTask, bool) {
		return task(), id == "dtsforward" && !reverse
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := dts.New(dts.Config{Endpoint: s.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: alitest.TestSecret, Token: o.Token},
		TimeOut: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

var forward = dts.Task{ID: "dtsforward"}

// good is a task that runs: what its detail calls a checkpoint is where it began.
func good() alitest.DTSTask {
	return alitest.DTSTask{Status: "Synchronizing", DelayMS: 856, Checkpoint: 1_790_000_000, Began: 1_700_000_000, Reserved: `{"filterDDL":true,"conflict":"ignore"}`,
		Source: [3]string{"rm-a", "10.0.0.1:3306", "dts_read"}, Dest: [3]string{"rm-b", "10.0.0.2:3306", "dts_write"}}
}

// clean fails if an error tells a key, a secret or a URL.
func clean(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{alitest.TestKeyID, alitest.TestSecret, "Signature=", "http://"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("%v tells %q", err, s)
		}
	}
}

// TestState: the SDK's CommonRequest, signed, reads a task that runs: delay, checkpoint, accounts, settings.
func TestState(t *testing.T) {
	_, c := service(t, alitest.Options{Token: "stsToken"}, good)
	got, err := c.State(t.Context(), forward)
	want := dts.State{Status: "Synchronizing", Running: true, Delay: 856 * time.Millisecond, Checkpoint: 1_790_000_000, From: dts.End{Instance: "rm-a", Address: "10.0.0.1:3306", Account: "dts_read"},
		To: dts.End{Instance: "rm-b", Address: "10.0.0.2:3306", Account: "dts_write"}, Options: dts.Options{Conflict: "ignore", DDL: "left out"}}
	if err != nil || got != want {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if _, err := c.State(t.Context(), dts.Task{ID: "dtsforward", Reverse: true}); !errors.Is(err, dts.ErrNoTask) {
		t.Errorf("the other direction: %v", err)
	}
}

// TestDelayOfAStoppedTask: whatever a task is but synchronizing, no delay and no checkpoint is handed out, though the service tells its
// last ones; nor if it stops between the two questions.
func TestDelayOfAStoppedTask(t *testing.T) {
	var status atomic.Value
	status.Store("Failed")
	s, c := service(t, alitest.Options{}, func() alitest.DTSTask {
		x := good()
		x.Status, x.Error, x.DelayMS = status.Load().(string), "DTS-070211: Connect Source DB failed", 0
		return x
	})
	for _, is := range []string{"NotStarted", "Prechecking", "PrecheckFailed", "Initializing", "InitializeFailed", "Failed", "Suspending", "Modifying", "Finished", "Retrying", "Locked", "what comes next"} {
		status.Store(is)
		got, err := c.State(t.Context(), forward)
		if err != nil || got.Running || got.Delay != 0 || got.Checkpoint != 0 || got.Status != is || !strings.Contains(got.Error, "DTS-070211") {
			t.Errorf("%s: %+v, %v", is, got, err)
		}
	}
	if n := s.Calls("DescribeDtsJobDetail"); n != 0 {
		t.Errorf("the delay of a stopped task was asked for %d times", n)
	}
	status.Store("Synchronizing")
	s.Fault(alitest.Fault{Action: "DescribeDtsJobDetail", Times: 1, Kind: alitest.Meanwhile, Do: func() { status.Store("Suspending") }})
	if got, err := c.State(t.Context(), forward); err != nil || got.Running || got.Checkpoint != 0 || got.Status != "Suspending" {
		t.Errorf("stopped between the questions: %+v, %v", got, err)
	}
}

// TestPartThatFailed: a task whose incremental part has failed doesn't synchronize, whatever its status says.
func TestPartThatFailed(t *testing.T) {
	s, err := alitest.New(alitest.Options{}, map[string]alitest.Action{"DescribeSynchronizationJobStatus": {Version: "2020-01-01", Do: func(url.Values) (map[string]any, *alitest.Error) {
		return map[string]any{"Status": "Synchronizing", "DataSynchronizationStatus": map[string]any{"Status": "Failed"}}, nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := dts.New(dts.Config{Endpoint: s.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: alitest.TestSecret}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.State(t.Context(), forward); err != nil || got.Running || !strings.Contains(got.Status, "Failed") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNoAnswer: what isn't an answer is an error that says so, and a delay that isn't said is none.
func TestNoAnswer(t *testing.T) {
	var unsaid atomic.Bool
	s, c := service(t, alitest.Options{}, func() alitest.DTSTask {
		x := good()
		if unsaid.Load() {
			x.DelayMS = -1
		}
		return x
	})
	for _, f := range []struct {
		fault alitest.Fault
		is    error
		says  string
	}{
		{alitest.Fault{Kind: alitest.Throttle, RetryAfter: 3 * time.Second}, aliyun.ErrThrottled, "Throttling.User"},
		{alitest.Fault{Kind: alitest.Hang}, nil, "no answer in time"},
		{alitest.Fault{Kind: alitest.LoseReply}, nil, "not answered"},
		{alitest.Fault{Kind: alitest.Garbage}, nil, "can't be read"},
		{alitest.Fault{Kind: alitest.Refuse, Status: 500, Code: "InternalError"}, nil, "InternalError"},
	} {
		for _, action := range []string{"DescribeSynchronizationJobStatus", "DescribeDtsJobDetail"} {
			f.fault.Action, f.fault.Times = action, 1
			s.Fault(f.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			got, err := c.State(ctx, forward)
			cancel()
			if err == nil || got.Running || f.is != nil && !errors.Is(err, f.is) || !strings.Contains(err.Error(), f.says) || errors.Is(err, cutover.ErrOutcomeUnknown) {
				t.Errorf("%s %s: %+v, %v", f.fault.Kind, action, got, err)
				continue
			}
			clean(t, err)
			var call *aliyun.CallError
			if f.is != nil && (!errors.As(err, &call) || call.RetryAfter != cutover.T(f.fault.RetryAfter)) {
				t.Errorf("%v: how long to wait is lost", err)
			}
			s.Heal()
		}
	}
	unsaid.Store(true)
	if got, err := c.State(t.Context(), forward); err == nil || got.Running {
		t.Errorf("a delay that isn't said: %+v", got)
	}
}

// TestPolicyIsLeast: with the actions of Policy a task is read; without each one of them the error says that it is forbidden, and which call.
func TestPolicyIsLeast(t *testing.T) {
	if _, c := service(t, alitest.Options{Allowed: dts.Actions}, good); c != nil {
		if _, err := c.State(t.Context(), forward); err != nil {
			t.Error(err)
		}
	}
	for i, action := range dts.Actions {
		some := append(append([]string{}, dts.Actions[:i]...), dts.Actions[i+1:]...)
		_, c := service(t, alitest.Options{Allowed: some}, good)
		if _, err := c.State(t.Context(), forward); !errors.Is(err, aliyun.ErrForbidden) {
			t.Errorf("without %s: %v", action, err)
		}
		if !strings.Contains(dts.Policy("dtsforward"), `"dts:`+action+`"`) || !strings.Contains(dts.Policy("dtsforward"), "instance/dtsforward") {
			t.Errorf("the policy lacks %s: %s", action, dts.Policy("dtsforward"))
		}
	}
}

// TestSignature: a request that is signed by another secret changes and reads nothing, and the error tells neither.
func TestSignature(t *testing.T) {
	s, _ := service(t, alitest.Options{}, good)
	c, err := dts.New(dts.Config{Endpoint: s.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: "another"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.State(t.Context(), forward)
	if err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Fatalf("%v", err)
	}
	clean(t, err)
}
