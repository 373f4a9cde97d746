package dns

import (
	"context"
	"fmt"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/alidns"

	"roomshift/aliyun"
)

// record is one record as the provider holds it. weight is 0 where the provider doesn't say.
type record struct {
	id, zone, rr, kind, line, value string
	ttl, priority                   int64
	weight                          int
	enabled, locked                 bool
}

// kindOnLine is where a weight switch stands: for one type on one line.
type kindOnLine struct{ kind, line string }

// domain is what is said of a zone.
type domain struct {
	minTTL  int64
	servers []string // its authorities' names
}

// api is what is asked of the provider: the SDK behind it is past its support, and another can take its place.
type api interface {
	records(ctx context.Context, name string) ([]record, error)
	switches(ctx context.Context, zone, rr string) (map[kindOnLine]bool, error)
	domain(ctx context.Context, zone string) (domain, error)
	setWeight(ctx context.Context, id string, weight int) error
	setEnabled(ctx context.Context, id string, on bool) error
	update(ctx context.Context, r record) error
}

// worker is one client of the SDK, which only one goroutine uses at a time.
type worker struct {
	client *Client
	lane   *aliyun.Lane
	sdk    *alidns.Client
	home   chan *worker // where it waits for the next request
}

var _ api = (*worker)(nil)

func newWorker(c *Client) (*worker, error) {
	w := &worker{client: c, lane: c.ali.Lane()}
	var err error
	if w.sdk, err = alidns.NewClientWithOptions("cn-hangzhou", w.lane.Config(), c.ali.Keys()); err != nil {
		return nil, err
	}
	w.sdk.Domain = c.ali.Host()
	return w, nil
}

// take waits for a worker of a pool.
func (c *Client) take(ctx context.Context, pool chan *worker) (*worker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case w := <-pool:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) give(w *worker) { w.home <- w }

// call makes one call of the API; read is it for what only reads.
func (w *worker) call(ctx context.Context, act string, do func() error) error {
	return w.lane.Call(ctx, act, do)
}

func (w *worker) read(ctx context.Context, act string, do func() error) error {
	return w.lane.Read(ctx, act, do)
}

// pageSize is what both listings take at most.
const pageSize = 100

// records lists every record of a name, all pages. A total that isn't reached is an error. An apex is asked for by its zone: without
// that the provider takes the name's first label for a host.
func (w *worker) records(ctx context.Context, name string) ([]record, error) {
	found, err := w.recordsIn(ctx, name, "")
	if err == nil && len(found) > 0 {
		return found, nil
	}
	if err != nil && aliyun.CodeOf(err) != "InvalidDomainName.NoExist" && aliyun.CodeOf(err) != "InvalidRR.NoExist" {
		return nil, err
	}
	apex, err2 := w.recordsIn(ctx, name, name)
	switch {
	case err2 == nil && len(apex) > 0:
		return apex, nil
	case err != nil:
		return nil, err
	case err2 != nil && aliyun.CodeOf(err2) != "InvalidDomainName.NoExist":
		return nil, err2
	}
	return nil, nil
}

func (w *worker) recordsIn(ctx context.Context, name, zone string) ([]record, error) {
	act := "list the records of " + name
	var out []record
	for page := 1; ; page++ {
		q := alidns.CreateDescribeSubDomainRecordsRequest()
		q.SubDomain, q.DomainName = name, zone
		q.PageNumber, q.PageSize = requests.NewInteger(page), requests.NewInteger(pageSize)
		var a *alidns.DescribeSubDomainRecordsResponse
		if err := w.read(ctx, act, func() (err error) { a, err = w.sdk.DescribeSubDomainRecords(q); return err }); err != nil {
			return nil, err
		}
		for i := range a.DomainRecords.Record {
			r := &a.DomainRecords.Record[i]
			out = append(out, record{id: r.RecordId, zone: r.DomainName, rr: r.RR, kind: r.Type, line: r.Line, value: r.Value, ttl: r.TTL,
				priority: r.Priority, weight: r.Weight, enabled: isEnabled(r.Status), locked: r.Locked})
		}
		if done, err := w.lastPage(act, len(out), len(a.DomainRecords.Record), int(a.TotalCount)); done || err != nil {
			return out, err
		}
	}
}

