package journal

import (
	"os"
	"path/filepath"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

func TestFileKeepsTheContract(t *testing.T) {
	cutovertest.JournalSuite(t, func(t *testing.T) cutovertest.JournalUnderTest {
		dir := filepath.Join(t.TempDir(), "simulation", "0214-7a")
		j, err := Create(dir, -1)
		if err != nil {
			t.Fatal(err)
		}
		path := j.Path()
		closeNow(t, j)
		return cutovertest.JournalUnderTest{
			Run: "0214-7a",
			Open: func(t testing.TB) cutover.Journal {
				j, err := open(dir, -1)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { closeNow(t, j) })
				return j
			},
			End:    func(t testing.TB, j cutover.Journal) { closeNow(t, j.(*File)) },
			Bytes:  func(t testing.TB) []byte { return readFile(t, path) },
			Locked: func(testing.TB) error { return closeAny(open(dir, -1)) },
			SetBytes: func(t testing.TB, data []byte) {
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			Usurp: func(t testing.TB, rs []cutover.Record) {
				group, _, err := encode(readFile(t, path), rs, rs[0].Seq-1, rs[0].Prev, "0214-7a")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, group, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestMemoryKeepsTheContract(t *testing.T) {
	cutovertest.JournalSuite(t, func(t *testing.T) cutovertest.JournalUnderTest {
		m := NewMemory("0214-7a").Strict()
		return cutovertest.JournalUnderTest{
			Run:  "0214-7a",
			Open: func(testing.TB) cutover.Journal { return m.TakeOver() },
			End:  func(testing.TB, cutover.Journal) {},
			Bytes: func(t testing.TB) []byte {
				b, err := m.Lines()
				if err != nil {
					t.Fatal(err)
				}
				return b
			},
			SetBytes: func(_ testing.TB, data []byte) {
				if err := m.SetLines(data); err != nil {
					panic(err)
				}
			},
			Usurp: func(t testing.TB, rs []cutover.Record) {
				if err := m.TakeOver().Append(t.Context(), rs); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func closeNow(t testing.TB, j *File) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func closeAny(j *File, err error) error {
	if j != nil {
		_ = j.Close() // the test asks for err
	}
	return err
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
