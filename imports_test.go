// Package roomshift_test holds what is true of the repository as a whole.
package roomshift_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rules say which packages may import what, and why.
var rules = []struct {
	in     string   // folder, and all below it
	only   []string // prefixes that may be imported beside the standard library; nil: anything but deny
	deny   []string
	except []string // folders below in
	why    string
}{
	{in: "cutover", only: []string{"roomshift/runbooks", "roomshift/cutover/writer"}, deny: []string{"net", "net/http"},
		except: []string{"cutover/sim", "cutover/journal", "cutover/cutovertest", "cutover/movers"},
		why:    "the engine has no network: what it needs of the world comes through cutover.World"},
	{in: "cutover/writer", only: []string{}, deny: []string{"os", "net", "context"}, why: "who is the writer is decided from values alone"},
	{in: "cutover/sim", only: []string{"roomshift/cutover", "roomshift/runbooks"}, deny: []string{"net", "net/http"},
		why: "simulated rooms are memory and a virtual clock"},
	{in: "cutover/journal", only: []string{"roomshift/cutover", "golang.org/x/sys"}, why: "a journal is records and a file"},
	{in: "cutover/movers", only: []string{"roomshift/cutover", "roomshift/consul", "roomshift/dbsync"}, deny: []string{"net", "net/http"},
		why: "a round joins the record's keeper and both masters, which know nothing of each other; it has no client of its own"},
	{in: "runbooks", only: []string{"go.yaml.in/yaml/v3"}, why: "the language knows no server and no engine"},
	{in: "consul", only: []string{"roomshift/cutover", "github.com/hashicorp/consul/api"}, why: "adapters import the engine for its words, and never each other"},
	{in: "dbsync", only: []string{"roomshift/cutover", "github.com/go-sql-driver/mysql"}, why: "adapters import the engine for its words, and never each other"},
	{in: "aliyun", only: []string{"roomshift/cutover", "roomshift/aliyun", "github.com/aliyun/alibaba-cloud-sdk-go"}, except: []string{"aliyun/alitest"},
		why: "how a provider's API is asked: below every adapter that asks it, so it knows none of them"},
	{in: "aliyun/alitest", only: []string{}, why: "the emulator shares nothing with what it tests: not even the SDK's signature"},
	{in: "dns", only: []string{"roomshift/cutover", "roomshift/aliyun", "github.com/aliyun/alibaba-cloud-sdk-go", "github.com/miekg/dns"}, except: []string{"dns/alidnstest"},
		why: "adapters import the engine for its words, and never each other"},
	{in: "dns/alidnstest", only: []string{"roomshift/aliyun/alitest", "github.com/miekg/dns"}, why: "the emulator shares nothing with what it tests: not even the SDK's signature"},
	{in: "metrics", only: []string{"roomshift/cutover", "roomshift/runbooks", "github.com/prometheus/"}, why: "adapters import the engine for its words, and never each other"},
}

// owners are the only folders that import a client library.
var owners = map[string][]string{
	"github.com/hashicorp/consul/api":     {"consul", "lab"},
	"github.com/go-sql-driver/mysql":      {"dbsync", "lab"},
	"github.com/prometheus/client_golang": {"metrics", "lab"},
	"github.com/urfave/cli/v2":            {"cmd"},
	"github.com/aliyun/":                  {"aliyun", "dns", "lab"},
	"github.com/miekg/dns":                {"dns", "lab"},
}

func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, filepath.ToSlash(path), name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

func checkImport(t *testing.T, path, name string) {
	t.Helper()
	for _, r := range rules {
		if !below(path, r.in) || anyBelow(path, r.except) {
			continue
		}
		outside := strings.Contains(strings.Split(name, "/")[0], ".") || strings.HasPrefix(name, "roomshift/")
		for _, d := range r.deny {
			if name == d {
				t.Errorf("%s imports %s: %s", path, name, r.why)
			}
		}
		if outside && r.only != nil && !anyPrefix(name, r.only) {
			t.Errorf("%s imports %s: %s", path, name, r.why)
		}
	}
	for lib, folders := range owners {
		if strings.HasPrefix(name, lib) && !anyBelow(path, folders) {
			t.Errorf("%s imports %s: only %s may, so that there is one place to look", path, name, strings.Join(folders, " and "))
		}
	}
}

func below(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }

func anyBelow(path string, dirs []string) bool {
	for _, d := range dirs {
		if below(path, d) {
			return true
		}
	}
	return false
}

func anyPrefix(s string, ps []string) bool {
	for _, p := range ps {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
