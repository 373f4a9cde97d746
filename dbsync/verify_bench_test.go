package dbsync

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkVerify compares a table of 200,000 rows on both masters, beside CHECKSUM TABLE and the one query that pt-table-checksum would
// ask for it, each asked of both masters at once, in the same run: rows/s, and how many times as long as those.
func BenchmarkVerify(b *testing.B) {
	for _, e := range engines {
		b.Run(string(e), func(b *testing.B) {
			lab = labs[e]
			defer func() { lab = labs[engines[0]] }()
			benchmarkVerify(b)
		})
	}
}

const ptLike = "SELECT COUNT(*) AS n, COUNT(*) AS hashed, COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', id, a, b, c, d, e, CONCAT(ISNULL(a), ISNULL(b), ISNULL(c), ISNULL(d), ISNULL(e)))) AS UNSIGNED)), 10, 16)), 0) AS h FROM vdata.bench"

func benchmarkVerify(b *testing.B) {
	const rows = 200_000
	fill(b, "CREATE TABLE vdata.bench (id BIGINT UNSIGNED PRIMARY KEY, a VARCHAR(90), b INT, c DOUBLE, d DATETIME(3), e TEXT)",
		"INSERT INTO vdata.bench VALUES (1, 'x', 1, 1.5, '2026-01-01', 'hello')")
	for n := 1; n < rows; n *= 2 {
		run(b, "home", fmt.Sprintf("INSERT INTO vdata.bench SELECT id + %d, SHA2(id, 224), id * 7, id / 3e0, '2026-01-01' + INTERVAL id SECOND, CONCAT(SHA2(id, 256), SHA2(id, 224)) FROM vdata.bench WHERE id <= %d", n, rows-n))
	}
	if err := lab.Await(within(b, time.Minute)); err != nil {
		b.Fatal(err)
	}
	v := &verifier{}
	for i, n := range readerRing(b).nodes {
		s, err := n.compared()
		if err != nil {
			b.Fatal(err)
		}
		defer s.close()
		if err := s.open(b.Context()); err != nil {
			b.Fatal(err)
		}
		v.sides[i] = s
	}
	both := func(query string) time.Duration {
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := v.sides[1].ask(b.Context(), query)
			done <- err
		}()
		_, err := v.sides[0].ask(b.Context(), query)
		if err2 := <-done; err != nil || err2 != nil {
			b.Fatal(err, err2)
		}
		return time.Since(began)
	}
	var ours, table, pt time.Duration
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		c, err := readerRing(b).Verify(b.Context(), VerifyOptions{Tables: []string{"vdata.bench"}})
		if err != nil || c.Verdict() != Equal || c.Rows != rows {
			b.Fatalf("%v %+v", err, c)
		}
		ours += time.Since(began)
		table += both("CHECKSUM TABLE vdata.bench")
		pt += both(ptLike)
	}
	n := float64(b.N)
	b.ReportMetric(rows*n/ours.Seconds(), "rows/s")
	b.ReportMetric(float64(ours)/float64(table), "×CHECKSUM")
	b.ReportMetric(float64(ours)/float64(pt), "×one-query")
	b.ReportMetric(0, "ns/op")
}
