package runbooks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Whole is 100 % as a Percent.
const Whole Percent = 10000

// ParsePercent reads "10%", "22.5%" or "10 %": 0..100 with at most two decimals. More decimals are an error, never rounded.
func ParsePercent(s string) (Percent, error) {
	body, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !ok {
		return 0, fmt.Errorf("%s is no percentage: want one such as 10%% or 0.25%%", quoted(s))
	}
	return parseHundredths(s, strings.TrimRight(body, " "))
}

// parsePoints reads "2pt", percentage points.
func parsePoints(s string) (Percent, error) {
	body, ok := strings.CutSuffix(strings.TrimSpace(s), "pt")
	if !ok {
		return 0, fmt.Errorf("%s is no number of percentage points: want one such as 2pt", quoted(s))
	}
	return parseHundredths(s, strings.TrimRight(body, " "))
}

func parseHundredths(s, body string) (Percent, error) {
	whole, frac, dot := strings.Cut(body, ".")
	if !digits(whole) || dot && !digits(frac) {
		return 0, fmt.Errorf("%s is no percentage: want one such as 10%% or 0.25%%", quoted(s))
	}
	if len(frac) > 2 {
		return 0, fmt.Errorf("%s has more than two decimals", quoted(s))
	}
	n, err := strconv.Atoi(whole + (frac + "00")[:2])
	if err != nil || n > int(Whole) {
		return 0, fmt.Errorf("%s is more than 100%%", quoted(s))
	}
	return Percent(n), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// FormatPercent writes p as people read it: "10 %", "22.5 %", "0.25 %".
func FormatPercent(p Percent) string {
	sign := ""
	if p < 0 {
		sign, p = "-", -p
	}
	s := strconv.Itoa(int(p / 100))
	if f := p % 100; f != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%02d", int(f)), "0")
	}
	return sign + s + " %"
}

// plain writes p as files write it: "22.5%".
func (p Percent) plain() string { return strings.ReplaceAll(FormatPercent(p), " ", "") }

// maxDuration bounds every duration in a file: 10 years.
const maxDuration = 3650 * 24 * time.Hour

// ParseDuration reads "500ms", "90s", "1h30m" or "7d": days, hours, minutes, seconds and milliseconds, not below 0.
func ParseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf("%s is no duration: want one such as 500ms, 90s, 10m, 24h or 7d", quoted(s))
	rest, days := s, time.Duration(0)
	if d, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(d)
		if !digits(d) || err != nil || n > 3650 {
			return 0, wrong
		}
		rest, days = after, time.Duration(n)*24*time.Hour
		if rest == "" {
			return days, nil
		}
	}
	// Go reads "0" and nanoseconds, too; a file says the unit, and nothing here is so short.
	if rest == "" || strings.Trim(rest, "0123456789.hms") != "" || strings.HasSuffix(rest, "0") || rest[0] == '.' {
		return 0, wrong
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d+days > maxDuration {
		return 0, wrong
	}
	return d + days, nil
}

// ParseRate reads events in a second: "20/s", "1.5k/s", "120k/s", "2M/s".
func ParseRate(s string) (Rate, error) {
	body, ok := strings.CutSuffix(strings.TrimSpace(s), "/s")
	n, okNumber := scaled(body, map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9})
	if !ok || !okNumber {
		return 0, fmt.Errorf("%s is no rate: want one such as 20/s or 120k/s", quoted(s))
	}
	return Rate(n), nil
}

// ParseBits reads the bits in a second of a circuit: "100Mbps", "10Gbps".
func ParseBits(s string) (float64, error) {
	n, ok := scaled(strings.TrimSpace(s), map[string]float64{"bps": 1, "kbps": 1e3, "Kbps": 1e3, "Mbps": 1e6, "Gbps": 1e9, "Tbps": 1e12})
	if !ok || n == 0 {
		return 0, fmt.Errorf("%s is no bandwidth: want one such as 100Mbps or 10Gbps", quoted(s))
	}
	return n, nil
}

// ParseBytes reads a size: "512B", "20KB" (20,000), "20KiB" (20,480).
func ParseBytes(s string) (int64, error) {
	n, ok := scaled(strings.TrimSpace(s), map[string]float64{"B": 1, "KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30})
	if !ok || n > 1e15 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%s is no size: want one such as 512B or 20KB", quoted(s))
	}
	return int64(n), nil
}

// scaled reads a decimal number and the unit behind it.
func scaled(s string, units map[string]float64) (float64, bool) {
	i := len(s) - len(strings.TrimLeft(s, "0123456789."))
	by, ok := units[strings.TrimLeft(s[i:], " ")]
	whole, frac, dot := strings.Cut(s[:i], ".")
	if !ok || !digits(whole) || dot && !digits(frac) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s[:i], 64)
	return n * by, err == nil && n <= 1e15
}

// parseTimeOfDay reads "02:00" as minutes after midnight.
func parseTimeOfDay(s string) (int, error) {
	h, m, _ := strings.Cut(s, ":")
	hours, errH := strconv.Atoi(h)
	minutes, errM := strconv.Atoi(m)
	if len(h) != 2 || len(m) != 2 || !digits(h+m) || errH != nil || errM != nil || hours > 23 || minutes > 59 {
		return 0, fmt.Errorf("%s is no time of day: want one from 00:00 to 23:59", quoted(s))
	}
	return hours*60 + minutes, nil
}

// parseValue reads a limit's value by its unit, in held form: a ratio as a part of 1, a duration in seconds, a rate per second.
func parseValue(s string) (float64, Unit, error) {
	switch {
	case strings.HasSuffix(s, "%"):
		p, err := ParsePercent(s)
		return float64(p) / float64(Whole), UnitRatio, err
	case strings.HasSuffix(s, "/s"):
		r, err := ParseRate(s)
		return float64(r), UnitRate, err
	case strings.Trim(s, "-0123456789.") == "":
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(n, 0) {
			return 0, UnitNumber, fmt.Errorf("%s is no number", quoted(s))
		}
		return n, UnitNumber, nil
	default:
		d, err := ParseDuration(s)
		if err != nil {
			return 0, UnitDuration, fmt.Errorf("%s is no limit: want a percentage (0.5%%), a duration (500ms), a rate (20/s) or a number", quoted(s))
		}
		return d.Seconds(), UnitDuration, nil
	}
}
