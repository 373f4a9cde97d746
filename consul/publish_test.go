package consul_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// publication is one of a service that no other test has.
func publication(service, room string, port int, epoch, seq int64) consul.Publication {
	return consul.Publication{Service: service, Pair: "feed-db", Room: room, Host: "127.0.0.1", Port: port, Epoch: epoch, Seq: seq}
}

// catalog is the only instance of a service, nil if there is none.
func catalog(t *testing.T, service string) *api.CatalogService {
	t.Helper()
	all, _, err := management(t).Catalog().Service(service, "", &api.QueryOptions{RequireConsistent: true})
	if err != nil || len(all) > 1 {
		t.Fatalf("%d instances of %s: %v", len(all), service, err)
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// TestPublish: what is published says who the writer is, and never goes back; to publish it again is nothing.
func TestPublish(t *testing.T) {
	service := "mesh-" + unique()
	setRules(t, rules+strings.Join(consul.PublishPolicy(service), "\n"))
	c := client(t, "", nil)
	says := func(when string, room string, port int, epoch, seq int64) uint64 {
		t.Helper()
		s := catalog(t, service)
		if s == nil {
			t.Fatalf("%s: nothing is published", when)
		}
		if s.ServicePort != port || s.ServiceAddress != "127.0.0.1" || fmt.Sprint(s.ServiceTags) != fmt.Sprintf("[writer %s]", room) || s.ServiceMeta["room"] != room ||
			s.ServiceMeta["epoch"] != fmt.Sprint(epoch) || s.ServiceMeta["seq"] != fmt.Sprint(seq) {
			t.Errorf("%s: %s:%d %v %v; want %s, port %d, epoch %d, seq %d", when, s.ServiceAddress, s.ServicePort, s.ServiceTags, s.ServiceMeta, room, port, epoch, seq)
		}
		return s.ModifyIndex
	}
	must := func(p consul.Publication) {
		t.Helper()
		if err := c.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	must(publication(service, "home", 1, 2, 5))
	index := says("first", "home", 1, 2, 5)
	must(publication(service, "home", 1, 2, 5))
	must(publication(service, "cloud", 2, 2, 4))
	must(publication(service, "cloud", 2, 1, 9))
	if again := says("the same, and older ones", "home", 1, 2, 5); again != index {
		t.Errorf("something was written: index %d, and it was %d", again, index)
	}
	must(publication(service, "cloud", 2, 3, 1))
	says("a later epoch", "cloud", 2, 3, 1)
	must(publication(service, "home", 1, 3, 2))
	says("a later number", "home", 1, 3, 2)
	if _, err := management(t).Catalog().Register(&api.CatalogRegistration{Node: service, Address: "127.0.0.1", SkipNodeUpdate: true, Service: &api.AgentService{
		ID: service, Service: service, Address: "127.0.0.1", Port: 99, Tags: []string{"writer", "home"},
		Meta: map[string]string{"roomshift-pair": "feed-db", "room": "home", "epoch": "3", "seq": "2"}}}, nil); err != nil {
		t.Fatal(err)
	}
	says("somebody wrote another port", "home", 99, 3, 2)
	must(publication(service, "home", 1, 3, 2))
	says("put right", "home", 1, 3, 2)
}

// TestPublishAtOnce: of many that publish at once, the newest is what stays, whatever the order in which they come.
func TestPublishAtOnce(t *testing.T) {
	service := "mesh-" + unique()
	setRules(t, rules+strings.Join(consul.PublishPolicy(service), "\n"))
	c := client(t, "", nil)
	const n = 12
	var done sync.WaitGroup
	for _, k := range rand.Perm(n) {
		done.Go(func() {
			for { // as the engine does
				if err := c.Publish(t.Context(), publication(service, "home", 100+k, 1, int64(k)+1)); err == nil {
					return
				} else if !strings.Contains(err.Error(), "meanwhile") {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	if s := catalog(t, service); s == nil || s.ServiceMeta["seq"] != fmt.Sprint(n) || s.ServicePort != 100+n-1 {
		t.Errorf("published in the end: %+v", s)
	}
}

// TestPublishLate: what was sent before and lands after a newer one changes nothing.
func TestPublishLate(t *testing.T) {
	service := "mesh-" + unique()
	setRules(t, rules+strings.Join(consul.PublishPolicy(service), "\n"))
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut })
	slow, quick := client(t, proxy.Addr(), nil), client(t, "", nil)
	held := proxy.Hold()
	late := make(chan error, 1)
	go func() {
		late <- slow.Publish(context.WithoutCancel(t.Context()), publication(service, "home", 1, 1, 1))
	}()
	held()
	if err := quick.Publish(t.Context(), publication(service, "cloud", 2, 2, 4)); err != nil {
		t.Fatal(err)
	}
	proxy.Release()
	if err := <-late; err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("the late one: %v", err)
	}
	if s := catalog(t, service); s.ServiceMeta["room"] != "cloud" || s.ServicePort != 2 {
		t.Errorf("a late publication went over a newer one: %+v", s)
	}
}

// TestPublishLost: an answer that is lost is unknown, and to publish again settles it; one that doesn't come is given up in time.
func TestPublishLost(t *testing.T) {
	service := "mesh-" + unique()
	setRules(t, rules+strings.Join(consul.PublishPolicy(service), "\n"))
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut })
	c := client(t, proxy.Addr(), func(c *consul.Config) { c.TimeOut = time.Second })
	proxy.CutAnswer()
	if err := c.Publish(t.Context(), publication(service, "home", 1, 1, 1)); !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("with the answer lost: %v", err)
	}
	if err := c.Publish(t.Context(), publication(service, "home", 1, 1, 1)); err != nil || catalog(t, service) == nil {
		t.Errorf("again: %v", err)
	}
	proxy.Stall()
	began := time.Now()
	err := c.Publish(t.Context(), publication(service, "cloud", 1, 2, 2))
	if !errors.Is(err, cutover.ErrOutcomeUnknown) || time.Since(began) > 20*time.Second {
		t.Errorf("with no answer, after %v: %v", time.Since(began), err)
	}
}

// TestPublishForbidden: with the rights that PublishPolicy names it works, without each of them it names them, and what isn't roomshift's
// is left alone.
func TestPublishForbidden(t *testing.T) {
	service := unique()
	c := client(t, "", nil)
	lines := consul.PublishPolicy(service)
	for i := range lines {
		left := strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "\n")
		setRules(t, rules+left)
		err := c.Publish(t.Context(), publication(service, "home", 1, 1, 1))
		if !errors.Is(err, consul.ErrForbidden) || !strings.Contains(err.Error(), lines[i]) {
			t.Errorf("without %s: %v", lines[i], err)
		}
		if s := catalog(t, service); s != nil {
			t.Errorf("without %s: %+v", lines[i], s)
		}
	}
	setRules(t, rules+strings.Join(lines, "\n"))
	if _, err := management(t).Catalog().Register(&api.CatalogRegistration{Node: unique(), Address: "127.0.0.1", Service: &api.AgentService{Service: service}}, nil); err != nil {
		t.Fatal(err)
	}
	setRules(t, rules+strings.Join(lines, "\n")+"\nnode_prefix \"\" { policy = \"read\" }")
	if err := c.Publish(t.Context(), publication(service, "home", 1, 1, 1)); !errors.Is(err, consul.ErrNotOurs) {
		t.Errorf("with somebody else's service of that name: %v", err)
	}
}
