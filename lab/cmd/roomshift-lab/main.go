// Command roomshift-lab starts two real rooms on this machine and keeps them until it is told to end. Faults are typed.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"roomshift/lab"
	"roomshift/lab/server"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "roomshift-lab:", err)
		}
		os.Exit(1)
	}
}

// perMedium is how many requests in a second each medium beside the gateways' gets: enough for a window of 5 s to tell a share.
const perMedium = 30

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("roomshift-lab", flag.ContinueOnError)
	var o lab.Options
	flags.StringVar(&o.Dir, "dir", "", "the folder for everything (default: a temporary one, removed at the end)")
	flags.Float64Var(&o.PerSecond, "rate", 200, "requests in a second")
	flags.IntVar(&o.Enter, "enter", 10, "of a hundred requests, so many enter by the cloud")
	flags.IntVar(&o.Percent, "percent", 3, "what home's gateway sends to the cloud at first")
	names := flags.Bool("names", true, "requests enter by name, over an emulated Alibaba Cloud DNS; -enter is for a lab without")
	mysql := flags.Bool("mysql", false, "both masters are MySQL's, not MariaDB's")
	small := flags.Bool("small", false, "the gateways alone: no names, upstream keys, services' weights and splitter")
	agents := flags.Bool("agents", false, "home's agent owns the instances of search, not the catalog")
	if err := flags.Parse(args); err != nil {
		return err
	}
	masters := "MariaDB"
	if *mysql {
		o.Engine, masters = server.MySQL, "MySQL"
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q isn't understood: flags only", flags.Arg(0))
	}
	others := ""
	if !*small {
		o.Upstream, o.Services = &lab.UpstreamOptions{PerSecond: perMedium}, &lab.ServicesOptions{Agents: *agents, PerSecond: perMedium}
		o.Splitter = &lab.SplitterOptions{PerSecond: perMedium}
		others = ", nginx, HAProxy, a mesh gateway"
		if *names {
			o.Names = &lab.NamesOptions{}
			others += ", a DNS provider"
		}
	}
	if o.Percent == 0 {
		o.Percent = -1 // the option's way of saying none
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "roomshift-lab-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	fmt.Fprintln(out, "starting two "+masters+", two Consul, two Prometheus, two gateways, two services"+others+" and their load: some 15 s")
	l, err := lab.Start(ctx, o)
	if err != nil {
		if errors.Is(err, server.ErrMissing) {
			return fmt.Errorf("%w (make deps installs what the lab needs)", err)
		}
		return err
	}
	defer func() {
		fmt.Fprintln(out, "ending everything")
		l.Stop()
	}()
	fmt.Fprint(out, welcome(l))
	return serve(ctx, l, in, out)
}

// welcome says where everything is and what to type.
func welcome(l *lab.Lab) string {
	return fmt.Sprintf(`
The lab runs. Its routes, each with a load of its own:
%s
%s holds rooms.yaml (what exists), env (what roomshift needs in its environment: secrets) and these runbooks:
%s
In another terminal, in roomshift's folder:
  . %s
  go run ./cmd/roomshift check --live --init %s
  go run ./cmd/roomshift run %s
  go run ./cmd/roomshift back --to start

What can be typed here, faults above all:

%s
`, l.About(), l.Dir, l.Books(), l.EnvFile(), l.Runbook("out"), l.Runbook("out"), l.Help())
}

// serve carries out what is typed until somebody ends the lab. The end of the input ends nothing: the lab may run behind a
// script.
func serve(ctx context.Context, l *lab.Lab, in io.Reader, out io.Writer) error {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				lines = nil
				continue
			}
			if line == "quit" || line == "exit" {
				return nil
			}
			said, err := l.Do(ctx, line)
			if err != nil {
				said = fmt.Sprintln(err)
			}
			fmt.Fprint(out, said)
		}
	}
}
