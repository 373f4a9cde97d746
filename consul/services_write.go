package consul

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// Write writes what is the catalog's in one transaction, which begins with check-session on the lock: for each instance a compare-and-set
// of its weight, and of the check that keeps traffic from it where that comes or goes. All of it is carried out, or nothing is. Instances
// of agents are written through these, side by side (see writeAgents).
//
// More requests, each at most once for a service and only to read: its listing where what a change is to be made over isn't what was
// seen last, and its listing again where the transaction was rolled back.
func (s *Services) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	w := &servicesWrite{s: s, fence: f, changes: changes, outs: make([]cutover.Outcome, len(changes)), of: make([]*serviceInstance, len(changes))}
	if err := w.prepare(); err != nil {
		w.failAll(err)
		return w.outs
	}
	w.look(ctx)
	if !w.refuse() {
		w.writeAgents(ctx)
		w.writeCatalog(ctx)
	}
	return w.outs
}

// servicesWrite is one request of a plane at work.
type servicesWrite struct {
	s       *Services
	fence   cutover.Fence
	changes []cutover.Change
	of      []*serviceInstance // what each change is made over
	outs    []cutover.Outcome
	settled []bool
}

func (w *servicesWrite) failAll(err error) {
	for i := range w.outs {
		w.outs[i] = failed(err)
	}
}

func (w *servicesWrite) settle(i int, o cutover.Outcome) {
	o.Err = w.s.client.clean(o.Err)
	w.outs[i], w.settled[i] = o, true
}

func (w *servicesWrite) service(i int) string { return w.s.seats[w.changes[i].Seat].Service }

// prepare checks the changes without asking anybody.
func (w *servicesWrite) prepare() error {
	s := w.s
	w.settled = make([]bool, len(w.changes))
	switch {
	case s.bad != nil:
		return s.bad
	case len(w.changes) > s.maxChanges():
		return fmt.Errorf("%d changes in one request to consul of %s, want at most %d: not sent", len(w.changes), s.client.name, s.maxChanges())
	case w.fence.Session == "" || w.fence.Key == "":
		return fmt.Errorf("write to consul of %s without the session and key of its lock: %w", s.client.name, cutover.ErrLeaseLost)
	}
	seen := map[string]bool{}
	for _, c := range w.changes {
		if _, ok := s.seats[c.Seat]; !ok || seen[c.Object] {
			return fmt.Errorf("%s isn't one of plane %s, or is written twice in one request: not sent", c.Object, s.plane)
		}
		seen[c.Object] = true
		if _, err := stateOf(c.After); err != nil {
			return fmt.Errorf("%s would hold %w: not sent", c.Object, err)
		}
	}
	return nil
}

// look finds what each change is to be made over: what was seen last if that is the version that the change was made from, else what a
// listing says now. What holds something else is settled by that.
func (w *servicesWrite) look(ctx context.Context) {
	var stale []int
	for i, c := range w.changes {
		f, known := factsOf(c.Version)
		last := w.s.last(w.service(i), c.Object)
		// What a transaction can't compare must be seen now.
		if !known || last == nil || f != last.facts() || f.dropped != "" && f.owner == OwnedByCatalog {
			stale = append(stale, i)
			continue
		}
		w.of[i] = last
	}
	w.list(ctx, stale, func(i int, found *serviceInstance, err error) {
		if err != nil {
			w.settle(i, failed(fmt.Errorf("not sent: %w", err)))
			return
		}
		w.of[i] = found
		if found != nil && found.owner == OwnedByAgent {
			return // the agent is asked
		}
		if o := w.compare(i, found); o.What != cutover.Failed {
			w.settle(i, o)
		}
	})
}

// list lists the services of these changes, each once, and hands over what each instance is; nil: it isn't there.
func (w *servicesWrite) list(ctx context.Context, of []int, then func(i int, found *serviceInstance, err error)) {
	lists, errs := map[string]map[string]*serviceInstance{}, map[string]error{}
	for _, i := range of {
		service := w.service(i)
		if lists[service] == nil && errs[service] == nil {
			lists[service], _, errs[service] = w.s.list(ctx, service, 0)
		}
		then(i, lists[service][w.changes[i].Object], errs[service])
	}
}

