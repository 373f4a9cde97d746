package cutover

import (
	"testing"
	"time"

	"roomshift/runbooks"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func moment(t *testing.T, loc *time.Location, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWindow(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	night := RulesPlan{Windows: []runbooks.Window{{Name: "night", Days: weekdays, From: 120, To: 300}},
		Blocked: []runbooks.Blocked{{From: "2027-02-04", To: "2027-02-12", Why: "festival freeze"}}}
	late := RulesPlan{Windows: []runbooks.Window{{Name: "late", Days: []time.Weekday{time.Wednesday}, From: 23 * 60, To: 60}},
		Blocked: []runbooks.Blocked{{From: "2027-02-05", To: "2027-02-05", Why: "x"}}}
	two := RulesPlan{Windows: []runbooks.Window{{Name: "a", From: 60, To: 120}, {Name: "b", From: 120, To: 180}}}
	always := RulesPlan{Windows: []runbooks.Window{{Name: "day", From: 0, To: 0}}}
	for name, x := range map[string]struct {
		r         RulesPlan
		at        string
		open      bool
		why, next string
	}{
		"before the night":      {night, "2027-01-27 01:59:59", false, "outside window night, opens Wed 2027-01-27 02:00", "2027-01-27 02:00:00"},
		"it opens":              {night, "2027-01-27 02:00:00", true, "window night until Wed 05:00", "2027-01-27 05:00:00"},
		"its last second":       {night, "2027-01-27 04:59:59", true, "window night until Wed 05:00", "2027-01-27 05:00:00"},
		"it is over":            {night, "2027-01-27 05:00:00", false, "outside window night, opens Thu 2027-01-28 02:00", "2027-01-28 02:00:00"},
		"over the weekend":      {night, "2027-01-29 05:00:00", false, "outside window night, opens Mon 2027-02-01 02:00", "2027-02-01 02:00:00"},
		"blocked":               {night, "2027-02-08 03:00:00", false, "blocked from 2027-02-04 to 2027-02-12: festival freeze, opens Mon 2027-02-15 02:00", "2027-02-15 02:00:00"},
		"the last blocked":      {night, "2027-02-12 23:59:59", false, "blocked from 2027-02-04 to 2027-02-12: festival freeze, opens Mon 2027-02-15 02:00", "2027-02-15 02:00:00"},
		"over midnight":         {late, "2027-01-27 23:30:00", true, "window late until Thu 01:00", "2027-01-28 01:00:00"},
		"after midnight":        {late, "2027-01-28 00:30:00", true, "window late until Thu 01:00", "2027-01-28 01:00:00"},
		"the wrong midnight":    {late, "2027-01-27 00:30:00", false, "outside window late, opens Wed 2027-01-27 23:00", "2027-01-27 23:00:00"},
		"side by side":          {two, "2027-01-27 01:30:00", true, "window a until Wed 03:00", "2027-01-27 03:00:00"},
		"cut by a blocked date": {RulesPlan{Windows: late.Windows, Blocked: []runbooks.Blocked{{From: "2027-01-28", To: "2027-01-28"}}}, "2027-01-27 23:30:00", true, "window late until Thu 00:00", "2027-01-28 00:00:00"},
		"blocked for long": {RulesPlan{Blocked: []runbooks.Blocked{{From: "2027-01-01", To: "2028-06-30", Why: "moved out"}}}, "2027-01-27 23:30:00", false,
			"blocked from 2027-01-01 to 2028-06-30: moved out, opens Sat 2028-07-01 00:00", "2028-07-01 00:00:00"},
		"no windows":          {RulesPlan{}, "2027-01-27 23:30:00", true, "no window is declared", ""},
		"no windows, blocked": {RulesPlan{Blocked: night.Blocked}, "2027-01-27 23:30:00", true, "no window is declared until Thu 00:00", "2027-02-04 00:00:00"},
		"all day":             {always, "2027-01-27 23:30:00", true, "window day", ""},
	} {
		t.Run(name, func(t *testing.T) {
			open, why, next := x.r.Window(moment(t, shanghai, x.at))
			got := ""
			if !next.IsZero() {
				got = next.Format("2006-01-02 15:04:05")
			}
			if open != x.open || why != x.why || got != x.next {
				t.Errorf("at %s: %v %q next %s\nwant %v %q next %s", x.at, open, why, got, x.open, x.why, x.next)
			}
		})
	}
}

// In Berlin the clock goes from 02:00 to 03:00 on 28 March 2027, and from 03:00 back to 02:00 on 31 October.
func TestWindowWhenTheClockJumps(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	r := RulesPlan{Windows: []runbooks.Window{{Name: "n", From: 150, To: 210}}} // 02:30–03:30
	for _, x := range []struct{ at, next string }{
		{"2027-03-28 00:00:00 +0100", "2027-03-28 03:00:00 +0200"}, // 02:30 is left out: it opens when the clock shows 03:00
		{"2027-03-28 03:10:00 +0200", "2027-03-28 03:30:00 +0200"},
		{"2027-10-31 02:00:00 +0200", "2027-10-31 02:30:00 +0200"},
		{"2027-10-31 02:30:00 +0200", "2027-10-31 02:00:00 +0100"}, // shut again: the clock shows 02:00 a second time
		{"2027-10-31 02:00:00 +0100", "2027-10-31 02:30:00 +0100"},
		{"2027-10-31 02:45:00 +0100", "2027-10-31 03:30:00 +0100"},
	} {
		at, err := time.Parse("2006-01-02 15:04:05 -0700", x.at)
		if err != nil {
			t.Fatal(err)
		}
		_, _, next := r.Window(at.In(berlin))
		if got := next.Format("2006-01-02 15:04:05 -0700"); got != x.next {
			t.Errorf("at %s the next change is %s, want %s", x.at, got, x.next)
		}
	}
}

// Whatever the windows, next is the first minute that answers otherwise.
func TestWindowNextIsFirst(t *testing.T) {
	loc := zone(t, "America/New_York")
	r := RulesPlan{Windows: []runbooks.Window{{Name: "a", Days: []time.Weekday{time.Saturday, time.Sunday}, From: 22 * 60, To: 100}, {Name: "b", From: 90, To: 185}},
		Blocked: []runbooks.Blocked{{From: "2027-03-16", To: "2027-03-17"}}}
	at := time.Date(2027, 3, 12, 12, 0, 0, 0, loc)
	open, _, next := r.Window(at)
	for range 7 * 24 * 60 {
		at = at.Add(time.Minute)
		if now, _ := r.openAt(at); now != open {
			if !at.Equal(next) {
				t.Fatalf("it changes at %s, Window said %s", at, next)
			}
			open, _, next = r.Window(at)
		}
	}
}

func TestFinishAt(t *testing.T) {
	loc := zone(t, "Asia/Shanghai")
	r := RulesPlan{FinishBy: "05:00"}
	for at, want := range map[string]string{"2027-01-27 02:00:00": "2027-01-27 05:00:00", "2027-01-27 05:00:00": "2027-01-28 05:00:00", "2027-12-31 23:00:00": "2028-01-01 05:00:00"} {
		if got, ok := r.FinishAt(moment(t, loc, at)); !ok || !got.Equal(moment(t, loc, want)) {
			t.Errorf("after %s: %s %v, want %s", at, got, ok, want)
		}
	}
	if _, ok := (RulesPlan{}).FinishAt(time.Now()); ok {
		t.Error("no finishBy has a time")
	}
}