// lastPage tells whether a listing is whole. One that ends before its total is an error, never a shorter list.
func (w *worker) lastPage(act string, have, got, total int) (bool, error) {
	switch {
	case have == total:
		return true, nil
	case got == 0 || have > total:
		return true, fmt.Errorf("%s at %s: %d of %d were listed: somebody changed them meanwhile, or the listing is cut; read again", act, w.client.name, have, total)
	}
	return false, nil
}

func isEnabled(status string) bool {
	return status == "ENABLE" || status == "Enable" || status == "enable"
}

// switches tells for which types and lines of a host the weights are on. What isn't listed isn't in the map.
func (w *worker) switches(ctx context.Context, zone, rr string) (map[kindOnLine]bool, error) {
	act := "list the weight switches of " + rr + "." + zone
	on := map[kindOnLine]bool{}
	have := 0
	for page := 1; ; page++ {
		q := alidns.CreateDescribeDNSSLBSubDomainsRequest()
		q.DomainName, q.Rr = zone, rr
		q.PageNumber, q.PageSize = requests.NewInteger(page), requests.NewInteger(pageSize)
		var a *alidns.DescribeDNSSLBSubDomainsResponse
		if err := w.read(ctx, act, func() (err error) { a, err = w.sdk.DescribeDNSSLBSubDomains(q); return err }); err != nil {
			return nil, err
		}
		for _, s := range a.SlbSubDomains.SlbSubDomain {
			if !isHost(s.SubDomain, rr, zone) { // Rr is a filter that older servers don't know
				continue
			}
			on[kindOnLine{s.Type, ""}] = s.Open
			for _, l := range s.LineAlgorithms.LineAlgorithm {
				on[kindOnLine{s.Type, l.Line}] = l.Open
			}
		}
		have += len(a.SlbSubDomains.SlbSubDomain)
		if done, err := w.lastPage(act, have, len(a.SlbSubDomains.SlbSubDomain), int(a.TotalCount)); done || err != nil {
			return on, err
		}
	}
}

func (w *worker) domain(ctx context.Context, zone string) (domain, error) {
	q := alidns.CreateDescribeDomainInfoRequest()
	q.DomainName = zone
	var a *alidns.DescribeDomainInfoResponse
	err := w.read(ctx, "read the domain "+zone, func() (err error) { a, err = w.sdk.DescribeDomainInfo(q); return err })
	if err != nil {
		return domain{}, err
	}
	return domain{minTTL: a.MinTtl, servers: a.DnsServers.DnsServer}, nil
}

func (w *worker) setWeight(ctx context.Context, id string, weight int) error {
	q := alidns.CreateUpdateDNSSLBWeightRequest()
	q.RecordId, q.Weight = id, requests.NewInteger(weight)
	return w.call(ctx, "set the weight of record "+id, func() error { _, err := w.sdk.UpdateDNSSLBWeight(q); return err })
}

func (w *worker) setEnabled(ctx context.Context, id string, on bool) error {
	q := alidns.CreateSetDomainRecordStatusRequest()
	q.RecordId, q.Status = id, "Disable"
	if on {
		q.Status = "Enable"
	}
	return w.call(ctx, "set record "+id+" to "+q.Status, func() error { _, err := w.sdk.SetDomainRecordStatus(q); return err })
}

// update writes every field of a record: what is left out gets a default, 600 s for the TTL.
func (w *worker) update(ctx context.Context, r record) error {
	q := alidns.CreateUpdateDomainRecordRequest()
	q.RecordId, q.RR, q.Type, q.Value, q.Line = r.id, r.rr, r.kind, r.value, r.line
	q.TTL = requests.NewInteger64(r.ttl)
	return w.call(ctx, "set the TTL of record "+r.id, func() error { _, err := w.sdk.UpdateDomainRecord(q); return err })
}
