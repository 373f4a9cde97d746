package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// verifyCommand compares what both masters of a pair hold.
func verifyCommand(io stdio, rooms, jsonFlag cli.Flag) *cli.Command {
	return &cli.Command{Name: "verify", Usage: "compares what the masters of a pair hold", ArgsUsage: "PAIR", Flags: []cli.Flag{rooms, jsonFlag,
		&cli.StringSliceFlag{Name: "database", Usage: "a database to compare; again for more"},
		&cli.StringSliceFlag{Name: "table", Usage: "a table to compare, as DATABASE.TABLE; again for more"},
		&cli.StringSliceFlag{Name: "only", Usage: "tables to compare, as 'shop.order_*'; again for more"},
		&cli.IntFlag{Name: "rate", Usage: "rows a second at most"},
		&cli.IntFlag{Name: "max-load", Usage: "wait while a server works on more statements than this"},
		&cli.StringFlag{Name: "chunk", Value: "500ms", Usage: "how long a server is to work on one statement"},
		&cli.IntFlag{Name: "keys", Value: 10, Usage: "how many differing rows of a table are named; 0: none"}},
		Action: func(c *cli.Context) error { return verify(c, io) }}
}

func verify(c *cli.Context, io stdio) error {
	pair, err := oneArg(c, "pair", true)
	if err != nil {
		return err
	}
	o, err := verifyOptions(c)
	if err != nil {
		return err
	}
	l, err := loadPairs(io, c.String("rooms"), []string{pair}, c.Bool("json"))
	if err != nil {
		return err
	}
	ring, err := ringOf(&l.Rooms.Pairs[0])
	if err != nil {
		return err
	}
	defer ring.Close()
	base, err := stateDir()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	shown := &verifyProgress{w: io.err}
	o.Progress = shown.chunk
	found, err := ring.Verify(ctx, o)
	if found == nil {
		return err
	}
	shown.end()
	found.Ended = strings.ReplaceAll(found.Ended, "{user}", grantUser)
	file, keepErr := "", error(nil)
	if len(found.Tables) > 0 { // what compared nothing says nothing
		file, keepErr = found.Keep(filepath.Join(base, l.Rooms.Environment))
	}
	if c.Bool("json") {
		printJSON(io, found)
	} else {
		verifyPage(sheetOf(io.out), found)
	}
	if file != "" {
		fmt.Fprintf(io.err, "kept in %s\n", file)
	}
	return verifyEnds(ctx, found, errors.Join(err, keepErr))
}

// verifyEnds is 8 for drift, however little was compared, else 1 where not everything was.
func verifyEnds(ctx context.Context, found *dbsync.Comparison, err error) error {
	v := found.Verdict()
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), "{user}", grantUser))
	}
	switch {
	case v == dbsync.Drifted:
		if err != nil && ctx.Err() == nil {
			return &exitError{code: cutover.ExitDrift, err: err}
		}
		return said(cutover.ExitDrift)
	case err != nil && ctx.Err() == nil:
		return &exitError{code: cutover.ExitNothing, err: err}
	case v != dbsync.Equal:
		return said(cutover.ExitNothing)
	}
	return nil
}

func verifyOptions(c *cli.Context) (dbsync.VerifyOptions, error) {
	o := dbsync.VerifyOptions{Databases: c.StringSlice("database"), Tables: c.StringSlice("table"), Only: c.StringSlice("only"), Rate: c.Int("rate"),
		MaxLoad: c.Int("max-load"), Keys: c.Int("keys")}
	if o.Keys == 0 {
		o.Keys = -1
	}
	var err error
	if o.Chunk, err = time.ParseDuration(c.String("chunk")); err != nil || o.Chunk <= 0 || o.Chunk > 10*time.Second {
		return o, usage("--chunk is %q, want a time up to 10s, as 500ms", c.String("chunk"))
	}
	for _, t := range o.Tables {
		if !strings.Contains(t, ".") {
			return o, usage("--table is %q, want DATABASE.TABLE", t)
		}
	}
	for _, p := range o.Only {
		if _, err := filepath.Match(p, ""); err != nil {
			return o, usage("--only is %q, want names of tables with * and ?, as 'shop.order_*'", p)
		}
	}
	if o.Rate < 0 || o.MaxLoad < 0 {
		return o, usage("--rate and --max-load are limits: want 0 (none) or more")
	}
	return o, nil
}

