package dbsync

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"roomshift/cutover"
)

// Comparison is what Verify found of a pair's data, and what `roomshift verify` keeps of it.
type Comparison struct {
	Pair  string          `json:"pair"`
	Rooms [2]cutover.Room `json:"rooms"` // the first is the one whose transactions were waited for on the other
	Began time.Time       `json:"began"`
	At    time.Time       `json:"at"` // it ended
	// Position is how far the first room was when its last chunk had been read: every chunk was compared at some moment between the
	// beginning and that.
	Position Position        `json:"position"`
	Only     []string        `json:"only,omitempty"`  // databases and tables that were asked for; none: all
	Ended    string          `json:"ended,omitempty"` // why it ended early, "" it didn't
	Rows     int64           `json:"rows"`
	Chunks   int             `json:"chunks"`
	Tables   []TableCompared `json:"tables"`
}

// TableCompared is one table of a Comparison.
type TableCompared struct {
	Name   string `json:"table"` // DATABASE.TABLE
	Rows   int64  `json:"rows"`  // that were compared, as the first room has them
	Chunks int    `json:"chunks"`
	// Differs is how many rows differ, at least that many where More.
	Differs int  `json:"differs"`
	More    bool `json:"more,omitempty"`
	// Keys are the first of them.
	Keys []RowDiffers `json:"keys,omitempty"`
	// Moving is how many rows changed each time that both sides were looked at: whether they are equal isn't known.
	Moving int `json:"moving,omitempty"`
	// Wrong is what differs beside rows: it is in one room only, its definition isn't the same, or its number of rows.
	Wrong string `json:"wrong,omitempty"`
	// Lack is why less than every row's content was compared, "" it was.
	Lack string `json:"lack,omitempty"`
}

// RowDiffers is a row that isn't the same in both rooms, by its key as the server writes it; no other value is in it.
type RowDiffers struct {
	Key  []string `json:"key"`
	How  string   `json:"how"` // RowChanged, or the room that lacks it: "missing in cloud"
	Cols []string `json:"columns,omitempty"`
}

// RowChanged is How of a row that both rooms have.
const RowChanged = "differs"

// Different tells whether a table isn't the same in both rooms.
func (t *TableCompared) Different() bool { return t.Differs > 0 || t.Wrong != "" }

// Verdict is what a comparison comes to.
type Verdict uint8

const (
	Incomplete Verdict = iota // nothing was seen to differ, and not everything was compared
	Equal
	Drifted
)

// Verdict is Drifted if anything differs, Equal only if every row that was asked for was compared.
func (c *Comparison) Verdict() Verdict {
	v := Equal
	if c.Ended != "" {
		v = Incomplete
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		switch {
		case t.Different():
			return Drifted
		case t.Moving > 0 || t.Lack != "":
			v = Incomplete
		}
	}
	return v
}

// Whole tells whether it was of all tables, to the end.
func (c *Comparison) Whole() bool { return len(c.Only) == 0 && c.Ended == "" }

// Different names the tables that aren't the same.
func (c *Comparison) Different() []string {
	var names []string
	for i := range c.Tables {
		if c.Tables[i].Different() {
			names = append(names, c.Tables[i].Name)
		}
	}
	return names
}

// comparisonFile is where a pair's comparisons are kept below an environment's folder: of all tables in one file, of some in another.
func comparisonFile(dir, pair string, whole bool) string {
	name := pair
	if !whole {
		name += ".part"
	}
	return filepath.Join(dir, "verify", name+".json")
}

// Keep writes a comparison below dir, an environment's folder, and returns the file. What is there is replaced whole.
func (c *Comparison) Keep(dir string) (string, error) {
	file := comparisonFile(dir, c.Pair, c.Whole())
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("keep the comparison: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".verify-*") // mode 0600: it has keys of rows
	if err != nil {
		return "", fmt.Errorf("keep the comparison: %w", err)
	}
	_, err = tmp.Write(append(text, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return "", fmt.Errorf("keep the comparison: %w", err)
	}
	return file, nil
}

// LastComparison is the newest one of all of a pair's tables that is kept below dir, an environment's folder; or a later one of some of
// them that saw something differ. nil: there was none. A file that can't be read is an error.
func LastComparison(dir, pair string) (*Comparison, error) {
	whole, err := readComparison(comparisonFile(dir, pair, true))
	part, err2 := readComparison(comparisonFile(dir, pair, false))
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if part != nil && part.Verdict() == Drifted && (whole == nil || part.At.After(whole.At)) {
		return part, nil
	}
	return whole, nil
}

func readComparison(file string) (*Comparison, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the last comparison: %w", err)
	}
	c := &Comparison{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read the last comparison: %s: %w", file, err)
	}
	return c, nil
}
