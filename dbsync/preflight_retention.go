package dbsync

import (
	"fmt"
	"strconv"
	"time"

	"roomshift/cutover"
)

// preRetention, 9: binlogs are kept long enough for the way back, and there is room for them.
func preRetention() preCheck {
	return preCheck{
		name: "retention",
		ask: func(f *flight, side int) []question {
			qs := []question{variablesQuery("binlog_expire_logs_seconds", "expire_logs_days", "binlog_expire_logs_auto_purge", "max_binlog_total_size"),
				{query: "SHOW BINARY LOGS", right: map[bool]string{true: "BINLOG MONITOR", false: "REPLICATION CLIENT"}[f.sides[side].version.mariadb]}}
			if f.sides[side].version.mariadb { // a plugin, and it needs FILE: where both are there
				qs = append(qs, question{query: "SELECT Path AS path, Available AS free, Total AS total FROM information_schema.disks", mayFail: true})
			}
			return qs
		},
		judge: judgeRetention,
	}
}

func judgeRetention(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		v := variables(f.rows(i, 0))
		kept, text := keptFor(v)
		var size int64
		for _, r := range f.rows(i, 1) {
			n, _ := strconv.ParseInt(r["File_size"], 10, 64)
			size += n
		}
		text = fmt.Sprintf("%s, %d files of %s", text, len(f.rows(i, 1)), bytesText(size))
		free, low := diskFree(f.rows(i, 2))
		x := Finding{Room: s.room, Seen: text + free, Wanted: fmt.Sprintf("kept for %v or longer", f.o.Keep), Severity: cutover.Breaks, Rule: "writer.retention"}
		switch total, _ := strconv.ParseInt(v["max_binlog_total_size"], 10, 64); {
		case kept > 0 && kept < f.o.Keep:
			x.Do = fmt.Sprintf("SET GLOBAL binlog_expire_logs_seconds=%d in %s, and in its file: the other side can't come back after a longer absence", int(f.o.Keep.Seconds()), s.room)
			if v["binlog_expire_logs_seconds"] == "" {
				x.Do = fmt.Sprintf("SET GLOBAL expire_logs_days=%d in %s, and in its file", int((f.o.Keep+24*time.Hour-1)/(24*time.Hour)), s.room)
			}
		case total > 0:
			x.Seen += ", at most " + bytesText(total)
			x.Do = "SET GLOBAL max_binlog_total_size=0 in " + s.room + ": it purges by size, whatever the time"
		case low:
			x.Wanted = "a tenth of its disk free"
			x.Do = "make room on the disk of " + s.room
		default:
			found = append(found, good(s.room, "%s%s", text, free))
			continue
		}
		found = append(found, x)
	}
	return found
}

// keptFor is how long binlogs are kept, 0: for ever.
func keptFor(v row) (time.Duration, string) {
	seconds, _ := strconv.ParseFloat(v["binlog_expire_logs_seconds"], 64)
	if days, err := strconv.ParseFloat(v["expire_logs_days"], 64); err == nil && seconds == 0 {
		seconds = days * 24 * 3600
	}
	if seconds == 0 || v["binlog_expire_logs_auto_purge"] == "OFF" {
		return 0, "kept for ever"
	}
	d := time.Duration(seconds * float64(time.Second))
	return d, "kept for " + d.String()
}

// diskFree is the fullest of a server's disks, where it tells.
func diskFree(rows []row) (text string, low bool) {
	least := 1.0
	for _, r := range rows {
		free, err := strconv.ParseFloat(r["free"], 64)
		total, err2 := strconv.ParseFloat(r["total"], 64)
		if err == nil && err2 == nil && total > 0 && free/total < least {
			least = free / total
			text = fmt.Sprintf(", %.0f %% of %s free", 100*least, r["path"])
		}
	}
	if text == "" {
		return ", disk not told", false
	}
	return text, least < 0.1
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d kB", n>>10)
}