// ringOf opens the masters of a pair. A secret is only ever in the environment.
func ringOf(p *runbooks.Pair) (*dbsync.Ring, error) {
	if p.DTS != nil {
		return nil, usage("pair %s is kept in sync by a tool: there is no position behind which its masters could be compared", p.Name)
	}
	pair := dbsync.Pair{Name: p.Name}
	var missing []string
	for i, m := range p.Masters {
		pair.Rooms[i], pair.DSN[i] = m.Room, os.Getenv(m.DSNEnv)
		if pair.DSN[i] == "" {
			missing = append(missing, m.DSNEnv)
		}
		config, err := m.TLS.Config()
		if err != nil {
			return nil, usage("pair %s: master in %s: %w", p.Name, m.Room, err)
		}
		pair.TLS[i] = config
	}
	if len(missing) > 0 {
		return nil, usage("not set in the environment: %s (each the DSN of a master, as user:password@tcp(host:port)/; rooms.yaml names them in dsnEnv)", strings.Join(missing, ", "))
	}
	return dbsync.Open(pair)
}

// verifyProgress says on standard error how far it is: each table once, and a long one every few seconds.
type verifyProgress struct {
	w     io.Writer
	table string
	last  string
	said  time.Time
}

const progressEvery = 2 * time.Second

func (v *verifyProgress) chunk(t *dbsync.TableCompared, about int64) {
	if t.Name != v.table {
		v.end()
		v.table, v.said = t.Name, time.Now()
	}
	v.last = fmt.Sprintf("%s · %s · %s%s", t.Name, counted64(t.Rows, "row"), counted(t.Chunks, "chunk"), differsText(t))
	if time.Since(v.said) >= progressEvery {
		of := ""
		if about > t.Rows {
			of = fmt.Sprintf(" of about %d", about)
		}
		fmt.Fprintf(v.w, "%s%s\n", v.last, of)
		v.said, v.last = time.Now(), ""
	}
}

func (v *verifyProgress) end() {
	if v.last != "" {
		fmt.Fprintln(v.w, v.last)
	}
	v.last = ""
}

func counted64(n int64, what string) string { return counted(int(n), what) }

func differsText(t *dbsync.TableCompared) string {
	if t.Differs == 0 {
		return ""
	}
	more := ""
	if t.More {
		more = " or more"
	}
	return fmt.Sprintf(" · %d%s differ", t.Differs, more)
}

// verifyPage says what was found: tables that differ with their rows first, then what isn't known, then the sum.
func verifyPage(w io.Writer, c *dbsync.Comparison) {
	equal := 0
	for i := range c.Tables {
		t := &c.Tables[i]
		switch {
		case t.Wrong != "":
			flowed(w, 4, "✗ "+t.Name+": ", t.Wrong)
		case t.Differs > 0:
			fmt.Fprintf(w, "✗ %s · %s · %s%s\n", t.Name, counted64(t.Rows, "row"), counted(t.Chunks, "chunk"), differsText(t))
			for _, d := range t.Keys {
				text := d.How
				if len(d.Cols) > 0 {
					text += " in " + strings.Join(d.Cols, ", ")
				}
				fmt.Fprintf(w, "    %s: %s\n", strings.Join(d.Key, " · "), text)
			}
		case t.Lack == "" && t.Moving == 0:
			equal++
		}
		if t.Lack != "" {
			flowed(w, 4, "? "+t.Name+": ", t.Lack)
		} else if t.Moving > 0 {
			flowed(w, 4, "? "+t.Name+": ", fmt.Sprintf("%s changed each time that both rooms were looked at: whether they are the same isn't known", counted(t.Moving, "row")))
		}
	}
	took := c.At.Sub(c.Began).Round(100 * time.Millisecond)
	flowed(w, 4, "", fmt.Sprintf("%s: %d of %s equal in %s and %s · %s · %s · %v · at %s", c.Pair, equal, counted(len(c.Tables), "table"), c.Rooms[0], c.Rooms[1],
		counted64(c.Rows, "row"), counted(c.Chunks, "chunk"), took, cmp.Or(string(c.Position), "no position")))
	if c.Ended != "" {
		flowed(w, 4, "", "ended early: "+c.Ended)
	}
}
