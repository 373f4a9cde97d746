package runbooks

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What a person sees of a file with problems, caret and all.
func TestRender(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files, %v", err)
	}
	for _, file := range files {
		src := loadFile(t, file)
		_, ps := LoadRooms(filepath.Base(file), src)
		b := &strings.Builder{}
		for _, p := range ps {
			b.WriteString(p.Render(src))
			b.WriteString("\n")
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want := string(loadFile(t, golden)); b.String() != want {
			t.Errorf("%s is rendered as\n%s\nwant\n%s", file, b.String(), want)
		}
	}
}

func TestNoSecretIsRendered(t *testing.T) {
	for _, file := range badFiles(t) {
		src := loadFile(t, file)
		for _, p := range badFile(t, file, src) {
			if text := p.Render(src) + p.Hint; strings.Contains(text, "hunter2") || strings.Contains(text, "8f246b77") {
				t.Errorf("a secret is shown:\n%s", text)
			}
		}
	}
	for in, want := range map[string]string{
		`a: {dsnEnv: FEED_DB, tokenFile: a.token}, foo: 1`: `a: {dsnEnv: FEED_DB, tokenFile: a.token}, foo: 1`,
		`a: {dsn: "x", foo: 1}`:                            `a: {dsn: …`,
		`a: {dsnEnv: "u:p@tcp(h)/", foo: 1}`:               `a: {dsnEnv: …`,
		`a: {accessKeySecret: x}`:                          `a: {accessKeySecret: …`,
		`a: {"consul-token": x}`:                           `a: {"consul-token": …`,
		`addr: "http://u:p@h:1/"`:                          `addr: "http://…@h:1/"`,
		`tokenFile: 8f246b77-f3e1-ff88-5b48-8ec93abf3e05`:  `tokenFile: …`,
		`keyFile: 8f246b77-f3e1-ff88-5b48-8ec93abf3e05`:    `keyFile: …`,
		`a: {caFile: ca.pem, keyFile: k.pem, b: 1}`:        `a: {caFile: ca.pem, keyFile: k.pem, b: 1}`,
	} {
		if got := maskSecrets(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}

func TestRenderPlaces(t *testing.T) {
	p := Problem{Pos: Pos{"f", 2, 7}, Message: "m", Rule: "r", Hint: "h"}
	for src, want := range map[string]string{
		"a\n机房: {x: 1}\n":  "    2 | 机房: {x: 1}\n      |         ^\n",
		"a\n\tbc: {x}\r\n": "    2 | \tbc: {x}\n      | \t     ^\n",
		"a\nb\n":           "    2 | b\n      |  ^\n",
		"a":                "",
		"\xff":             "",
	} {
		if got := p.Render([]byte(src)); got != "f:2:7: m [r]\n"+want+"        h\n" {
			t.Errorf("%q is rendered as\n%s", src, got)
		}
	}
	long := Problem{Pos: Pos{"f", 1, 151}, Message: "m", Rule: "r"}
	got := strings.Split(long.Render([]byte(strings.Repeat("x", 150)+"HERE"+strings.Repeat("y", 300))), "\n")
	if at := strings.Index(got[2], "^"); len([]rune(got[1])) > 125 || !strings.HasPrefix(string([]rune(got[1])[at:]), "HERE") {
		t.Errorf("a long line is rendered as\n%s\n%s", got[1], got[2])
	}
}
