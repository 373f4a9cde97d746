package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"roomshift/cutover"
)

// An agent's instance is written through the agent alone: it writes its own over whatever the catalog holds. Its checks and their state stay
// when it is registered anew with every other field as it was. No traffic is its maintenance mode, with a reason by which it is known
// to be ours.

// agentService is what an agent says of one of its services.
type agentService struct {
	AggregatedStatus string
	Service          map[string]json.RawMessage
	Checks           []struct{ Node, CheckID, Notes string }
}

// writeAgents writes the instances that agents own, side by side, and waits until the catalog shows them, which is where consumers read.
func (w *servicesWrite) writeAgents(ctx context.Context) {
	open := w.open(OwnedByAgent)
	var mu sync.Mutex
	var wrote []int
	var all sync.WaitGroup
	for _, i := range open {
		all.Go(func() {
			o, sent := w.writeAgent(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if sent {
				wrote = append(wrote, i)
				return
			}
			w.settle(i, o)
		})
	}
	all.Wait()
	w.awaitShown(ctx, wrote)
}

// writeAgent writes one instance. sent false: the outcome says what became of it.
func (w *servicesWrite) writeAgent(ctx context.Context, i int) (o cutover.Outcome, sent bool) {
	c, was := w.changes[i], w.of[i]
	found, err := w.s.askAgent(ctx, was)
	if err != nil {
		return failed(fmt.Errorf("not sent: %w", err)), false
	}
	if found == nil {
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: fmt.Errorf("%s isn't known to its agent any more", c.Object)}, false
	}
	is, others, err := found.state(was.service.ID)
	switch value := w.s.told(is).String(); {
	case err != nil:
		return failed(fmt.Errorf("not sent: %s: %w", c.Object, err)), false
	case value == c.After:
		return cutover.Outcome{}, true // the catalog may not show it yet
	case value != c.Before:
		return cutover.Outcome{What: cutover.Foreign, Found: value, Err: fmt.Errorf("%s: its agent holds %s, want %s before %s is written", c.Object, value, c.Before, c.After)}, false
	}
	after, _ := stateOf(c.After) // prepare has looked at it
	if after.out && others != "" {
		return failed(fmt.Errorf("%s: somebody has put it into maintenance (%s), and roomshift's would be lost in it: end that first", c.Object, shown(others))), false
	}
	o = w.s.changeAgent(ctx, was, found, is, after)
	return o, o.Err == nil
}

// changeAgent makes an agent's instance be so. An instance that gets traffic again gets its weight first, which nobody sees until then.
func (s *Services) changeAgent(ctx context.Context, i *serviceInstance, found *agentService, is, after serviceState) cutover.Outcome {
	if !after.out && after.weight != is.weight {
		body, err := found.with(after.weight)
		if err != nil {
			return failed(fmt.Errorf("%s: %w", i.object, err))
		}
		if o := s.putAgent(ctx, i, "/v1/agent/service/register", nil, body); o.Err != nil {
			return o
		}
	}
	if is.out == after.out {
		return cutover.Outcome{}
	}
	query := url.Values{"enable": {strconv.FormatBool(after.out)}, "reason": {drainNotes}}
	return s.putAgent(ctx, i, "/v1/agent/service/maintenance/"+i.service.ID, query, nil)
}

// state is what an agent holds of an instance, and the reason of a maintenance that isn't ours.
func (a *agentService) state(id string) (is serviceState, others string, err error) {
	var weights struct{ Passing int }
	if err := json.Unmarshal(a.Service["Weights"], &weights); err != nil || weights.Passing < 1 {
		return is, "", errors.New("its agent tells no weight of it")
	}
	is.weight = weights.Passing
	for _, c := range a.Checks {
		switch {
		case c.CheckID != maintained+id:
		case c.Notes == drainNotes:
			is.out = true
		case c.Notes == "":
			others = "no reason given"
		default:
			others = c.Notes
		}
	}
	return is, others, nil
}