// compare says what an instance that was read means for a change. Failed: it holds Before, in the version that is said.
func (w *servicesWrite) compare(i int, found *serviceInstance) cutover.Outcome {
	c, name := w.changes[i], w.s.client.name
	if found == nil {
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: fmt.Errorf("%s isn't in consul of %s any more", c.Object, name)}
	}
	o := cutover.Outcome{What: cutover.Foreign, Found: w.s.value(found), Version: found.facts().String()}
	switch o.Found {
	case c.After:
		o.What, o.Found = cutover.Done, ""
	case c.Before:
		o.What, o.Err = cutover.Failed, fmt.Errorf("%s in consul of %s holds %s as before, in a newer version", c.Object, name, c.Before)
	default:
		o.Err = fmt.Errorf("%s in consul of %s holds %s, want %s before %s is written", c.Object, name, o.Found, c.Before, c.After)
	}
	return o
}

// refuse settles what can't be written, and tells whether nothing is sent: if one is foreign by now the others are failed, as in a
// transaction that was rolled back.
func (w *servicesWrite) refuse() bool {
	foreign := ""
	for i, c := range w.changes {
		switch {
		case !w.settled[i]:
			if err := w.s.refusal(c, w.of[i].facts()); err != nil {
				w.settle(i, failed(fmt.Errorf("not sent: %w", err)))
			}
		case w.outs[i].What == cutover.Foreign:
			foreign = c.Object
		}
	}
	if foreign == "" {
		return false
	}
	for i, c := range w.changes {
		if !w.settled[i] {
			w.settle(i, failed(fmt.Errorf("%s: not sent beside %s, which is foreign", c.Object, foreign)))
		}
	}
	return true
}

// open are the changes of instances of this owner that aren't settled.
func (w *servicesWrite) open(owner Owner) []int {
	var of []int
	for i := range w.changes {
		if !w.settled[i] && w.of[i].owner == owner {
			of = append(of, i)
		}
	}
	return of
}

// op is one operation of the transaction: of which change, and whether the answer has a result of it.
type op struct {
	change  int
	answers bool
}

// writeCatalog sends the transaction.
func (w *servicesWrite) writeCatalog(ctx context.Context) {
	send := w.open(OwnedByCatalog)
	if len(send) == 0 {
		return
	}
	c := w.s.client
	ops := []serviceOp{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: w.fence.Key, Session: w.fence.Session}}}
	at := []op{{}} // check-session has no result
	for _, i := range send {
		for _, o := range w.opsOf(i) {
			ops = append(ops, o)
			at = append(at, op{i, o.Check == nil || o.Check.Verb != api.CheckDeleteCAS})
		}
	}
	act := "write " + w.changes[send[0]].Object
	if len(send) > 1 {
		act = fmt.Sprintf("write %d instances", len(send))
	}
	answer, ok, what, retry, err := c.serviceTxn(ctx, act, ops)
	switch {
	case err != nil:
		for _, i := range send {
			w.settle(i, cutover.Outcome{What: what, RetryAfter: retry, Err: err})
		}
	case !ok:
		w.rolledBack(ctx, send, at, answer.Errors)
	default:
		w.carriedOut(send, at, answer.Results)
	}
}

// opsOf are a change's operations. A weight is compared and set. What only brings a check or takes it away compares the weight as well, so
// that it is made over the version that was seen; and where it brings one, the weight is set to another and back within the transaction,
// which moves the index, so that an older write of the weight that is still on its way can't come after it.
func (w *servicesWrite) opsOf(i int) []serviceOp {
	was, now := w.of[i], w.after(i)
	var ops []serviceOp
	set := func(verb api.ServiceOp, service api.AgentService) {
		ops = append(ops, serviceOp{Service: &api.ServiceTxnOp{Verb: verb, Node: was.node, Service: service}})
	}
	switch {
	case was.dropped != "":
	case now.drained != 0 && was.drained == 0 && now.service.Weights == was.service.Weights:
		other := now.service
		other.Weights.Passing = other.Weights.Passing%65535 + 1
		set(api.ServiceCAS, other)
		set(api.ServiceSet, now.service)
	default:
		set(api.ServiceCAS, now.service)
	}
	check := drainOp{Verb: api.CheckCAS, Check: drain{Node: was.node, CheckID: drainCheck + was.service.ID, Name: "roomshift", Notes: drainNotes,
		Status: api.HealthCritical, ServiceID: was.service.ID, ServiceName: was.service.Service, ModifyIndex: was.drained,
		Namespace: was.service.Namespace, Partition: was.service.Partition}}
	switch {
	case now.drained != 0:
		ops = append(ops, serviceOp{Check: &check})
	case was.drained != 0:
		check.Verb = api.CheckDeleteCAS
		ops = append(ops, serviceOp{Check: &check})
	}
	return ops
}

