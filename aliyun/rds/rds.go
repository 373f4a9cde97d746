// Package rds sets parameters of Alibaba Cloud's databases and reads how they stand. What may be concluded from its answers is dbsync's
// to know: see dbsync.Provider.
package rds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/aliyun"
)

// The API.
const (
	product = "Rds"
	version = "2014-08-15"
)

// DefaultEndpoint is where Alibaba answers for every region of its own.
const DefaultEndpoint = "https://rds.aliyuncs.com"

// ErrNoInstance says that the account has no such instance.
var ErrNoInstance = errors.New("the account has no such instance")

// Actions are the calls of the API that are made, as a RAM policy names them.
var Actions = []string{"DescribeParameters", "DescribeModifyParameterLog", "DescribeParameterTemplates", "ModifyParameter"}

// Policy is the least RAM policy, as JSON, for these instances; none: for all.
func Policy(instances ...string) string {
	var resources []string
	for _, i := range instances {
		resources = append(resources, "acs:rds:*:*:dbinstance/"+i)
	}
	return aliyun.Policy("rds", Actions, resources, "acs:rds:*:*:dbinstance/*")
}

// Config is how an instance is reached. Endpoint "" is DefaultEndpoint. TimeOut bounds each call, 0: 5 s.
type Config struct {
	Endpoint, Region, CAFile string
	Account                  aliyun.Account
	AccountFile              string
	Instance, Parameter      string // Parameter "": read_only
	TimeOut                  time.Duration
}

// Instance is one parameter of one instance. It may be used by many goroutines.
type Instance struct {
	ali      *aliyun.Client
	api      *aliyun.API
	id, name string
}

const atOnce = 2

// New makes a client; no request is sent. Errors name what is wrong, never a secret.
func New(c Config) (*Instance, error) {
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	if c.Parameter == "" {
		c.Parameter = "read_only"
	}
	if c.TimeOut <= 0 {
		c.TimeOut = 5 * time.Second
	}
	ali, err := aliyun.New(aliyun.Config{Name: "rds", Endpoint: c.Endpoint, CAFile: c.CAFile, Account: c.Account, AccountFile: c.AccountFile,
		CallLimit: c.TimeOut, Conns: atOnce, Kind: kindOfCode})
	if err != nil {
		return nil, err
	}
	api, err := ali.API(product, version, c.Region, atOnce)
	if err != nil {
		return nil, err
	}
	return &Instance{ali, api, c.Instance, c.Parameter}, nil
}

func kindOfCode(code string) error {
	if strings.HasPrefix(code, "InvalidDBInstanceId") || strings.HasPrefix(code, "InvalidDBInstanceName") {
		return ErrNoInstance
	}
	return nil
}

// Close closes the connections that are idle.
func (i *Instance) Close() { i.ali.Close() }

// String is "read_only of rm-2ze…".
func (i *Instance) String() string { return i.name + " of " + i.id }

func (i *Instance) params(more ...string) map[string]string {
	p := map[string]string{"DBInstanceId": i.id, "RegionId": i.api.Region()}
	for n := 0; n+1 < len(more); n += 2 {
		p[more[n]] = more[n+1]
	}
	return p
}

// Set asks for a value of the parameter. token makes it happen once: the same one sent again does nothing more. nil says that it was
// accepted, not that it is in force. cutover.ErrOutcomeUnknown: it may have been, or still be.
// before is called when the request is signed and not sent yet; its error keeps it from being sent.
func (i *Instance) Set(ctx context.Context, value, token string, before func() error) error {
	b, err := json.Marshal(map[string]string{i.name: value})
	if err != nil {
		return err
	}
	return i.api.Do(aliyun.Before(ctx, before), "set "+i.String()+" to "+value, "ModifyParameter", i.params("Parameters", string(b), "Forcerestart", "false", "ClientToken", token), nil)
}

type parameter struct{ ParameterName, ParameterValue string }

