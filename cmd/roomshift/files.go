package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/urfave/cli/v2"

	"roomshift/runbooks"
)

// load reads a runbook and its rooms, and prints every problem of both.
func load(io stdio, book, rooms string, asJSON bool) (*runbooks.Loaded, error) {
	l, err := runbooks.Load(book, rooms)
	if err != nil {
		return nil, usage("%w", err)
	}
	if len(l.Problems) == 0 {
		return l, nil
	}
	showProblems(io, l, l.Problems, asJSON)
	return nil, problemsError(len(l.Problems))
}

func problemsError(n int) error {
	if n == 1 {
		return usage("1 problem")
	}
	return usage("%d problems", n)
}

func showProblems(io stdio, l *runbooks.Loaded, ps []runbooks.Problem, asJSON bool) {
	runbooks.Sort(ps)
	if asJSON {
		type problem struct {
			File    string `json:"file"`
			Line    int    `json:"line"`
			Col     int    `json:"col"`
			Message string `json:"message"`
			Rule    string `json:"rule"`
			Hint    string `json:"hint,omitempty"`
		}
		out := []problem{}
		for _, p := range ps {
			out = append(out, problem{p.File, p.Line, p.Col, p.Message, p.Rule, p.Hint})
		}
		printJSON(io, map[string]any{"problems": out})
		return
	}
	for _, p := range ps {
		src := l.BookSrc
		if p.File == l.RoomsFile {
			src = l.RoomsSrc
		}
		fmt.Fprintln(io.out, p.Render(src))
	}
}

func printJSON(io stdio, v any) {
	enc := json.NewEncoder(io.out)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a closed standard output has nobody to tell
}

// initFiles writes the first files of a newcomer, and never over a file that is there.
func initFiles(c *cli.Context, io stdio) error {
	dir, err := oneArg(c, "folder", false)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = "."
	}
	files := runbooks.InitFiles()
	var names []string
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if _, err := os.Lstat(filepath.Join(dir, n)); err == nil {
			return usage("%s is there already: init writes over nothing; name another folder", filepath.Join(dir, n))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), files[n], 0o644); err != nil {
			return err
		}
		fmt.Fprintln(io.out, filepath.Join(dir, n))
	}
	fmt.Fprintf(io.err, "edit the addresses, then: roomshift check %s\n", filepath.Join(dir, "to-cloud.yaml"))
	return nil
}

func schema(c *cli.Context, io stdio) error {
	kind, err := oneArg(c, "kind", true)
	if err != nil {
		return err
	}
	b := runbooks.Schema(kind)
	if b == nil {
		return usage("no schema is called %q: rooms and runbook are", kind)
	}
	_, err = io.out.Write(b)
	return err
}
