package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Comparisons tells what was found when a pair's data was compared last. It reads what was kept, and compares nothing.
type Comparisons interface {
	// Compared is the newest comparison of all of a pair's tables; its zero: there was none. The error is that what was kept can't be read.
	Compared(ctx context.Context, pair string) (Compared, error)
}

// Compared is what a comparison of both rooms' data came to.
type Compared struct {
	At     time.Time // it ended; zero: there was none
	Equal  bool
	Differ []string // tables that aren't the same
	Lacks  string   // why it isn't known whether all is equal
	Tables int
	Rows   int64
}

// ChecksumPlan asks that a pair's data was compared, and was equal, no longer ago than this.
type ChecksumPlan struct {
	Pair   string `json:"pair"`
	Within T      `json:"within"`
}

// checkSums is nil when every pair was compared in time and was equal; why is what is worth reading then. In a worker.
func checkSums(ctx context.Context, c Comparisons, plans []ChecksumPlan, now time.Time) (why string, err error) {
	if c == nil {
		return "", errors.New("nothing here knows when a pair's data was compared")
	}
	var said, wrong []string
	for _, p := range plans {
		last, err := c.Compared(ctx, p.Pair)
		age := now.Sub(last.At).Truncate(time.Second)
		do := "roomshift verify " + p.Pair
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("checksum of %s: %v", p.Pair, err))
		case last.At.IsZero():
			wrong = append(wrong, fmt.Sprintf("checksum of %s: its rooms were never compared here: %s", p.Pair, do))
		case len(last.Differ) > 0:
			wrong = append(wrong, fmt.Sprintf("checksum of %s: the rooms aren't the same, as of %s ago: %s", p.Pair, age, strings.Join(last.Differ, ", ")))
		case !last.Equal:
			wrong = append(wrong, fmt.Sprintf("checksum of %s: whether the rooms are the same isn't known: %s: %s", p.Pair, last.Lacks, do))
		case age > p.Within.Duration():
			wrong = append(wrong, fmt.Sprintf("checksum of %s: the rooms were the same %s ago, wanted within %s: %s", p.Pair, age, p.Within.Duration(), do))
		default:
			said = append(said, fmt.Sprintf("%s was the same in both rooms %s ago: %d tables, %d rows", p.Pair, age, last.Tables, last.Rows))
		}
	}
	if len(wrong) > 0 {
		return "", errors.New(strings.Join(wrong, "; "))
	}
	return strings.Join(said, "; "), nil
}
