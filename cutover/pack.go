package cutover

// outInOne is the part of a seat's objects, in basis points, that one request may take out of service: a registry that loses
// more at once loses the service. RulesPlan.MaxOut is the same rule where it is judged.
const outInOne = 4000

// Pack makes requests of a wave's changes of one plane, in order: at most MaxChanges changes and MaxBytes bytes of names and
// values each, and of one seat at most 40 % of the wave's objects (but always one) taken out. A change that is too large by
// itself travels alone: the server says so better than we can.
func Pack(pl Plane, wave []Change) [][]Change {
	if len(wave) == 0 {
		return nil
	}
	mayOut := outLimits(wave)
	var requests [][]Change
	begin, bytes := 0, 0
	out := map[Seat]int{}
	for i := range wave {
		c := &wave[i]
		size := len(c.Object) + len(c.After)
		goesOut := takesOut(c)
		full := pl.MaxChanges > 0 && i-begin >= pl.MaxChanges ||
			pl.MaxBytes > 0 && bytes+size > pl.MaxBytes ||
			goesOut && out[c.Seat] >= mayOut[c.Seat]
		if full && i > begin {
			requests = append(requests, wave[begin:i:i])
			begin, bytes = i, 0
			clear(out)
		}
		bytes += size
		if goesOut {
			out[c.Seat]++
		}
	}
	return append(requests, wave[begin:len(wave):len(wave)])
}

// outLimits is how many objects of each seat one request may take out.
func outLimits(wave []Change) map[Seat]int {
	limits := map[Seat]int{}
	for i := range wave {
		if wave[i].Gives != nil {
			limits[wave[i].Seat]++
		}
	}
	for seat, n := range limits {
		limits[seat] = max(1, n*outInOne/Whole)
	}
	return limits
}

// takesOut tells whether an object gives nothing any more after the change. A key that holds a whole split never does.
func takesOut(c *Change) bool {
	if c.Gives == nil {
		return false
	}
	for _, w := range c.Gives {
		if w > 0 {
			return false
		}
	}
	return true
}
