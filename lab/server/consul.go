package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// ConsulOptions says what kind of Consul to start.
type ConsulOptions struct {
	Datacenter string  // "": dc1
	ACL        bool    // default deny; Consul.Management may do everything, Consul.Token what Rules say
	Rules      string  // ACL: the rules of Token's policy, in Consul's language
	TLS        bool    // HTTPS only, and only for clients with a certificate of its own authority
	Servers    int     // 0: 1
	Connect    bool    // its mesh is on: the discovery chain can be asked
	Primary    *Consul // federated with it, which keeps config entries; neither has ACLs
	WAN        bool    // others may be federated with it
}

// Consul is a Consul datacenter on loopback: servers only, with their data in a folder, so that it can be killed and started
// again as it was.
type Consul struct {
	Datacenter string
	Addr       string // of the first server: http://127.0.0.1:PORT, or https
	DNS        int    // its DNS port
	Nodes      []*ConsulNode

	Management, Token         string // ACL: secrets
	ManagementFile, TokenFile string // ACL: files that hold them
	CAFile, CertFile, KeyFile string // TLS: the authority, and a client's certificate

	program string
	options ConsulOptions
	client  *http.Client
}

// ConsulNode is one server of a Consul.
type ConsulNode struct {
	Name    string
	Addr    string
	HTTP    int // the port of HTTP, or of HTTPS
	DNS     int
	Process *Process

	dir             string
	serf, raft, wan int
}

