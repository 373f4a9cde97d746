package cutover

import (
	"fmt"
	"slices"
	"time"

	"roomshift/runbooks"
)

// Windows and dates are read on the wall clock of the plan's zone: a window from 02:00 is open whenever that clock shows 02:00
// or later, also in the night in which it shows an hour twice or leaves one out.

const dateForm = "2006-01-02"

// Window tells whether steps may begin at wall, which is in the plan's zone; why, in words; and when that changes, the zero
// time if it never does. No windows at all are always open; a blocked date is shut, both ends included, whatever the windows.
func (r RulesPlan) Window(wall time.Time) (open bool, why string, next time.Time) {
	open, why = r.openAt(wall)
	next = r.nextChange(wall, open)
	switch {
	case open && !next.IsZero():
		why += " until " + next.Format("Mon 15:04")
	case !open && !next.IsZero():
		why += ", opens " + next.Format("Mon 2006-01-02 15:04")
	}
	return open, why, next
}

func (r RulesPlan) openAt(t time.Time) (bool, string) {
	day := ""
	for _, b := range r.Blocked {
		if day == "" {
			day = t.Format(dateForm)
		}
		if b.From <= day && day <= b.To {
			return false, fmt.Sprintf("blocked from %s to %s: %s", b.From, b.To, b.Why)
		}
	}
	if len(r.Windows) == 0 {
		return true, "no window is declared"
	}
	for _, w := range r.Windows {
		if windowHas(w, t) {
			return true, "window " + w.Name
		}
	}
	if len(r.Windows) == 1 {
		return false, fmt.Sprintf("outside window %s", r.Windows[0].Name)
	}
	return false, "outside every window"
}

// windowHas tells whether a window has t. One that goes over midnight belongs to the day it begins on; From = To is the whole day.
func windowHas(w runbooks.Window, t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	yesterday := (t.Weekday() + 6) % 7
	if w.From < w.To {
		return onDay(w, t.Weekday()) && w.From <= minute && minute < w.To
	}
	return onDay(w, t.Weekday()) && minute >= w.From || onDay(w, yesterday) && minute < w.To
}

func onDay(w runbooks.Window, d time.Weekday) bool {
	return w.Days == nil || slices.Contains(w.Days, d)
}

// nextChange finds the first moment after t at which openAt answers otherwise. Candidates are the windows' ends of the days
// ahead, midnights of blocked spans and the zone's own changes; between the last that answers the same and the first that
// doesn't the second is searched, so that an hour shown twice needs no case of its own.
func (r RulesPlan) nextChange(t time.Time, open bool) time.Time {
	last := t
	for day := range r.horizon(t) {
		for _, c := range r.candidates(t, day) {
			if !c.After(last) {
				continue
			}
			if now, _ := r.openAt(c); now != open {
				return r.search(last, c, open)
			}
			last = c
		}
	}
	return time.Time{}
}

// horizon is how many days ahead anything can change: nine after t and after every blocked date. A week has every window and
// one more day the end of one that goes over midnight.
func (r RulesPlan) horizon(t time.Time) int {
	days := 9
	for _, b := range r.Blocked {
		if to, err := time.ParseInLocation(dateForm, b.To, t.Location()); err == nil && to.After(t) {
			days = max(days, int(to.Sub(t)/(24*time.Hour))+10)
		}
	}
	return days
}

// candidates are the moments of one day, counted from t's, at which something may change, in order.
func (r RulesPlan) candidates(t time.Time, day int) []time.Time {
	y, m, d := t.Date()
	at := func(minute int) time.Time { return time.Date(y, m, d+day, 0, minute, 0, 0, t.Location()) }
	midnight := at(0)
	cs := append(make([]time.Time, 0, 2+6*len(r.Windows)), midnight)
	for _, w := range r.Windows {
		cs = append(cs, at(w.From), at(w.To))
	}
	if _, end := midnight.ZoneBounds(); !end.IsZero() && end.Before(at(24*60)) {
		cs = append(cs, end)
		for _, w := range r.Windows { // in an hour shown twice each of the two counts
			cs = append(cs, at(w.From).Add(time.Hour), at(w.To).Add(time.Hour), at(w.From).Add(-time.Hour), at(w.To).Add(-time.Hour))
		}
	}
	slices.SortFunc(cs, time.Time.Compare)
	return cs
}

// search finds the second in (a, b] at which openAt first answers otherwise than open.
func (r RulesPlan) search(a, b time.Time, open bool) time.Time {
	a = a.Truncate(time.Second)
	for b.Sub(a) > time.Second {
		mid := a.Add((b.Sub(a) / 2).Truncate(time.Second))
		if now, _ := r.openAt(mid); now == open {
			a = mid
		} else {
			b = mid
		}
	}
	return b
}

// FinishAt is the first finishBy after start, which is in the plan's zone; false if there is none.
func (r RulesPlan) FinishAt(start time.Time) (time.Time, bool) {
	hour, err := time.Parse("15:04", r.FinishBy)
	if err != nil {
		return time.Time{}, false
	}
	y, m, d := start.Date()
	for day := range 3 {
		if at := time.Date(y, m, d+day, hour.Hour(), hour.Minute(), 0, 0, start.Location()); at.After(start) {
			return at, true
		}
	}
	return time.Time{}, false
}
