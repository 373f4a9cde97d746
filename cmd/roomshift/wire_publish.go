package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// publisher publishes the writers of pairs in every room's Consul.
type publisher struct {
	pairs   map[string]publishedPair
	consuls []*consul.Client
}

// publishedPair is a pair that is published.
type publishedPair struct {
	service string
	record  movers.Keeper                         // read only
	addr    func(room cutover.Room) (addr string) // of its master
}

var _ cutover.Publisher = (*publisher)(nil)

// wirePublisher publishes the pairs for which rooms.yaml says a name.
func (r *realRooms) wirePublisher() error {
	p := &publisher{pairs: map[string]publishedPair{}}
	for i := range r.l.Rooms.Pairs {
		pair := &r.l.Rooms.Pairs[i]
		ring := r.rings[pair.Name]
		if pair.Publish == "" || ring == nil {
			continue
		}
		record, err := r.keeperOf(pair)
		if err != nil {
			return err
		}
		p.pairs[pair.Name] = publishedPair{service: pair.Publish, record: record, addr: ring.Addr}
	}
	if len(p.pairs) == 0 {
		return nil
	}
	for i := range r.l.Rooms.Rooms {
		if c := r.consuls[r.l.Rooms.Rooms[i].Name]; c != nil {
			p.consuls = append(p.consuls, c)
		}
	}
	r.world.Publisher = p
	return nil
}

// Publish asks every Consul at once: one that is away keeps nothing from the others.
func (p *publisher) Publish(ctx context.Context, pair string) error {
	of, ok := p.pairs[pair]
	if !ok {
		return nil
	}
	text, index, _, err := of.record.Look(ctx)
	if err != nil || index == 0 {
		return err
	}
	rec, err := writer.ParseRecord(text)
	if err != nil || rec.Phase != writer.Stable {
		return err
	}
	host, port, err := net.SplitHostPort(of.addr(rec.Writer))
	if err != nil {
		return fmt.Errorf("the master of %s in %s: %w", pair, rec.Writer, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("the master of %s in %s: port %q: %w", pair, rec.Writer, port, err)
	}
	said := consul.Publication{Service: of.service, Pair: pair, Room: rec.Writer, Host: host, Port: number, Epoch: rec.Epoch, Seq: rec.Seq}
	errs := make([]error, len(p.consuls))
	var done sync.WaitGroup
	for i, c := range p.consuls {
		done.Go(func() { errs[i] = c.Publish(ctx, said) })
	}
	done.Wait()
	return errors.Join(errs...)
}

// publishRights are the lines of a policy for what is published in every room's Consul.
func publishRights(rooms *runbooks.Rooms) []string {
	var services []string
	for i := range rooms.Pairs {
		if s := rooms.Pairs[i].Publish; s != "" {
			services = append(services, s)
		}
	}
	return consul.PublishPolicy(services...)
}