// with is the registration of the same service with another weight.
func (a *agentService) with(weight int) ([]byte, error) {
	body := map[string]json.RawMessage{}
	for k, v := range a.Service {
		switch k {
		case "Service":
			body["Name"] = v
		case "ContentHash", "CreateIndex", "ModifyIndex", "Datacenter", "PeerName": // the server's own
		default:
			body[k] = v
		}
	}
	var weights map[string]json.RawMessage
	if err := json.Unmarshal(a.Service["Weights"], &weights); err != nil {
		return nil, err
	}
	weights["Passing"] = json.RawMessage(strconv.Itoa(weight))
	var err error
	if body["Weights"], err = json.Marshal(weights); err != nil {
		return nil, err
	}
	return json.Marshal(body)
}

// agentOf is host:port of an instance's agent.
func (s *Services) agentOf(i *serviceInstance) string {
	return net.JoinHostPort(i.host, strconv.Itoa(s.o.AgentsPort))
}

// askAgent asks an agent for one of its services, nil if it has none of this ID. It answers with the state of the checks as its status.
func (s *Services) askAgent(ctx context.Context, i *serviceInstance) (*agentService, error) {
	c := s.client
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	x.agent = s.agentOf(i)
	act := fmt.Sprintf("ask the agent of %s at %s for %s", i.node, x.agent, i.service.ID)
	b, err := c.send(ctx, http.MethodGet, "/v1/agent/health/service/id/"+i.service.ID, nil, nil)
	var a agentService
	if bad := json.Unmarshal(b, &a); bad != nil || a.AggregatedStatus == "" { // what it says of a service that is critical comes with 503
		return nil, c.serviceRight(c.readError(x, act, cmp.Or(err, bad, errors.New("this is no answer of an agent"))), i.service.Service, "write")
	}
	if a.Service == nil {
		return nil, nil
	}
	for _, check := range a.Checks {
		if check.Node != "" && check.Node != i.node {
			return nil, fmt.Errorf("%s: the agent that answers there is %s's", act, check.Node)
		}
	}
	return &a, nil
}

// putAgent is one writing request to an agent. An outcome without an error: the agent has taken it.
func (s *Services) putAgent(ctx context.Context, i *serviceInstance, path string, query url.Values, body []byte) cutover.Outcome {
	c := s.client
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	x.agent = s.agentOf(i)
	_, err := c.send(ctx, http.MethodPut, path, query, body)
	if err == nil {
		return cutover.Outcome{}
	}
	var o cutover.Outcome
	o.What, err = c.judge(x, fmt.Sprintf("write %s through its agent at %s", i.object, x.agent), err)
	o.RetryAfter, o.Err = x.retryAfter, c.serviceRight(err, i.service.Service, "write")
	return o
}

// awaitShown settles what agents have taken once the catalog shows it: agents tell it by themselves, within milliseconds. What it doesn't show
// in time is unknown. It is asked by queries that wait on its side.
func (w *servicesWrite) awaitShown(ctx context.Context, wrote []int) {
	ctx, cancel := context.WithTimeout(ctx, w.s.client.timeOut)
	defer cancel()
	by := map[string][]int{}
	for _, i := range wrote {
		by[w.service(i)] = append(by[w.service(i)], i)
	}
	for _, service := range sortedKeys(by) {
		open := by[service]
		for index := uint64(0); len(open) > 0; {
			found, at, err := w.s.list(ctx, service, index)
			if err != nil {
				w.notShown(open, err)
				break
			}
			index = max(1, at)
			var still []int
			for _, i := range open {
				now := found[w.changes[i].Object]
				if now == nil || w.s.value(now) != w.changes[i].After {
					still = append(still, i)
					continue
				}
				w.settle(i, cutover.Outcome{What: cutover.Done, Version: now.facts().String()})
			}
			open = still
		}
	}
}

func (w *servicesWrite) notShown(open []int, err error) {
	for _, i := range open {
		w.settle(i, cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("%s was taken by its agent, and the catalog doesn't show it: %w: %w",
			w.changes[i].Object, cutover.ErrOutcomeUnknown, err)})
	}
}
