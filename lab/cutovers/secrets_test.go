package cutovers

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roomshift/lab"
)

// noSecret fails if any secret is in what was written.
func (s *scene) noSecret(where, text string) {
	for _, word := range append(s.lab.Secrets(), s.secret...) {
		for _, form := range []string{word, url.QueryEscape(word), url.PathEscape(word)} {
			if form == "" || strings.Contains(text, form) {
				s.t.Errorf("the secret %.4s… is in %s, or is empty", form, where)
			}
		}
	}
}

// noSecretInFiles looks through all that was written into the scene's folder: journals, plans, what a crash may leave behind.
func (s *scene) noSecretInFiles() {
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		s.noSecret(path, string(b))
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// TestWrongSecrets: what is said about a wrong password or token doesn't hold it, nor does any form of output. What every case writes is looked
// through at its end.
func TestWrongSecrets(t *testing.T) {
	s := begin(t)
	const wrong, stranger = "not-the-pass/word", "5f0e7b1c-0000-4000-8000-1234567890ab"
	s.secret = append(s.secret, wrong, stranger)
	env := s.lab.Env()
	for i, v := range env {
		if strings.HasPrefix(v, "LAB_DSN_") {
			name, dsn, _ := strings.Cut(v, "=")
			user, rest, _ := strings.Cut(dsn, ":")
			at := strings.LastIndex(rest, "@")
			if at < 0 {
				t.Fatal("a data source name without an address")
			}
			s.secret = append(s.secret, rest[:at], dsn)
			env[i] = name + "=" + user + ":" + wrong + rest[at:]
		}
	}
	s.startIn(env, "check", "--live", s.lab.Runbook("out")).exits(1)
	token := filepath.Join(s.dir, "token")
	if err := os.WriteFile(token, []byte(stranger), 0o600); err != nil {
		t.Fatal(err)
	}
	file := s.rooms(func(yaml string) string {
		for _, room := range []string{lab.Home, lab.Cloud} {
			yaml = strings.ReplaceAll(yaml, s.lab.Consuls[room].TokenFile, token)
		}
		return yaml
	})
	s.start("plan", "--rooms", file, s.lab.Runbook("out")).exits(1)
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	p := s.start("run", "--json", "--rooms", s.lab.RoomsFile(), s.book("1s", few+"  - checkpoint: there\n"))
	p.exits(7)
	s.start("report").exits(0)
	s.start("status", "--json").exits(0)
	s.start("back", "--to", "start").exits(3)
	s.journals() // there is one to look through
}
