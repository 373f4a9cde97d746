package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"roomshift/aliyun"
	"roomshift/aliyun/dts"
	"roomshift/aliyun/rds"
	"roomshift/cutover"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// wireCloud gives a pair the tool that keeps it in sync, and its masters the providers that fence them.
func (r *realRooms) wireCloud(p *runbooks.Pair, pair *dbsync.Pair) error {
	if p.DTS != nil {
		tool, err := r.toolOf(p)
		if err != nil {
			return fmt.Errorf("pair %s: %w", p.Name, err)
		}
		pair.Tool = tool
	}
	for i := range p.Masters {
		f := p.Masters[i].Fence
		if f == nil {
			continue
		}
		provider, err := r.providerOf(f)
		if err != nil {
			return fmt.Errorf("pair %s: master in %s: %w", p.Name, p.Masters[i].Room, err)
		}
		pair.Providers[i], pair.Quiet = provider, max(pair.Quiet, f.Quiet)
	}
	return nil
}

// dtsTool is dbsync.Tool of one pair.
type dtsTool struct {
	client *dts.Client
	into   map[cutover.Room]dts.Task
}

var _ dbsync.Tool = (*dtsTool)(nil)

// toolOf is a pair's tool; its client is shared by all pairs.
func (r *realRooms) toolOf(p *runbooks.Pair) (*dtsTool, error) {
	if r.dts == nil {
		at := r.l.Rooms.DTS
		if at == nil {
			return nil, usage("it is kept by a sync tool: say where that answers, as providers: {dts: {region: cn-beijing}}")
		}
		account, err := aliyun.AccountFrom(at.CredentialsFile, os.Getenv)
		if err != nil {
			return nil, usage("dts: %w", err)
		}
		r.dts, err = dts.New(dts.Config{Endpoint: at.Addr, Region: at.Region, CAFile: at.CAFile, Account: account, AccountFile: at.CredentialsFile})
		if err != nil {
			return nil, usage("%w", err)
		}
	}
	return &dtsTool{r.dts, tasksOf(p)}, nil
}

// tasksOf is the task into each room. The same one twice is an instance of both directions.
func tasksOf(p *runbooks.Pair) map[cutover.Room]dts.Task {
	return map[cutover.Room]dts.Task{p.Masters[1].Room: {ID: p.DTS[0]}, p.Masters[0].Room: {ID: p.DTS[1], Reverse: p.DTS[0] == p.DTS[1]}}
}

// Task is dbsync.Tool's.
func (t *dtsTool) Task(ctx context.Context, to cutover.Room) (dbsync.Task, error) {
	task, ok := t.into[to]
	if !ok {
		return dbsync.Task{}, fmt.Errorf("no task into %s", to)
	}
	s, err := t.client.State(ctx, task)
	return dbsync.Task{Name: task.String(), Status: s.Status, Error: s.Error, Running: s.Running, Delay: s.Delay, Checkpoint: s.Checkpoint,
		Reads: s.From.Account, Writes: s.To.Account, From: s.From.Address, To: s.To.Address, Conflict: s.Options.Conflict, DDL: s.Options.DDL}, err
}

// providerOf is a master's provider. It has a client of its own.
func (r *realRooms) providerOf(f *runbooks.Fence) (dbsync.Provider, error) {
	at := r.l.Rooms.AliRDS
	if at == nil {
		return nil, usage("it is fenced by its provider: say where that answers, as providers: {alirds: {region: cn-beijing}}")
	}
	account, err := aliyun.AccountFrom(at.CredentialsFile, os.Getenv)
	if err != nil {
		return nil, usage("alirds: %w", err)
	}
	i, err := rds.New(rds.Config{Endpoint: at.Addr, Region: at.Region, CAFile: at.CAFile, Account: account, AccountFile: at.CredentialsFile,
		Instance: f.Instance, Parameter: f.Parameter})
	if err != nil {
		return nil, usage("%w", err)
	}
	r.closers = append(r.closers, i.Close)
	return provider{i}, nil
}

// provider is dbsync.Provider.
type provider struct{ *rds.Instance }

var _ dbsync.Provider = provider{}

// Settable is dbsync.Provider's.
func (p provider) Settable(ctx context.Context, engine, version string) error {
	t, err := p.Template(ctx, engine, version)
	switch {
	case err != nil:
		return err
	case !t.Known:
		return fmt.Errorf("the provider lets nobody set %s of %s %s", p, engine, version)
	case !t.Modifiable:
		return fmt.Errorf("the provider says that %s can't be changed", p)
	case t.Restarts:
		return fmt.Errorf("the provider says that %s changes by a restart only", p)
	}
	return nil
}

// cloudAccounts is what the AccessKeys' owners need for tasks and parameters.
func cloudAccounts(rooms *runbooks.Rooms) []account {
	var out []account
	var tasks, instances []string
	for i := range rooms.Pairs {
		tasks = append(tasks, rooms.Pairs[i].DTS...)
		for _, m := range rooms.Pairs[i].Masters {
			if m.Fence != nil {
				instances = append(instances, m.Fence.Instance)
			}
		}
	}
	add := func(name string, at *runbooks.Cloud, where, policy string) {
		a := account{Cloud: name, Where: where, Needs: strings.Split(policy, "\n")}
		if at != nil {
			a.Secret = at.CredentialsFile
			if at.Addr != "" {
				a.Where = at.Addr
			}
		}
		out = append(out, a)
	}
	if len(tasks) > 0 {
		region := "REGION"
		if rooms.DTS != nil {
			region = rooms.DTS.Region
		}
		add("DTS", rooms.DTS, dts.DefaultEndpoint(region), dts.Policy(tasks...))
	}
	if len(instances) > 0 {
		add("RDS", rooms.AliRDS, rds.DefaultEndpoint, rds.Policy(instances...))
	}
	return out
}

// cloudGrants prints them.
func cloudGrants(w io.Writer, a account) {
	where := a.Secret
	if where == "" {
		where = "$" + aliyun.EnvKeyID + ", $" + aliyun.EnvSecret
	}
	fmt.Fprintf(w, "%-8s %s · AccessKey: %s · a RAM policy\n", a.Cloud, a.Where, where)
	indented(w, a.Needs)
}
