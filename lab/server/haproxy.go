package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// HAProxyOptions says which service's instances a HAProxy serves, and by which Consul's DNS it finds them and their weights.
type HAProxyOptions struct {
	DNS     int    // Consul's DNS port
	Service string // its name in Consul
	Slots   int    // how many instances it has room for; 0: 16
	Log     string // host:port by UDP: for each request "SERVER-ADDRESS STATUS"; "": no log
}

// HAProxy is one HAProxy that balances a service by the SRV weights of its instances.
type HAProxy struct {
	Addr  string // "http://127.0.0.1:port", where its clients come
	admin string // its runtime API
	p     *Process
}

// haproxyConfig resolves five times a second, so that a test sees at once what a minute's cache would hide. While Consul's DNS doesn't answer it
// goes on with what it knew, for longer than any test.
const haproxyConfig = `global
  maxconn 500
  stats socket ipv4@127.0.0.1:%d level admin
defaults
  mode http
  retries 0
%s  timeout connect 2s
  timeout client 10s
  timeout server 10s
resolvers consul
  nameserver consul tcp@127.0.0.1:%d
  accepted_payload_size 8192
  resolve_retries 3
  timeout resolve 200ms
  timeout retry 200ms
  hold valid 200ms
  hold obsolete 1s
  hold refused 1h
  hold timeout 1h
  hold other 1h
frontend in
  bind 127.0.0.1:%d
  default_backend app
backend app
  balance roundrobin
  server-template app %d _%s._tcp.service.consul resolvers consul resolve-prefer ipv4 init-addr none
`

// StartHAProxy starts one in dir, which must exist, and waits until it answers.
func StartHAProxy(ctx context.Context, dir string, o HAProxyOptions) (*HAProxy, error) {
	program, err := Find("haproxy")
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(2)
	if err != nil {
		return nil, err
	}
	if o.Slots == 0 {
		o.Slots = 16
	}
	file := filepath.Join(dir, "haproxy.cfg")
	log := ""
	if o.Log != "" {
		log = fmt.Sprintf("  log %s format raw local0\n  log-format \"%%si %%ST\"\n", o.Log)
	}
	text := fmt.Sprintf(haproxyConfig, ports[0], log, o.DNS, ports[1], o.Slots, o.Service)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	h := &HAProxy{Addr: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), admin: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	if h.p, err = Start("haproxy", filepath.Join(dir, "haproxy.log"), program, "-db", "-f", file); err != nil {
		return nil, err
	}
	err = h.p.Await(ctx, func(ctx context.Context) error {
		if !h.p.Owns(ports[0]) {
			return fmt.Errorf("port %d isn't its own yet", ports[0])
		}
		_, err := h.Weights(ctx)
		return err
	})
	if err != nil {
		h.p.Kill()
		return nil, err
	}
	return h, nil
}

// Weights are the weights by which it balances, 1 to 256, by the address of the instance; one that it gives nothing isn't there.
// It is what HAProxy itself says over its runtime API.
func (h *HAProxy) Weights(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", h.admin)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := fmt.Fprintln(conn, "show servers state app"); err != nil {
		return nil, err
	}
	weights, lines := map[string]int{}, bufio.NewScanner(conn)
	for seen := 0; lines.Scan(); seen++ {
		f := strings.Fields(lines.Text()) // be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight …
		if len(f) < 8 || seen < 2 {
			continue
		}
		weight, err := strconv.Atoi(f[7])
		admin, err2 := strconv.Atoi(f[6])
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("haproxy says %q", lines.Text())
		}
		const named = 0x40                                  // its address came from DNS; every other bit is a kind of maintenance
		if f[5] == "2" && admin&^named == 0 && weight > 0 { // 2: running
			weights[f[4]] = weight
		}
	}
	return weights, errors.Join(lines.Err())
}

// Freeze makes it stand still: it holds its connections and answers nothing, until Thaw.
func (h *HAProxy) Freeze() error { return h.p.Signal(syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (h *HAProxy) Thaw() error { return h.p.Signal(syscall.SIGCONT) }

// Kill ends it as kill -9 does.
func (h *HAProxy) Kill() { h.p.Kill() }
