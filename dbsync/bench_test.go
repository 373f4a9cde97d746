package dbsync

import (
	"testing"
	"time"
)

// BenchmarkHeartbeat is what one heartbeat costs on an idle ring: the write, both waits, and what travels with them.
func BenchmarkHeartbeat(b *testing.B) {
	heal(b)
	r := openLab(b, labPair())
	x, y, err := r.writer(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	put := 0
	s, err := r.newSession(b.Context(), WatchOptions{Every: time.Second, MaxAge: 5 * time.Second, Now: clock, Put: func(Reading) { put++ }}, x, y)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := x.conn(b.Context(), s.patience)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = conn.Close()
		s.onY.close()
		s.onX.close()
	}()
	b.ReportAllocs()
	for b.Loop() {
		onY, err := s.onY.take(b.Context(), s.patience)
		if err != nil {
			b.Fatal(err)
		}
		onX, err := s.onX.take(b.Context(), s.patience)
		if err != nil {
			b.Fatal(err)
		}
		h, err := s.write(b.Context(), conn)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.d.split(&h); err != nil {
			b.Fatal(err)
		}
		h.seq = put + 1
		if err := s.follow(b.Context(), onY, onX, h, s.invite(b.Context(), h)); err != nil {
			b.Fatal(err)
		}
	}
	if put < b.N {
		b.Errorf("%d heartbeats gave %d readings", b.N, put)
	}
}
