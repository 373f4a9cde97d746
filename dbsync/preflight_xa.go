package dbsync

import "roomshift/cutover"

// preXA, 14: no branch is prepared: on MySQL it could be committed behind a fence. That none is now proves nothing while any client lives,
// so a move looks again behind its fence.
func preXA() preCheck {
	return preCheck{
		name: "xa", quick: true,
		ask: func(f *flight, side int) []question {
			v := f.sides[side].d.verbs
			return []question{{query: "XA RECOVER" + v.xaForm, right: v.xa}}
		},
		judge: func(f *flight) []Finding {
			var found []Finding
			for i, s := range f.sides {
				var ids []string
				for _, r := range f.rows(i, 0) {
					ids = append(ids, xid(r))
				}
				if len(ids) == 0 {
					found = append(found, good("", "none is prepared"))
					continue
				}
				found = append(found, Finding{Room: s.room, Seen: "prepared: " + someOf(ids), Wanted: "none is prepared", Severity: cutover.Refuses,
					Do: "let its transaction manager end it; else, as the application says, XA COMMIT " + ids[0] + " or XA ROLLBACK " + ids[0]})
			}
			return found
		},
	}
}
