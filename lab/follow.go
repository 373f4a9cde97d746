package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"roomshift/cutover/writer"
)

// follower keeps up with the record of a pair's writer by blocking queries. What it knows never goes back: a record of an earlier epoch, or
// an earlier number of the same one, comes from a server that has fallen behind, or from a restored one, and is ignored; and one that isn't
// there any more leaves what is known.
type follower struct {
	url, token string
	client     *http.Client
	end        context.CancelFunc
	done       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	record *writer.Record
	news   chan struct{} // closed when record changes
}

// recordKey is the key of the lab's pair.
const recordKey = "roomshift/writer/" + Pair

// follow begins to follow the record in a Consul.
func follow(consul, token string) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{url: consul + "/v1/kv/" + recordKey, token: token, client: &http.Client{Transport: &http.Transport{}}, end: cancel, news: make(chan struct{})}
	f.done.Go(func() { changes(ctx, f.ask) })
	return f
}

// ask waits for a record that is newer than index, at most 10 s, and takes it. It returns the index to go on from.
func (f *follower) ask(ctx context.Context, index uint64) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?wait=10s&index=%d", f.url, index), http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Consul-Token", f.token)
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return 0, fmt.Errorf("consul: %s", resp.Status)
	}
	next, err := strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
	if err != nil || resp.StatusCode == http.StatusNotFound {
		return next, err
	}
	var entries []struct{ Value []byte }
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil || len(entries) != 1 {
		return 0, fmt.Errorf("%d entries at %s: %w", len(entries), recordKey, err)
	}
	r, err := writer.ParseRecord(entries[0].Value)
	if err != nil {
		return 0, err
	}
	f.take(r)
	return next, nil
}

// take makes a record the one that is known, if it is newer.
func (f *follower) take(r writer.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.record; old != nil && (r.Epoch < old.Epoch || r.Epoch == old.Epoch && r.Seq <= old.Seq) {
		return
	}
	f.record = &r
	close(f.news)
	f.news = make(chan struct{})
}

// writer is the room whose master takes writes, "" if there was no record yet, and what is closed when there is a newer record.
func (f *follower) writer() (room string, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.record != nil {
		room = f.record.Publishes()
	}
	return room, f.news
}

// forget is what a new start would do.
func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record = nil
}

func (f *follower) close() {
	f.end()
	f.done.Wait()
	f.client.CloseIdleConnections()
}

// Forget makes the lab forget who the writer was, beside its record: what the services know of that, as if they had been started anew, and
// what is published in both Consuls.
func (l *Lab) Forget(ctx context.Context) error {
	var errs []error
	for _, room := range rooms {
		l.services[room].record.forget()
		_, _, err := l.ask(ctx, http.MethodPut, room, "/v1/catalog/deregister", map[string]string{"Node": WriterService})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Followed is the room to which a room's service sends writes by the record of the writer, "" if it has seen none.
func (l *Lab) Followed(room string) string {
	to, _ := l.services[room].record.writer()
	return to
}

// followed says whom the services take for the writer, where a record says so.
func (l *Lab) followed() string {
	home, cloud := l.Followed(Home), l.Followed(Cloud)
	if home == "" && cloud == "" {
		return "; no record says who is the writer"
	}
	return fmt.Sprintf("; by the record the service of home writes to %s, the cloud's to %s", cmp.Or(home, "whom it finds"), cmp.Or(cloud, "whom it finds"))
}

// waited is false once ctx is over; before, it waits for news, or for a moment.
func waited(ctx context.Context, news <-chan struct{}, moment time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-news:
	case <-time.After(moment):
	}
	return true
}
