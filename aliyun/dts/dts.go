// Package dts reads what Alibaba Cloud's Data Transmission Service says of synchronization tasks. It changes nothing there.
//
// Of a task its status is read first and its delay afterwards: a delay that was read before would be that of a task which has stopped
// since. A delay, or a checkpoint, of a task that doesn't synchronize says nothing and isn't handed out.
package dts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"roomshift/aliyun"
)

// The API.
const (
	product = "Dts"
	version = "2020-01-01"
)

// DefaultEndpoint is where Alibaba answers for a region.
func DefaultEndpoint(region string) string { return "https://dts." + region + ".aliyuncs.com" }

// ErrNoTask says that the account has no such task.
var ErrNoTask = errors.New("the account has no such task")

// Actions are the calls of the API that are made, as a RAM policy names them.
var Actions = []string{"DescribeSynchronizationJobStatus", "DescribeDtsJobDetail"}

// Policy is the least RAM policy, as JSON, for these tasks; none: for all.
func Policy(tasks ...string) string {
	var resources []string
	for _, t := range tasks {
		resources = append(resources, "acs:dts:*:*:instance/"+t)
	}
	return aliyun.Policy("dts", Actions, resources, "acs:dts:*:*:instance/*")
}

// Config is how the tasks are reached. Endpoint "" is DefaultEndpoint of the region. TimeOut bounds each call, 0: 3 s.
type Config struct {
	Endpoint, Region, CAFile string
	Account                  aliyun.Account
	AccountFile              string
	TimeOut                  time.Duration
}

// Client is one account in one region. It may be used by many goroutines.
type Client struct {
	ali *aliyun.Client
	api *aliyun.API
}

// atOnce is how many tasks are asked about at the same time.
const atOnce = 4

// New makes a client; no request is sent. Errors name what is wrong, never a secret.
func New(c Config) (*Client, error) {
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint(c.Region)
	}
	if c.TimeOut <= 0 {
		c.TimeOut = 3 * time.Second
	}
	ali, err := aliyun.New(aliyun.Config{Name: "dts", Endpoint: c.Endpoint, CAFile: c.CAFile, Account: c.Account, AccountFile: c.AccountFile,
		CallLimit: c.TimeOut, Conns: atOnce, Kind: kindOfCode})
	if err != nil {
		return nil, err
	}
	api, err := ali.API(product, version, c.Region, atOnce)
	if err != nil {
		return nil, err
	}
	return &Client{ali, api}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.ali.Close() }

func kindOfCode(code string) error {
	if strings.HasPrefix(code, "InvalidJobId") || strings.HasPrefix(code, "DtsJobId.") || strings.HasSuffix(code, ".NotFound") {
		return ErrNoTask
	}
	return nil
}

// Task is one direction of a two-way synchronization: its job, and whether it is the reverse one of an instance that has both.
type Task struct {
	ID      string
	Reverse bool
}

// String is how people see it.
func (t Task) String() string {
	if t.Reverse {
		return t.ID + " (reverse)"
	}
	return t.ID
}

func (t Task) direction() string {
	if t.Reverse {
		return "Reverse"
	}
	return "Forward"
}

// State is what the service says of a task. Delay and Checkpoint are there only while it synchronizes.
type State struct {
	Status string // its own word, such as Synchronizing, Suspending, Failed
	Error  string // what it says is wrong
	// Running: it synchronizes, by both answers.
	Running bool
	// Delay is how far it lags by its own word.
	Delay time.Duration
	// Checkpoint is the second, by the source's clock, of the newest change that it says is in the destination; 0: not said. It is from
	// there that a task goes on which was stopped.
	Checkpoint int64
	From, To   End
	Options    Options
}

// End is where a task reads, or writes: its server, and the account that it uses there; what isn't said is "".
type End struct{ Instance, Address, Account string }

// Options are settings of a task as far as the service tells them.
type Options struct {
	Conflict string // overwrite, interrupt, ignore; "" not said
	DDL      string // "carried", "left out"; "" not said
}

// synchronizing is the only status under which changes get across.
const synchronizing = "synchronizing"

