package runbooks

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for p := Percent(0); p <= Whole; p++ {
		for _, s := range []string{FormatPercent(p), p.plain()} {
			got, err := ParsePercent(s)
			if err != nil || got != p {
				t.Fatalf("%d is written %q and read as %d, %v", p, s, got, err)
			}
		}
	}
	for s, want := range map[string]Percent{"10%": 1000, "0.5%": 50, "0.05%": 5, "7.50%": 750, "100%": 10000, " 3 % ": 300} {
		if got, err := ParsePercent(s); err != nil || got != want {
			t.Errorf("ParsePercent(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", "10", "10pt", "-1%", "+1%", "1e1%", "100.01%", "0.125%", "0.500%", ".5%", "5.%", "1.2.3%", "１０%", "99999999999999999999%"} {
		if got, err := ParsePercent(s); err == nil {
			t.Errorf("ParsePercent(%q) = %d, want an error", s, got)
		}
	}
	if got := FormatPercent(-250); got != "-2.5 %" {
		t.Errorf("a difference is written %q", got)
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]time.Duration{"500ms": 500 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"24h": 24 * time.Hour, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "1.5s": 1500 * time.Millisecond, "0s": 0} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "10", "10 s", "-1s", "+1s", "1us", "1µs", "1ns", "d", "1.5d", "s", "99999d", "999999999h", ".5s", "1d2d", "3650d1h", "5min"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestScaledNumbers(t *testing.T) {
	read := map[string]func(string) (float64, error){
		"rate":  func(s string) (float64, error) { r, err := ParseRate(s); return float64(r), err },
		"bits":  ParseBits,
		"bytes": func(s string) (float64, error) { b, err := ParseBytes(s); return float64(b), err },
	}
	for _, c := range []struct {
		kind, in string
		want     float64
	}{
		{"rate", "20/s", 20}, {"rate", "120k/s", 120e3}, {"rate", "1.5k/s", 1500}, {"rate", "2M/s", 2e6}, {"rate", "0/s", 0},
		{"bits", "10Gbps", 10e9}, {"bits", "100Mbps", 100e6}, {"bits", "2.5Gbps", 2.5e9}, {"bits", "64kbps", 64e3},
		{"bytes", "20KB", 20e3}, {"bytes", "20KiB", 20480}, {"bytes", "512B", 512}, {"bytes", "1.5MB", 1.5e6},
	} {
		if got, err := read[c.kind](c.in); err != nil || got != c.want {
			t.Errorf("%s %q is read as %v, %v, want %v", c.kind, c.in, got, err, c.want)
		}
	}
	for kind, bad := range map[string][]string{
		"rate":  {"", "20", "/s", "20/m", "k/s", "-1/s", "1.2.3/s", "1e9999/s", "NaN/s", "20x/s"},
		"bits":  {"", "10", "10G", "0Gbps", "10gbps", "-1Gbps"},
		"bytes": {"", "20", "20K", "0.5B", "-1B", "9999999999999GB"},
	} {
		for _, s := range bad {
			if got, err := read[kind](s); err == nil {
				t.Errorf("%s %q is read as %v, want an error", kind, s, got)
			}
		}
	}
}

func TestLimitsAreHeldInTheirUnit(t *testing.T) {
	for s, want := range map[string]string{"0.5%": "0.005 ratio", "500ms": "0.5 duration", "2m": "120 duration", "20/s": "20 rate",
		"1.5k/s": "1500 rate", "0.75": "0.75 number", "-3": "-3 number", "100": "100 number"} {
		v, unit, err := parseValue(s)
		if got := fmt.Sprint(v, " ", unit); err != nil || got != want {
			t.Errorf("the limit %q is held as %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "1e3", ".inf", "NaN", "--1", "0x10", "1_000", strings.Repeat("9", 400)} {
		if v, unit, err := parseValue(s); err == nil {
			t.Errorf("the limit %q is held as %v %s, want an error", s, v, unit)
		}
	}
}

func TestTimeOfDay(t *testing.T) {
	for s, want := range map[string]int{"00:00": 0, "02:05": 125, "23:59": 1439} {
		if got, err := parseTimeOfDay(s); err != nil || got != want {
			t.Errorf("%q is read as %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "2:00", "24:00", "02:60", "02", "02:00:00", "-2:00", "+2:00", "ab:cd"} {
		if got, err := parseTimeOfDay(s); err == nil {
			t.Errorf("%q is read as %d, want an error", s, got)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"seats", "stays", "consul", "prometheus", "maxAge"}
	for s, want := range map[string]string{"seat": "seats", "conusl": "consul", "Prometheus": "prometheus", "maxage": "maxAge", "promethus": "prometheus", "xyz": "", "": ""} {
		if got := Nearest(s, keys); got != want {
			t.Errorf("the nearest to %q is %q, want %q", s, got, want)
		}
	}
	if edits([]rune("kitten"), []rune("sitting")) != 3 || edits([]rune("ab"), []rune("ba")) != 1 {
		t.Error("edits are counted wrong")
	}
}
