package cutovers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roomshift/lab"
)

// TestKilled: wherever kill -9 hits, a takeover goes on and a back ends at every byte that was there.
func TestKilled(t *testing.T) {
	for i, c := range []struct {
		at       string
		takeover bool
	}{{"applying", true}, {"settling", false}, {"baking", true}, {" write ", false}, {" back ", false}} {
		if testing.Short() && i > 1 {
			continue
		}
		t.Run(strings.TrimSpace(c.at), func(t *testing.T) {
			s := begin(t)
			p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("3s", few+"  - checkpoint: there\n"))
			if c.at == " back " {
				p.await("baking")
				s.start("back", "--to", "start").exits(0)
			}
			p.await(c.at)
			p.kill()
			if c.takeover {
				s.start("takeover").exits(7)
				if got := number(t, lab.Home); got != "8" {
					t.Errorf("taken over, it rests at %q", got)
				}
			}
			s.start("back", "--to", "start").exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// TestHangs: a gauge or a Consul that hangs delays nobody: a person is obeyed at once, and going back ends once it can.
func TestHangs(t *testing.T) {
	t.Run("gauge", func(t *testing.T) {
		s := begin(t)
		p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("10m", few))
		p.await("baking")
		do(t, "prometheus cloud frozen", "lag home cloud 1700ms")
		p.await("because lag") // the others still judge
		eventually(t, "the key is what it was", func() bool { return number(t, lab.Home) == s.before[lab.Home] })
		do(t, "heal")
		p.exits(3)
		s.restored()
	})
	for _, state := range []string{"frozen", "down"} {
		t.Run("consul "+state, func(t *testing.T) {
			s := begin(t)
			p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("10m", few))
			p.await("baking")
			do(t, "consul home "+state)
			s.start("back").exits(0)
			p.await(" back ")
			do(t, "consul home up")
			p.exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// TestAPersonFreezes: the run stands still until a person says resume, which goes on with what it was doing.
func TestAPersonFreezes(t *testing.T) {
	s := begin(t)
	p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("2s", few+"  - checkpoint: there\n"))
	p.await("settling")
	s.start("freeze").exits(0)
	p.await(" frozen ")
	s.start("pause").exits(1) // there is nothing to pause
	s.start("resume").exits(0)
	p.exits(7)
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}

// TestSomebodyElseWrites: their value is left alone and named, until a person says to write over it.
func TestSomebodyElseWrites(t *testing.T) {
	s := begin(t)
	p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("10m", few))
	p.await("baking")
	do(t, "set home 11")
	s.start("back").exits(0)
	p.exits(4)
	p.says("gw@home", `"11"`)
	if got := number(t, lab.Home); got != "11" {
		t.Errorf("their 11 became %q", got)
	}
	name := regexp.MustCompile(`run (\S+):`).FindStringSubmatch(p.text())
	if name == nil {
		t.Fatalf("the run isn't named:\n%s", p.text())
	}
	s.start("back", name[1], "--overwrite", "gateway/cloud").exits(3)
	s.restored()
}

// TestOneRunAtATime: the second is refused, and told who holds the lock.
func TestOneRunAtATime(t *testing.T) {
	s := begin(t)
	file := s.book("10m", few)
	p := s.start("run", "--rooms", rooms.RoomsFile(), file)
	p.await("baking")
	run := filepath.Base(filepath.Dir(s.journals()[0]))
	second := s.start("run", "--rooms", rooms.RoomsFile(), file)
	second.exits(1)
	second.says(run)
	s.start("back").exits(0)
	p.exits(3)
	s.restored()
}

// journals are the files of the scene's runs.
func (s *scene) journals() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "state", "roomshift", "*", "*", "journal.jsonl"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no journal: %v", err)
	}
	return files
}

// versions is each key of a Consul with its ModifyIndex.
func versions(t *testing.T, room string) string {
	t.Helper()
	c := rooms.Consuls[room]
	var keys []struct {
		Key         string
		ModifyIndex uint64
	}
	if err := json.Unmarshal([]byte(ask(t, http.MethodGet, c.Addr+"/v1/kv/?recurse", c.Management)), &keys); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var writeLine = regexp.MustCompile(`(?m) write +(\S.* → \S+) ok`)

// writes are what a run's lines say was written, in order.
func (p *process) writes() []string {
	var out []string
	for _, m := range writeLine.FindAllStringSubmatch(p.text(), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestLookingChangesNothing: plan, check --live and a dry run leave every key of both Consuls as it was, and a dry run writes
// what the real one writes.
func TestLookingChangesNothing(t *testing.T) {
	s := begin(t)
	file := s.book("1s", few+"  - checkpoint: there\n")
	was := versions(t, lab.Home) + versions(t, lab.Cloud)
	s.start("check", "--live", "--rooms", rooms.RoomsFile(), file).exits(0)
	s.start("plan", "--rooms", rooms.RoomsFile(), file).exits(0)
	dry := s.start("run", "--dry-run", "--rooms", rooms.RoomsFile(), file)
	dry.exits(7)
	if now := versions(t, lab.Home) + versions(t, lab.Cloud); now != was {
		t.Errorf("the Consuls held %s, and hold %s", was, now)
	}
	real := s.start("run", "--rooms", rooms.RoomsFile(), file)
	real.exits(7)
	if a, b := dry.writes(), real.writes(); len(b) == 0 || !slices.Equal(a, b) {
		t.Errorf("a dry run writes %q, the real one %q", a, b)
	}
	s.start("back", "--to", "start").exits(3)
	s.restored()
}

// TestNoSecretIsWritten stands last, so that it looks through what every case wrote: no output, journal or plan holds a secret, nor does what is
// said about a wrong one.
func TestNoSecretIsWritten(t *testing.T) {
	s := begin(t)
	const wrong = "not-the-pass/word"
	env := rooms.Env()
	secrets := append(rooms.Secrets(), wrong)
	t.Cleanup(func() { // begun before any process, so it looks after each has kept what it wrote
		written.Lock()
		defer written.Unlock()
		for _, secret := range secrets {
			for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
				if form == "" || bytes.Contains(written.text.Bytes(), []byte(form)) {
					t.Errorf("the secret %.4s… was written, or is empty", form)
				}
			}
		}
		if written.text.Len() < 1000 {
			t.Error("nothing was kept to look through")
		}
	})
	for i, v := range env {
		if strings.HasPrefix(v, "LAB_DSN_") {
			name, dsn, _ := strings.Cut(v, "=")
			user, rest, _ := strings.Cut(dsn, ":")
			at := strings.LastIndex(rest, "@")
			if at < 0 {
				t.Fatal("a data source name without an address")
			}
			secrets = append(secrets, rest[:at], dsn)
			env[i] = name + "=" + user + ":" + wrong + rest[at:]
		}
	}
	s.startIn(env, "check", "--live", rooms.Runbook("out")).exits(1)
	token := filepath.Join(s.dir, "token")
	const stranger = "5f0e7b1c-0000-4000-8000-1234567890ab"
	secrets = append(secrets, stranger)
	if err := os.WriteFile(token, []byte(stranger), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := rooms.RoomsYAML()
	for _, room := range []string{lab.Home, lab.Cloud} {
		yaml = strings.ReplaceAll(yaml, rooms.Consuls[room].TokenFile, token)
	}
	file := filepath.Join(s.dir, "rooms.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start("plan", "--rooms", file, rooms.Runbook("out")).exits(1)
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	p := s.start("run", "--json", "--rooms", rooms.RoomsFile(), s.book("1s", few+"  - checkpoint: there\n"))
	p.exits(7)
	s.start("report").exits(0)
	s.start("status", "--json").exits(0)
	s.start("back", "--to", "start").exits(3)
}