func runs(status string) bool { return strings.EqualFold(status, synchronizing) }

// State asks about a task: its status, and then, if it synchronizes, how far it is. An error is no answer.
func (c *Client) State(ctx context.Context, t Task) (State, error) {
	var first struct {
		Status, ErrorMessage      string
		Checkpoint                number
		DataSynchronizationStatus struct {
			Status, ErrorMessage string
			Checkpoint           number
		}
		SourceEndpoint, DestinationEndpoint endpoint
	}
	act := "read the status of task " + t.String()
	params := map[string]string{"SynchronizationJobId": t.ID, "SynchronizationDirection": t.direction(), "RegionId": c.api.Region()}
	if err := c.api.Ask(ctx, act, "DescribeSynchronizationJobStatus", params, &first); err != nil {
		return State{}, err
	}
	part := first.DataSynchronizationStatus
	s := State{Status: first.Status, Error: cmp.Or(part.ErrorMessage, first.ErrorMessage), From: first.SourceEndpoint.end(), To: first.DestinationEndpoint.end()}
	if s.Status == "" {
		return s, fmt.Errorf("%s at dts: the answer has no status", act)
	}
	if runs(s.Status) && !partRuns(part.Status) {
		s.Status += ", its incremental part " + part.Status
		return s, nil
	}
	if !runs(s.Status) {
		return s, nil
	}
	for _, n := range []number{part.Checkpoint, first.Checkpoint} {
		if n.known && n.n > 0 && s.Checkpoint == 0 {
			s.Checkpoint = n.n
		}
	}
	return c.detail(ctx, t, s)
}

// endpoint is End as the API sends it.
type endpoint struct{ InstanceID, InstanceId, IP, Port, UserName string } //nolint:revive // the API's own two spellings

func (e endpoint) end() End {
	x := End{Instance: cmp.Or(e.InstanceID, e.InstanceId), Account: e.UserName}
	if e.IP != "" {
		x.Address = net.JoinHostPort(e.IP, e.Port)
	}
	return x
}

// partRuns tells whether the part that goes on after the first copy does: it has words of its own. "" isn't said.
func partRuns(status string) bool {
	switch strings.ToLower(status) {
	case "", synchronizing, "migrating", "catched":
		return true
	}
	return false
}

// detail asks how far a task is whose status was seen to be good. That it isn't any more counts. Its Checkpoint is where the task began.
func (c *Client) detail(ctx context.Context, t Task, s State) (State, error) {
	var d struct {
		Status, ErrorMessage string
		Delay                number
		Reserved             string
	}
	act := "read the delay of task " + t.String()
	params := map[string]string{"DtsJobId": t.ID, "SynchronizationDirection": t.direction(), "RegionId": c.api.Region()}
	if err := c.api.Ask(ctx, act, "DescribeDtsJobDetail", params, &d); err != nil {
		return State{}, err
	}
	s.Options = optionsOf(d.Reserved)
	if !runs(d.Status) {
		s.Status, s.Error, s.Checkpoint = d.Status, cmp.Or(d.ErrorMessage, s.Error), 0
		return s, nil
	}
	if !d.Delay.known || d.Delay.n < 0 {
		return State{}, fmt.Errorf("%s at dts: it synchronizes, and the answer has no delay", act)
	}
	s.Running, s.Delay = true, time.Duration(d.Delay.n)*time.Millisecond
	return s, nil
}

// optionsOf reads the settings that the service repeats as JSON.
func optionsOf(reserved string) (o Options) {
	var r map[string]any
	if json.Unmarshal([]byte(reserved), &r) != nil {
		return o
	}
	o.Conflict, _ = r["conflict"].(string)
	switch fmt.Sprint(r["filterDDL"]) {
	case "true":
		o.DDL = "left out"
	case "false":
		o.DDL = "carried"
	}
	return o
}

// number is one that the API sends as a number or as a text.
type number struct {
	n     int64
	known bool
}

// UnmarshalJSON is json.Unmarshaler's. What is no number isn't known.
func (v *number) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	v.n, v.known = n, err == nil
	return nil
}