// StartConsul starts a Consul whose files are in dir and waits until it can be written. Its ports are free ones.
func StartConsul(ctx context.Context, dir string, o ConsulOptions) (*Consul, error) {
	program, err := Find("consul")
	if err != nil {
		return nil, err
	}
	if o.Datacenter == "" {
		o.Datacenter = "dc1"
	}
	c := &Consul{Datacenter: o.Datacenter, program: program, options: o, client: http.DefaultClient}
	if o.TLS {
		if err := c.makeCertificates(dir); err != nil {
			return nil, fmt.Errorf("make certificates for consul: %w", err)
		}
	}
	// A port that was free may be taken by the time Consul binds it: then it ends at once, and other ports are tried.
	for range 3 {
		if err = c.startOnFreePorts(ctx, dir); err == nil {
			break
		}
		c.Kill()
		if ctx.Err() != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if o.ACL {
		if err := c.bootstrap(ctx, dir); err != nil {
			c.Kill()
			return nil, fmt.Errorf("set up consul's ACLs: %w", err)
		}
	}
	if err := c.Ready(ctx); err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

func (c *Consul) startOnFreePorts(ctx context.Context, dir string) error {
	n := max(1, c.options.Servers)
	ports, err := FreePorts(5 * n)
	if err != nil {
		return err
	}
	c.Nodes = nil
	for i := range n {
		scheme := "http"
		if c.options.TLS {
			scheme = "https"
		}
		node := &ConsulNode{Name: fmt.Sprintf("%s-%d", c.Datacenter, i), HTTP: ports[5*i], DNS: ports[5*i+1], serf: ports[5*i+2],
			raft: ports[5*i+3], wan: -1, dir: filepath.Join(dir, fmt.Sprintf("consul-%s-%d", c.Datacenter, i))}
		if c.options.WAN || c.options.Primary != nil {
			node.wan = ports[5*i+4]
		}
		node.Addr = fmt.Sprintf("%s://127.0.0.1:%d", scheme, node.HTTP)
		c.Nodes = append(c.Nodes, node)
	}
	c.Addr, c.DNS = c.Nodes[0].Addr, c.Nodes[0].DNS
	for _, node := range c.Nodes {
		if err := os.RemoveAll(node.dir); err != nil {
			return err
		}
		if err := c.writeConfig(node); err != nil {
			return err
		}
	}
	return c.Start(ctx)
}

// writeConfig writes a server's configuration. Unused services get port -1, so that many Consuls live side by side.
func (c *Consul) writeConfig(node *ConsulNode) error {
	if err := os.MkdirAll(node.dir, 0o700); err != nil {
		return err
	}
	ports := map[string]int{"http": node.HTTP, "https": -1, "dns": node.DNS, "server": node.raft, "serf_lan": node.serf,
		"serf_wan": node.wan, "grpc": -1}
	if c.options.TLS {
		ports["http"], ports["https"] = -1, node.HTTP
	}
	if c.atLeast(1, 14) {
		ports["grpc_tls"] = -1 // older ones refuse the name
	}
	var join []string
	for _, other := range c.Nodes {
		if other != node {
			join = append(join, fmt.Sprintf("127.0.0.1:%d", other.serf))
		}
	}
	config := map[string]any{
		"node_name": node.Name, "datacenter": c.Datacenter, "server": true, "bootstrap_expect": len(c.Nodes),
		"bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "data_dir": filepath.Join(node.dir, "data"), "ports": ports,
		"retry_join": join, "retry_interval": "200ms", "disable_update_check": true, "log_level": "warn",
		"performance": map[string]int{"raft_multiplier": 1},
	}
	if c.options.Connect {
		config["connect"] = map[string]any{"enabled": true}
	}
	if p := c.options.Primary; p != nil {
		config["primary_datacenter"] = p.Datacenter
		config["retry_join_wan"] = []string{fmt.Sprintf("127.0.0.1:%d", p.Nodes[0].wan)}
		config["retry_interval_wan"] = "200ms"
	}
	if c.options.ACL {
		config["acl"] = map[string]any{"enabled": true, "default_policy": "deny", "enable_token_persistence": true}
	}
	if c.options.TLS {
		config["ca_file"], config["verify_incoming_https"] = c.CAFile, true
		config["cert_file"], config["key_file"] = filepath.Join(filepath.Dir(c.CAFile), "server.pem"),
			filepath.Join(filepath.Dir(c.CAFile), "server.key")
	}
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(node.dir, "consul.json"), b, 0o600)
}

var consulVersion = regexp.MustCompile(`v(\d+)\.(\d+)`)

// atLeast tells whether the program is of this version or a later one.
func (c *Consul) atLeast(major, minor int) bool {
	out, err := exec.Command(c.program, "version").Output()
	m := consulVersion.FindSubmatch(out)
	if err != nil || m == nil {
		return false
	}
	a, _ := strconv.Atoi(string(m[1])) // digits by the expression
	b, _ := strconv.Atoi(string(m[2]))
	return a > major || a == major && b >= minor
}

// Start starts every server that doesn't run, with the data and ports it had, and waits until there is a leader.
func (c *Consul) Start(ctx context.Context) error {
	for _, node := range c.Nodes {
		if node.Process != nil && !node.Process.Ended() {
			continue
		}
		if err := c.launch(node); err != nil {
			return err
		}
	}
	for _, node := range c.Nodes {
		err := node.Process.Await(ctx, func(ctx context.Context) error {
			leader, err := c.leader(ctx, node)
			if err == nil && leader == "" {
				err = errors.New("no leader yet")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// launch starts a server's process.
func (c *Consul) launch(node *ConsulNode) (err error) {
	node.Process, err = Start("consul "+node.Name, filepath.Join(node.dir, "log"), c.program, "agent",
		"-config-file="+filepath.Join(node.dir, "consul.json"))
	return err
}

// Ready waits until every server can be written through and is in the catalog, which sessions need.
func (c *Consul) Ready(ctx context.Context) error {
	for _, node := range c.Nodes {
		err := node.Process.Await(ctx, func(ctx context.Context) error {
			var entry *struct{ Node struct{ Node string } }
			if err := c.call(ctx, node, "GET", "/v1/catalog/node/"+node.Name, c.Management, nil, &entry); err != nil {
				return err
			}
			if entry == nil || entry.Node.Node != node.Name {
				return fmt.Errorf("%s isn't in the catalog yet", node.Name)
			}
			return c.call(ctx, node, "PUT", "/v1/kv/ready/"+node.Name, c.Management, "yes", nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bootstrap makes the management token, gives it to the agents, and makes the token that Rules limit.
func (c *Consul) bootstrap(ctx context.Context, dir string) error {
	type token struct{ SecretID string }
	var management, limited token
	first := c.Nodes[0]
	err := first.Process.Await(ctx, func(ctx context.Context) error { // "ACL system is not enabled" until the leader has set it up
		return c.call(ctx, first, "PUT", "/v1/acl/bootstrap", "", nil, &management)
	})
	if err != nil {
		return err
	}
	c.Management = management.SecretID
	for _, node := range c.Nodes {
		err := node.Process.Await(ctx, func(ctx context.Context) error {
			return c.call(ctx, node, "PUT", "/v1/agent/token/agent", c.Management, map[string]string{"Token": c.Management}, nil)
		})
		if err != nil {
			return err
		}
	}
	policy := map[string]string{"Name": "roomshift", "Rules": c.options.Rules}
	if err := c.call(ctx, first, "PUT", "/v1/acl/policy", c.Management, policy, nil); err != nil {
		return err
	}
	what := map[string]any{"Description": "roomshift", "Policies": []map[string]string{{"Name": "roomshift"}}}
	if err := c.call(ctx, first, "PUT", "/v1/acl/token", c.Management, what, &limited); err != nil {
		return err
	}
	c.Token = limited.SecretID
	c.ManagementFile = filepath.Join(dir, "consul-"+c.Datacenter+"-management.token")
	c.TokenFile = filepath.Join(dir, "consul-"+c.Datacenter+".token")
	return errors.Join(os.WriteFile(c.ManagementFile, []byte(c.Management+"\n"), 0o600),
		os.WriteFile(c.TokenFile, []byte(c.Token+"\n"), 0o600))
}

// SetRules changes what Token may do.
func (c *Consul) SetRules(ctx context.Context, rules string) error {
	var policy struct{ ID string }
	if err := c.call(ctx, c.Nodes[0], "GET", "/v1/acl/policy/name/roomshift", c.Management, nil, &policy); err != nil {
		return err
	}
	what := map[string]string{"Name": "roomshift", "Rules": rules}
	return c.call(ctx, c.Nodes[0], "PUT", "/v1/acl/policy/"+policy.ID, c.Management, what, nil)
}

// call makes one request. in is sent as it is when it is a string, else as JSON; out may be nil.
func (c *Consul) call(ctx context.Context, node *ConsulNode, method, path, token string, in, out any) error {
	var body io.Reader
	switch v := in.(type) {
	case nil:
	case string:
		body = strings.NewReader(v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		body = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(ctx, method, node.Addr+path, body)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// Stop ends every server in an orderly way.
func (c *Consul) Stop() { c.each((*Process).Stop) }

// Kill ends every server as kill -9 does. Start brings it back with its data.
func (c *Consul) Kill() { c.each((*Process).Kill) }

// Freeze makes every server stand still: it holds its connections and answers nothing, until Thaw.
func (c *Consul) Freeze() error { return c.signal(syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (c *Consul) Thaw() error { return c.signal(syscall.SIGCONT) }

func (c *Consul) each(f func(*Process)) {
	for _, node := range c.Nodes {
		if node.Process != nil {
			f(node.Process)
		}
	}
	c.client.CloseIdleConnections()
}

func (c *Consul) signal(sig syscall.Signal) error {
	var errs []error
	for _, node := range c.Nodes {
		errs = append(errs, node.Process.Signal(sig))
	}
	return errors.Join(errs...)
}