// after is the instance as the change would leave it, but for its indexes. One that is to get no traffic has the index of the check that is
// there, or 1.
func (w *servicesWrite) after(i int) *serviceInstance {
	now := *w.of[i]
	st, _ := stateOf(w.changes[i].After) // prepare has looked at it
	if st.weight > 0 {
		now.service.Weights.Passing = st.weight
	}
	now.drained = 0
	if st.out {
		now.drained = max(1, w.of[i].drained)
	}
	return &now
}

// carriedOut takes the new versions out of the answer, which has the results in the order of the operations, but for what was deleted.
func (w *servicesWrite) carriedOut(send []int, at []op, results api.TxnResults) {
	results = slices.DeleteFunc(slices.Clone(results), func(r *api.TxnResult) bool { return r == nil || r.Service == nil && r.Check == nil })
	now, bad := map[int]*serviceInstance{}, map[int]bool{}
	for _, i := range send {
		now[i] = w.after(i)
	}
	for _, o := range at {
		if !o.answers {
			continue
		}
		bad[o.change] = bad[o.change] || len(results) == 0 || !now[o.change].became(results[0])
		results = results[min(1, len(results)):]
	}
	for _, i := range send {
		c := w.changes[i]
		if bad[i] { // carried out, but this answer can't be used for the next compare-and-set
			w.settle(i, cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("%s in consul of %s: %w: the answer lacks its index",
				c.Object, w.s.client.name, cutover.ErrOutcomeUnknown)})
			continue
		}
		w.s.remember(w.service(i), now[i])
		w.settle(i, cutover.Outcome{What: cutover.Done, Version: now[i].facts().String()})
	}
}

// became takes an index out of a result. False: it is no result of this instance.
func (i *serviceInstance) became(r *api.TxnResult) bool {
	switch {
	case r.Service != nil && r.Service.ID == i.service.ID && r.Service.ModifyIndex != 0:
		i.service.ModifyIndex = r.Service.ModifyIndex
	case r.Check != nil && r.Check.CheckID == drainCheck+i.service.ID && r.Check.ModifyIndex != 0:
		i.drained = r.Check.ModifyIndex
	default:
		return false
	}
	return true
}

// rolledBack: nothing was written. Says of each change why.
func (w *servicesWrite) rolledBack(ctx context.Context, send []int, at []op, errs api.TxnErrors) {
	c := w.s.client
	why := map[int]string{}
	for _, e := range errs {
		switch {
		case e.OpIndex == 0 && permissionDenied(e.What):
			w.fail(send, c.forbidden(w.fence.Key, "read"))
			return
		case e.OpIndex == 0:
			w.fail(send, fmt.Errorf("consul of %s: %w: %s", c.name, cutover.ErrLeaseLost, e.What))
			return
		case e.OpIndex >= len(at):
		case permissionDenied(e.What):
			service := w.service(at[e.OpIndex].change)
			w.fail(send, c.serviceRight(fmt.Errorf("write instances of %s in consul of %s: %w", service, c.name, ErrForbidden), service, "write"))
			return
		default:
			why[at[e.OpIndex].change] = e.What
		}
	}
	w.list(ctx, send, func(i int, found *serviceInstance, err error) {
		if err != nil {
			w.settle(i, failed(fmt.Errorf("rolled back (%s), and what is there can't be read: %w", firstOf(errs), err)))
			return
		}
		o := w.compare(i, found)
		if o.What == cutover.Failed && why[i] == "" {
			o.Err = fmt.Errorf("%s: rolled back beside another: %s", w.changes[i].Object, firstOf(errs))
		}
		w.settle(i, o)
	})
}

func (w *servicesWrite) fail(send []int, err error) {
	for _, i := range send {
		w.settle(i, failed(err))
	}
}
