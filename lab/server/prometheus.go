package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// PrometheusOptions says what a Prometheus scrapes and how it is reached. The zero value scrapes nothing, over plain HTTP.
type PrometheusOptions struct {
	Scrape  time.Duration // 0: 1 s
	Targets []Target
	// Discovered is a file of targets as file_sd reads it; "": none. Its targets come and go with what is written there.
	Discovered string
	Rules      string // text of a file of rules; "": none
	// CertFile and KeyFile make it answer over TLS; CAFile is what its readiness is asked with. All or none.
	CertFile, KeyFile, CAFile string
	// Users maps a user's name to the bcrypt hash of the password; User and Password are one of them, for readiness.
	Users          map[string]string
	User, Password string
	// Flags are appended to the command line.
	Flags []string
}

// Target is one address that is scraped, as the job Job, with Labels on each of its series.
type Target struct {
	Job, Addr string // Addr is host:port; its metrics are at /metrics
	Labels    map[string]string
	Scrape    time.Duration // 0: as the others
}

// Prometheus is one Prometheus server.
type Prometheus struct {
	Addr string // "http://127.0.0.1:port"
	dir  string
	port int
	o    PrometheusOptions
	p    *Process
}

// StartPrometheus starts one in dir, which must exist, and waits until it answers. Its first sample comes some 5 s later:
// Prometheus waits that long before it looks at its targets.
func StartPrometheus(ctx context.Context, dir string, o PrometheusOptions) (*Prometheus, error) {
	if o.Scrape == 0 {
		o.Scrape = time.Second
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if o.CertFile != "" {
		scheme = "https"
	}
	pr := &Prometheus{Addr: fmt.Sprintf("%s://127.0.0.1:%d", scheme, ports[0]), dir: dir, port: ports[0], o: o}
	for name, text := range map[string]string{"prometheus.yml": o.config(), "web.yml": o.web(), "rules.yml": o.Rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return pr, pr.Start(ctx)
}

// Start starts it again after Stop or Kill, at the same address and with the data it had.
func (pr *Prometheus) Start(ctx context.Context) error {
	program, err := Find("prometheus")
	if err != nil {
		return err
	}
	argv := append([]string{
		program, "--config.file=" + filepath.Join(pr.dir, "prometheus.yml"), "--web.config.file=" + filepath.Join(pr.dir, "web.yml"),
		"--storage.tsdb.path=" + filepath.Join(pr.dir, "data"), "--log.level=warn",
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", pr.port),
	}, pr.o.Flags...)
	if pr.p, err = Start("prometheus", filepath.Join(pr.dir, "log"), argv...); err != nil {
		return err
	}
	client, err := pr.client()
	if err == nil {
		err = pr.p.Await(ctx, func(ctx context.Context) error { return pr.ready(ctx, client) })
	}
	if err != nil {
		pr.p.Kill()
	}
	return err
}

func (pr *Prometheus) client() (*http.Client, error) {
	tr := &http.Transport{DisableKeepAlives: true}
	if pr.o.CAFile != "" {
		pem, err := os.ReadFile(pr.o.CAFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", pr.o.CAFile)
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: tr, Timeout: time.Second}, nil
}

func (pr *Prometheus) ready(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, pr.Addr+"/-/ready", nil)
	if err != nil {
		return err
	}
	if pr.o.User != "" {
		req.SetBasicAuth(pr.o.User, pr.o.Password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/-/ready says %s", resp.Status)
	}
	if !pr.p.Owns(pr.port) {
		return fmt.Errorf("port %d belongs to another program", pr.port)
	}
	return nil
}

// PID is the server's process.
func (pr *Prometheus) PID() int { return pr.p.PID() }

// Ended tells whether the server has ended.
func (pr *Prometheus) Ended() bool { return pr.p.Ended() }

// Stop ends it in good order; Start brings it back.
func (pr *Prometheus) Stop() { pr.p.Stop() }

// Kill ends it at once.
func (pr *Prometheus) Kill() { pr.p.Kill() }

// Freeze stops the process without ending it: requests hang. Thaw lets it go on.
func (pr *Prometheus) Freeze() error { return pr.p.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (pr *Prometheus) Thaw() error { return pr.p.Signal(syscall.SIGCONT) }

// config is prometheus.yml. Prometheus holds scrape timeouts to the interval.
func (o PrometheusOptions) config() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "global:\n  scrape_interval: %s\n  scrape_timeout: %s\n", ms(o.Scrape), ms(o.Scrape))
	if o.Rules != "" {
		b.WriteString("rule_files: [rules.yml]\n")
	}
	b.WriteString("scrape_configs:\n")
	if o.Discovered != "" {
		fmt.Fprintf(b, "- job_name: discovered\n  file_sd_configs:\n  - files: [%q]\n", o.Discovered)
	}
	for i, t := range o.Targets {
		// One scrape config per target: several targets of a job may then carry different labels in a fixed order.
		fmt.Fprintf(b, "- job_name: %q\n", fmt.Sprintf("%s-%d", t.Job, i))
		if t.Scrape > 0 {
			fmt.Fprintf(b, "  scrape_interval: %s\n", ms(t.Scrape))
		}
		fmt.Fprintf(b, "  static_configs:\n  - targets: [%q]\n    labels:\n      job: %q\n", t.Addr, t.Job)
		names := make([]string, 0, len(t.Labels))
		for name := range t.Labels {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(b, "      %s: %q\n", name, t.Labels[name])
		}
	}
	return b.String()
}

// web is the file that TLS and users stand in.
func (o PrometheusOptions) web() string {
	b := &strings.Builder{}
	if o.CertFile != "" {
		fmt.Fprintf(b, "tls_server_config: {cert_file: %q, key_file: %q}\n", o.CertFile, o.KeyFile)
	}
	if len(o.Users) > 0 {
		b.WriteString("basic_auth_users:\n")
		names := make([]string, 0, len(o.Users))
		for name := range o.Users {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(b, "  %s: %q\n", name, o.Users[name])
		}
	}
	return b.String()
}

// ms writes d as Prometheus reads it.
func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
