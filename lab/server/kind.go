package server

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Engine is whose server a master is.
type Engine string

// The engines.
const (
	MariaDB Engine = "mariadb"
	MySQL   Engine = "mysql"
)

// kind is how an engine's server is got, started and spoken to. A master that it starts is fenced as strongly as it can be.
type kind struct {
	engine  Engine
	find    func() (string, error)
	make    func(ctx context.Context, program, dir string) error // makes an empty data folder, dir
	cnf     string                                               // beside everyCnf; {id} and {domain} are replaced
	repl    string                                               // the rights of the account that replicates
	fence   string
	apply   string                         // starts the applier
	hold    string                         // stops it
	point   func(source sourceOf) []string // statements that replicate from there, whatever it did before
	status  string                         // what it says of its channels
	columns map[string]string              // a column's name in SlaveStatus by its own, where they differ
	reached func(ctx context.Context, source, replica *sql.DB) error
}

// sourceOf is what a replica is told of its source.
type sourceOf struct {
	port      int
	password  string // of Repl
	heartbeat time.Duration
}

func kindOf(e Engine) *kind {
	if e == MySQL {
		return &mysqlKind
	}
	return &mariadbKind
}

var templates struct {
	sync.Mutex
	made map[string]string // by the server's version
}

// template is an empty data folder of this server's version that was never started. It is made once and kept in Deps(), because
// making it takes longer than starting a server.
func (k *kind) template(ctx context.Context, program string) (string, error) {
	version, err := exec.CommandContext(ctx, program, "--no-defaults", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	templates.Lock()
	defer templates.Unlock()
	if dir, ok := templates.made[string(version)]; ok {
		return dir, nil
	}
	dir := filepath.Join(Deps(), fmt.Sprintf("%s-template-%x", k.engine, sha256.Sum256(version))[:len(k.engine)+33])
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := k.makeTemplate(ctx, program, dir); err != nil {
			return "", err
		}
	}
	if templates.made == nil {
		templates.made = map[string]string{}
	}
	templates.made[string(version)] = dir
	return dir, nil
}

// makeTemplate makes the folder beside its place and moves it there in one step: another process may be doing the same.
func (k *kind) makeTemplate(ctx context.Context, program, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), string(k.engine)+"-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	data := filepath.Join(tmp, "data")
	if err := k.make(ctx, program, data); err != nil {
		return err
	}
	if err := os.Rename(data, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return nil // the other process was first
		}
		return err
	}
	return nil
}
