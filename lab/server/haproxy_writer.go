package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// WriterProxy is a HAProxy that gives applications one address for the writer of a pair: it follows a service of one instance by Consul's
// DNS, as docs/applications.md says.
type WriterProxy struct {
	Addr string // host:port
	p    *Process
}

// writerProxyConfig is that of docs/applications.md.
const writerProxyConfig = `global
  maxconn 500
resolvers consul
  nameserver consul tcp@127.0.0.1:%d
  resolve_retries 3
  timeout resolve 200ms
  timeout retry   200ms
  hold valid      200ms
  hold obsolete   0s
  hold timeout    1h
  hold refused    1h
  hold other      1h
listen writer
  bind %s
  mode tcp
  timeout connect 2s
  timeout client  8h
  timeout server  8h
  server-template writer 2 _%s._tcp.service.consul resolvers consul resolve-prefer ipv4 init-addr none on-marked-down shutdown-sessions
`

// StartWriterProxy starts one in dir, which must exist. dns is the port of Consul's DNS. It may not know the writer yet.
func StartWriterProxy(ctx context.Context, dir string, dns int, service string) (*WriterProxy, error) {
	program, err := Find("haproxy")
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	w := &WriterProxy{Addr: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, writerProxyConfig, dns, w.Addr, service), 0o600); err != nil {
		return nil, err
	}
	if w.p, err = Start("haproxy", filepath.Join(dir, "haproxy.log"), program, "-db", "-f", file); err != nil {
		return nil, err
	}
	err = w.p.Await(ctx, func(ctx context.Context) error {
		if !w.p.Owns(ports[0]) {
			return fmt.Errorf("port %d isn't its own yet", ports[0])
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", w.Addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		w.p.Kill()
		return nil, err
	}
	return w, nil
}

// Kill ends it as kill -9 does.
func (w *WriterProxy) Kill() { w.p.Kill() }
