package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Publication is who takes the writes of a pair, for applications that ask the catalog or Consul's DNS and don't follow the record: a
// service with one instance, the writer's master, which has the tags "writer" and its room's name. It is derived from the pair's record,
// which alone decides; Epoch and Seq are the record's, and what is published never goes back behind them.
type Publication struct {
	Service    string // its name in the catalog; it stands on a node of the same name, which is no agent's
	Pair, Room string
	Host       string // of the master
	Port       int
	Epoch, Seq int64
}

// ErrNotOurs: a service of that name is in the catalog, and roomshift hasn't put it there.
var ErrNotOurs = errors.New("roomshift didn't publish it")

// The meta of a publication.
const (
	metaPair  = "roomshift-pair"
	metaRoom  = "room"
	metaEpoch = "epoch"
	metaSeq   = "seq"
)

// writerTag is the tag of every publication, as in writer.feed-db-writer.service.consul.
const writerTag = "writer"

// Publish brings the catalog of this Consul to say p, by two requests at most: a listing, and a transaction that compares with it. Nil: it
// says p now, or what is newer. An error but cutover.ErrOutcomeUnknown: nothing was written. It may be called again whenever it is in
// doubt: of two that publish at once the older one changes nothing.
func (c *Client) Publish(ctx context.Context, p Publication) error {
	act := fmt.Sprintf("publish the writer of %s as service %s", p.Pair, p.Service)
	old, err := c.published(ctx, act, p)
	if err != nil {
		return err
	}
	if old != nil && !p.newer(old) && (p.older(old) || p.same(old)) {
		return nil
	}
	index := uint64(0) // it must not be there
	if old != nil {
		index = old.ModifyIndex
	}
	body, err := json.Marshal(p.operations(index))
	if err != nil {
		return fmt.Errorf("%s: not sent: %w", act, err)
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	b, err := c.send(ctx, http.MethodPut, "/v1/txn", nil, body)
	if err == nil {
		return nil
	}
	if hasStatus(err, http.StatusConflict) {
		return p.refused(c, act, b)
	}
	_, err = c.judge(x, act, err)
	return err
}

// published is what is published now, nil if nothing is. The listing is the newest, not one of a server that has fallen behind.
func (c *Client) published(ctx context.Context, act string, p Publication) (*api.CatalogService, error) {
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	b, err := c.send(ctx, http.MethodGet, "/v1/catalog/service/"+url.PathEscape(p.Service), url.Values{"consistent": {""}}, nil)
	if err != nil {
		return nil, c.readError(x, act, err)
	}
	var all []*api.CatalogService
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, c.readError(x, act, err)
	}
	for _, s := range all {
		if s.Node != p.Service || s.ServiceID != p.Service || s.ServiceMeta[metaPair] != p.Pair {
			return nil, fmt.Errorf("%s in consul of %s: %w: instance %s on node %s; take it away, or publish under another name", act, c.name, ErrNotOurs, s.ServiceID, s.Node)
		}
		if _, _, err := stamp(s); err != nil {
			return nil, fmt.Errorf("%s in consul of %s: %w; take it away", act, c.name, err)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all[0], nil
}

// stamp is the epoch and number of the record that a publication says.
func stamp(s *api.CatalogService) (epoch, seq int64, err error) {
	epoch, err = strconv.ParseInt(s.ServiceMeta[metaEpoch], 10, 64)
	if err == nil {
		seq, err = strconv.ParseInt(s.ServiceMeta[metaSeq], 10, 64)
	}
	if err != nil {
		err = fmt.Errorf("epoch %q and seq %q in its meta aren't numbers", s.ServiceMeta[metaEpoch], s.ServiceMeta[metaSeq])
	}
	return epoch, seq, err
}

func (p Publication) newer(old *api.CatalogService) bool {
	epoch, seq, _ := stamp(old) // they were read
	return p.Epoch > epoch || p.Epoch == epoch && p.Seq > seq
}

func (p Publication) older(old *api.CatalogService) bool {
	epoch, seq, _ := stamp(old)
	return p.Epoch < epoch || p.Epoch == epoch && p.Seq < seq
}

// same: somebody may have changed it beside the record.
func (p Publication) same(old *api.CatalogService) bool {
	return old.ServiceAddress == p.Host && old.ServicePort == p.Port && slices.Equal(old.ServiceTags, p.tags()) && maps.Equal(old.ServiceMeta, p.meta())
}

func (p Publication) tags() []string { return []string{writerTag, p.Room} }

func (p Publication) meta() map[string]string {
	return map[string]string{metaPair: p.Pair, metaRoom: p.Room, metaEpoch: strconv.FormatInt(p.Epoch, 10), metaSeq: strconv.FormatInt(p.Seq, 10)}
}

// publishOp is an operation of the transaction, with no more fields than Consul 1.8 knows.
type publishOp struct {
	Node    *publishNode    `json:",omitempty"`
	Service *publishService `json:",omitempty"`
}

type publishNode struct {
	Verb string
	Node struct {
		Node, Address string
		Meta          map[string]string
	}
}

type publishService struct {
	Verb, Node string
	Service    struct {
		ID, Service, Address string
		Tags                 []string
		Port                 int
		Meta                 map[string]string
		ModifyIndex          uint64
	}
}

// operations make the node, which no agent answers for, and replace the instance that was seen at an index.
func (p Publication) operations(index uint64) []publishOp {
	node := &publishNode{Verb: string(api.NodeSet)}
	node.Node.Node, node.Node.Address, node.Node.Meta = p.Service, p.Host, map[string]string{"external-node": "true"}
	service := &publishService{Verb: string(api.ServiceCAS), Node: p.Service}
	s := &service.Service
	s.ID, s.Service, s.Address, s.Port, s.Tags, s.Meta, s.ModifyIndex = p.Service, p.Service, p.Host, p.Port, p.tags(), p.meta(), index
	return []publishOp{{Node: node}, {Service: service}}
}

// refused says why the transaction was rolled back.
func (p Publication) refused(c *Client, act string, body []byte) error {
	var answer api.TxnResponse
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Errors) == 0 {
		return fmt.Errorf("%s in consul of %s: rolled back", act, c.name)
	}
	for _, e := range answer.Errors {
		if permissionDenied(e.What) {
			return fmt.Errorf("%s in consul of %s: %w: the token's policy needs %s", act, c.name, ErrForbidden, strings.Join(PublishPolicy(p.Service), " "))
		}
	}
	return fmt.Errorf("%s in consul of %s: it changed meanwhile: %s", act, c.name, firstOf(answer.Errors))
}

// PublishPolicy is the least that roomshift's token must be allowed beside Policy, in Consul's language, to publish writers under these
// names.
func PublishPolicy(services ...string) []string {
	services = slices.Clone(services)
	slices.Sort(services)
	var lines []string
	for _, s := range slices.Compact(services) {
		lines = append(lines, fmt.Sprintf("service %q { policy = \"write\" }", s), fmt.Sprintf("node %q { policy = \"write\" }", s))
	}
	return lines
}
