package writer

// Preview is what Decide would say to a process that has just taken every lock and saw this, for people who only look: nothing is known
// of what is under way, so that it may come otherwise.
func Preview(rec *Record, seen Seen, want Want) Act {
	if !seen.Away {
		seen.Lock, seen.Proven = true, true
	}
	for i := range seen.Servers {
		if s := &seen.Servers[i]; !s.Away {
			s.Locked, s.Fresh = true, true
		}
	}
	return Decide(rec, seen, want, Fencer{})
}
