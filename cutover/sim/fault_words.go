package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// joinArrows writes "home -> cloud" as "home→cloud".
func joinArrows(text string) string {
	parts := strings.Split(strings.ReplaceAll(text, "->", "→"), "→")
	for i := range parts {
		if i > 0 {
			parts[i] = strings.TrimLeft(parts[i], " \t")
		}
		if i < len(parts)-1 {
			parts[i] = strings.TrimRight(parts[i], " \t")
		}
	}
	return strings.Join(parts, "→")
}

func firstWords() []string {
	var words []string
	for _, f := range faultForms {
		words = append(words, strings.Fields(f.form)[0])
	}
	return words
}

// clauses takes "at …", "for …" and "in …" out, and returns what is before them.
func (f *Fault) clauses(words []string) (head []string, err error) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word != "at" && word != "for" && word != "in" {
			head = append(head, word)
			continue
		}
		if i+1 == len(words) {
			return nil, fmt.Errorf("%q at its end: say what", word)
		}
		i++
		switch word {
		case "for":
			if f.span, err = span(words[i]); err != nil {
				return nil, err
			}
		case "in":
			f.in = words[i]
		case "at":
			n, err := f.moment(words[i:])
			if err != nil {
				return nil, err
			}
			i += n
		}
	}
	return head, nil
}

// moment reads what follows "at", and how many words more than one it took.
func (f *Fault) moment(words []string) (int, error) {
	switch words[0] {
	case "write", "writes", "record":
		if len(words) < 2 {
			return 0, fmt.Errorf("at %s: say which, as in \"at %s 3\"", words[0], words[0])
		}
		if words[0] == "record" {
			n, err := number(words[1])
			f.record = int64(n)
			return 1, err
		}
		a, b, many := strings.Cut(words[1], "-")
		first, err := number(a)
		if err != nil {
			return 0, err
		}
		f.write, f.writes = first, 1
		if many {
			last, err := number(b)
			if err != nil || last < first {
				return 0, fmt.Errorf("%q is no row of writes: 3-7 is one", words[1])
			}
			f.writes = last - first + 1
		}
		return 1, nil
	}
	d, err := span(words[0])
	f.at = d
	return 0, err
}

func number(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > 1e9 {
		return 0, fmt.Errorf("%q is no number from 1 on", word)
	}
	return n, nil
}

func span(word string) (cutover.T, error) {
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 || d > 10000*time.Hour {
		return 0, fmt.Errorf("%q is no time: 90s, 12m and 1h30m are", word)
	}
	return cutover.T(d), nil
}

func percent(word string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
	if err != nil || !strings.HasSuffix(word, "%") || !(v >= 0 && v <= 1e6) {
		return 0, fmt.Errorf("%q is no percentage: 5%% is one", word)
	}
	return v / 100, nil
}

var errForm = errors.New("it doesn't have the form")

// fill matches the head with a form.
func (f *Fault) fill(form faultForm, head []string) error {
	want := strings.Fields(form.form)
	if len(want) == len(head)+1 && want[len(want)-1] == "W" && f.write > 0 { // "fail write at write 3"
		want = want[:len(want)-1]
	}
	if len(head) != len(want) {
		return errForm
	}
	f.kind = form.kind
	for i, w := range want {
		if w == strings.ToLower(w) {
			if head[i] != w {
				return errForm
			}
			continue
		}
		if err := f.take(w, head[i]); err != nil {
			return err
		}
	}
	return nil
}

// take reads one placeholder of a form.
func (f *Fault) take(what, word string) (err error) {
	switch what {
	case "A→B":
		ok := false
		if f.from, f.to, ok = strings.Cut(word, "→"); !ok || f.from == "" || f.to == "" {
			return fmt.Errorf("%q is no direction: home→cloud is one", word)
		}
	case "D":
		f.d, err = span(word)
	case "P":
		f.value, err = percent(word)
	case "V":
		f.text2 = word
		if f.kind == "value" {
			f.value, err = anyNumber(word)
		}
	case "N":
		f.n, err = howMany(word)
	case "W":
		var n int
		if n, err = number(word); f.kind == "kill before" {
			f.record, f.before = int64(n), true
			return err
		}
		f.write, f.writes = n, max(f.writes, 1)
	default:
		f.name(what, word)
	}
	return err
}

// name reads a placeholder that is a name.
func (f *Fault) name(what, word string) {
	switch what {
	case "PAIR":
		f.pair = word
	case "CHECK":
		f.text2 = word
	case "GATE":
		f.gate, f.room, _ = strings.Cut(word, "@")
	case "SEAT":
		f.seat = word
	case "ROUTE":
		f.route = word
	case "ONLY":
		f.only = word
	case "ROOM":
		if f.kind == "foreign only" {
			f.text2 = word
			return
		}
		f.room = word
	case "PLANE":
		f.plane = word
	case "OBJECT":
		f.object = word
	}
}

func howMany(word string) (int, error) {
	switch word {
	case "half":
		return 0, nil
	case "all":
		return -1, nil
	}
	return number(word)
}

func anyNumber(word string) (float64, error) {
	if v, err := percent(word); err == nil {
		return v, nil
	}
	if d, err := time.ParseDuration(word); err == nil {
		return d.Seconds(), nil
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || v != v || v-v != 0 {
		return 0, fmt.Errorf("%q is no percentage, time or number", word)
	}
	return v, nil
}

// when checks that the fault has a moment, and one that its kind can have.
func (f *Fault) when() error {
	moments := 0
	for _, has := range []bool{f.at != cutover.Never, f.write > 0, f.record > 0} {
		if has {
			moments++
		}
	}
	switch {
	case moments == 0:
		return errors.New("it has no moment: end it with \"at 12m\", \"at write 3\" or \"at record 17\"")
	case moments > 1:
		return errors.New("it has more than one moment: keep one \"at …\"")
	case f.value > 1 && (f.kind == "errors" || f.kind == "foreign"):
		return errors.New("it is more than 100%: a share or a part of the requests is at most that")
	case f.ofWrite() && f.record > 0:
		return errors.New("it is about writes: \"at write 3\" or \"at 12m\", not at a record")
	}
	f.last()
	return nil
}

// usualHang is how long a request hangs, or is late, if nobody says.
const usualHang = 10 * cutover.Second

// last works out how long it lasts. What is about one request has no span: "for" is how long the request hangs.
func (f *Fault) last() {
	switch f.kind {
	case "journal stalls", "throttle reads":
		f.span = f.d
	case "throttle":
		if f.write == 0 {
			f.span = f.d
		}
	case "hang", "hang reads":
		f.d = f.span
		if f.write == 0 {
			f.d = max(f.d, usualHang)
		}
		fallthrough
	case "late":
		if f.d == 0 {
			f.d = usualHang
		}
	}
	if f.ofWrite() && f.write > 0 {
		f.span = 0
	}
}

// ofWrite tells whether the fault is about what becomes of a request that writes.
func (f *Fault) ofWrite() bool {
	switch f.kind {
	case "hang", "late", "lose reply", "lose write", "fail", "throttle":
		return true
	}
	return false
}

// nearest is the candidate with the fewest letters to change.
func nearest(word string, candidates []string) string {
	best, least := "", 1<<30
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diag := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diag
			if x[i] != y[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
