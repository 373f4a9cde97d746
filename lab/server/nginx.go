package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Nginx is one nginx server with one worker, so that weights are kept to over all requests.
type Nginx struct {
	Addr    string // "http://127.0.0.1:port"
	dir     string
	port    int
	log     string // host:port of a syslog server, by UDP
	version int
	p       *Process
}

// StartNginx starts one in dir, which must exist; it waits until it answers. Every request goes to one of the servers, lines of nginx's
// upstream block such as "server 127.0.1.1:8080 weight=3;". For each it logs "UPSTREAM-ADDRESS STATUS" to the syslog server at log.
func StartNginx(ctx context.Context, dir, log string, servers []string) (*Nginx, error) {
	program, err := Find("nginx")
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	n := &Nginx{Addr: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), dir: dir, port: ports[0], log: log}
	if err := n.write(servers); err != nil {
		return nil, err
	}
	n.p, err = Start("nginx", filepath.Join(dir, "log"), program, "-p", dir, "-c", n.file(), "-e", filepath.Join(dir, "error.log"))
	if err != nil {
		return nil, err
	}
	if err := n.p.Await(ctx, n.obeys); err != nil {
		n.Kill()
		return nil, err
	}
	return n, nil
}

func (n *Nginx) file() string { return filepath.Join(n.dir, "nginx.conf") }

// write writes the next version of the configuration.
func (n *Nginx) write(servers []string) error {
	n.version++
	user := ""
	if os.Geteuid() == 0 { // else the worker would be nobody, who can't come into dir
		user = "user root;\n"
	}
	own := func(name string) string { return filepath.Join(n.dir, name) }
	var b strings.Builder
	b.WriteString(user)
	fmt.Fprintf(&b, "daemon off;\nworker_processes 1;\npid %s;\nerror_log %s warn;\nevents { worker_connections 1024; }\nhttp {\n", own("pid"), own("error.log"))
	for _, path := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "  %s_temp_path %s;\n", path, own(path))
	}
	fmt.Fprintf(&b, "  log_format by '$upstream_addr $status';\n  access_log syslog:server=%s,nohostname by;\n", n.log)
	fmt.Fprintf(&b, "  upstream up {\n    %s\n    keepalive 16;\n  }\n", strings.Join(servers, "\n    "))
	fmt.Fprintf(&b, "  server {\n    listen 127.0.0.1:%d;\n    location = /version { access_log off; return 200 \"%d\"; }\n", n.port, n.version)
	b.WriteString("    location / { proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_next_upstream off; proxy_pass http://up; }\n  }\n}\n")
	return os.WriteFile(n.file(), []byte(b.String()), 0o600)
}

// Serve makes nginx go to these servers instead, and returns once it does.
func (n *Nginx) Serve(ctx context.Context, servers []string) error {
	if err := n.write(servers); err != nil {
		return err
	}
	if err := n.p.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return n.p.Await(ctx, n.obeys)
}

// obeys fails unless the newest configuration answers.
func (n *Nginx) obeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Addr+"/version", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err == nil && (string(body) != fmt.Sprint(n.version) || !n.p.Owns(n.port)) {
		err = fmt.Errorf("nginx answers by configuration %q, not yet by %d", body, n.version)
	}
	return err
}

// Freeze makes it stand still, its workers too: it holds its connections and answers nothing, until Thaw.
func (n *Nginx) Freeze() error { return syscall.Kill(-n.p.PID(), syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (n *Nginx) Thaw() error { return syscall.Kill(-n.p.PID(), syscall.SIGCONT) }

// Kill ends it, its worker too.
func (n *Nginx) Kill() {
	if n.p != nil {
		n.p.Stop()
	}
}