// Values are what was asked for last, and what is in force, by the provider's word; "" one that it doesn't say.
func (i *Instance) Values(ctx context.Context) (wanted, running string, err error) {
	var a struct {
		ConfigParameters  struct{ DBInstanceParameter []parameter }
		RunningParameters struct{ DBInstanceParameter []parameter }
	}
	if err := i.api.Ask(ctx, "read "+i.String(), "DescribeParameters", i.params(), &a); err != nil {
		return "", "", err
	}
	for _, p := range a.ConfigParameters.DBInstanceParameter {
		if p.ParameterName == i.name {
			wanted = p.ParameterValue
		}
	}
	for _, p := range a.RunningParameters.DBInstanceParameter {
		if p.ParameterName == i.name {
			running = p.ParameterValue
		}
	}
	return wanted, running, nil
}

// Change is one entry of the provider's history of the parameter.
type Change struct {
	At      time.Time // by the provider's clock
	Value   string
	Applied bool // false: accepted and not in force yet
}

// minute is how the API takes times.
const minute = "2006-01-02T15:04Z"

// pageSize is the largest that is taken.
const pageSize = 100

// History is the accepted changes of the parameter since a time, the newest first. One that is cut is an error.
func (i *Instance) History(ctx context.Context, since, until time.Time) ([]Change, error) {
	var out []Change
	have := 0
	for page := 1; ; page++ {
		var a struct {
			Items struct {
				ParameterChangeLog []struct{ ModifyTime, NewParameterValue, ParameterName, Status string }
			}
			TotalRecordCount int
		}
		err := i.api.Ask(ctx, "read the history of "+i.String(), "DescribeModifyParameterLog", i.params("StartTime", since.UTC().Format(minute),
			"EndTime", until.UTC().Format(minute), "PageSize", strconv.Itoa(pageSize), "PageNumber", strconv.Itoa(page)), &a)
		if err != nil {
			return nil, err
		}
		for _, c := range a.Items.ParameterChangeLog {
			have++
			if c.ParameterName != i.name {
				continue
			}
			ms, err := strconv.ParseInt(c.ModifyTime, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read the history of %s at rds: an entry's time is %q", i, c.ModifyTime)
			}
			out = append(out, Change{At: time.UnixMilli(ms), Value: c.NewParameterValue, Applied: c.Status == "Applied"})
		}
		switch got := len(a.Items.ParameterChangeLog); {
		case have == a.TotalRecordCount:
			return out, nil
		case got == 0 || have > a.TotalRecordCount:
			return nil, fmt.Errorf("read the history of %s at rds: %d of %d entries were listed: read again", i, have, a.TotalRecordCount)
		}
	}
}

// Template is what the provider lets people do with a parameter of a version.
type Template struct {
	Known      bool // it is in the list at all
	Modifiable bool
	Restarts   bool // a change takes effect by a restart only
	Values     string
}

// Template asks whether the parameter may be set at all.
func (i *Instance) Template(ctx context.Context, engine, engineVersion string) (Template, error) {
	var a struct {
		Parameters struct {
			TemplateRecord []struct{ ParameterName, ForceModify, ForceRestart, CheckingCode string }
		}
	}
	err := i.api.Ask(ctx, "ask whether "+i.String()+" may be set", "DescribeParameterTemplates",
		map[string]string{"RegionId": i.api.Region(), "Engine": engine, "EngineVersion": engineVersion}, &a)
	if err != nil {
		return Template{}, err
	}
	for _, r := range a.Parameters.TemplateRecord {
		if r.ParameterName == i.name {
			return Template{true, strings.EqualFold(r.ForceModify, "true"), strings.EqualFold(r.ForceRestart, "true"), r.CheckingCode}, nil
		}
	}
	return Template{}, nil
}

// recent is how far back the history is read: what was accepted before and isn't applied yet would show as the value that is wanted.
const recent = 2 * time.Hour

// Pending is the newest change that is accepted and not in force, for people; "" none. Either the history or the values may say so first.
func (i *Instance) Pending(ctx context.Context) (string, error) {
	now := time.Now()
	changes, err := i.History(ctx, now.Add(-recent), now.Add(recent))
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if !c.Applied {
			return "sets it to " + c.Value + " since " + c.At.UTC().Format("15:04:05") + " UTC", nil
		}
	}
	wanted, running, err := i.Values(ctx)
	if err != nil || wanted == running {
		return "", err
	}
	return "sets it to " + wanted + ", and it is " + running, nil
}
