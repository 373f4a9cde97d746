package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// splitter is a service-splitter as it was read. What isn't a weight of a room's leg is somebody else's, and is sent back as it came.
type splitter struct {
	created, modified uint64
	entry             map[string]json.RawMessage
	splits            []map[string]json.RawMessage
	legs              []leg // one for each of splits
}

// leg is one part of a split: the room that it leads to, "" one that isn't ours, and its weight in hundredths of a percent.
type leg struct {
	room   cutover.Room
	name   string // for messages
	weight int
}

// parseSplitter reads an entry and finds the rooms of its legs.
func (s *SplitterSpec) parseSplitter(body []byte) (*splitter, error) {
	e := &splitter{}
	if err := json.Unmarshal(body, &e.entry); err != nil {
		return nil, fmt.Errorf("no valid JSON: %w", err)
	}
	var index struct{ CreateIndex, ModifyIndex uint64 }
	if err := json.Unmarshal(body, &index); err != nil || index.ModifyIndex == 0 {
		return nil, errors.New("an entry without an index")
	}
	e.created, e.modified = index.CreateIndex, index.ModifyIndex
	if err := json.Unmarshal(e.entry["Splits"], &e.splits); err != nil {
		return nil, fmt.Errorf("no splits: %w", err)
	}
	sum := 0
	for i, split := range e.splits {
		l, err := s.leg(split)
		if err != nil {
			return nil, fmt.Errorf("in its leg %d: %w", i+1, err)
		}
		if l.room != "" {
			for _, other := range e.legs {
				if other.room == l.room {
					return nil, fmt.Errorf("two legs that lead to %s, %s and %s: want one", l.room, other.name, l.name)
				}
			}
		}
		sum += l.weight
		e.legs = append(e.legs, l)
	}
	if sum != cutover.Whole {
		return nil, fmt.Errorf("weights with a sum of %s, want 100.00", percents(sum))
	}
	return e, nil
}

// leg finds a leg's room: its subset, else the service that it leads to, is one of the room's words.
func (s *SplitterSpec) leg(split map[string]json.RawMessage) (leg, error) {
	var service, subset string
	var weight float64
	for key, into := range map[string]any{"Service": &service, "ServiceSubset": &subset, "Weight": &weight} {
		if raw, ok := split[key]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return leg{}, fmt.Errorf("%s is %s", key, shown(string(raw)))
			}
		}
	}
	l := leg{name: strings.Trim(service+"/"+subset, "/"), weight: int(math.Round(weight * 100))}
	if l.weight < 0 || l.weight > cutover.Whole || math.Abs(weight*100-float64(l.weight)) > 0.005 {
		return leg{}, fmt.Errorf("the weight %v of %s, want 0 to 100 with two decimals", weight, l.name)
	}
	for _, room := range s.rooms() {
		if !s.names(room, service, subset) {
			continue
		}
		if l.room != "" {
			return leg{}, fmt.Errorf("%s leads to %s and to %s", l.name, l.room, room)
		}
		l.room = room
	}
	return l, nil
}

// names tells whether a leg is a room's.
func (s *SplitterSpec) names(room cutover.Room, service, subset string) bool {
	for _, word := range s.Rooms[room] {
		if subset == word || service != s.Service && (service == word || service == s.Service+"-"+word) {
			return true
		}
	}
	return false
}

func (s *SplitterSpec) rooms() []cutover.Room { return sortedKeys(s.Rooms) }

// value is the weights of the rooms' legs, canonical: "cloud=5.00,home=95.00", in order of the rooms' names.
func (e *splitter) value() string {
	parts := map[cutover.Room]int{}
	for _, l := range e.legs {
		if l.room != "" {
			parts[l.room] = l.weight
		}
	}
	return legsText(parts)
}

func legsText(parts map[cutover.Room]int) string {
	var words []string
	for _, room := range sortedKeys(parts) {
		words = append(words, room+"="+percents(parts[room]))
	}
	return strings.Join(words, ",")
}

// percents is hundredths of a percent with both decimals.
func percents(n int) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

// parseLegs reads what legsText wrote, and nothing else.
func parseLegs(value string) (map[cutover.Room]int, error) {
	bad := fmt.Errorf("%s, want ROOM=PERCENT with two decimals for each room that a leg leads to", shown(value))
	parts := map[cutover.Room]int{}
	sum := 0
	for word := range strings.SplitSeq(value, ",") {
		i := strings.LastIndexByte(word, '=')
		if i <= 0 {
			return nil, bad
		}
		n, err := strconv.Atoi(strings.Replace(word[i+1:], ".", "", 1))
		if err != nil || n < 0 || n > cutover.Whole {
			return nil, bad
		}
		parts[word[:i]] = n
		sum += n
	}
	if sum > cutover.Whole || legsText(parts) != value {
		return nil, bad
	}
	return parts, nil
}

// sharesOf is the share that these weights give among the rooms; nil where other legs have all of it.
func sharesOf(parts map[cutover.Room]int) cutover.Share {
	w := cutover.Share{}
	for room, n := range parts {
		if n > 0 {
			w[room] = n
		}
	}
	return cutover.ShareOf(w)
}

func sumOf(parts map[cutover.Room]int) int {
	sum := 0
	for _, n := range parts {
		sum += n
	}
	return sum
}

// with is the entry, as it is sent, with other weights of the rooms' legs.
func (e *splitter) with(parts map[cutover.Room]int) ([]byte, error) {
	if rooms := sortedKeys(e.parts()); !slices.Equal(rooms, sortedKeys(parts)) {
		return nil, fmt.Errorf("legs that lead to %v, and %v are to be written", rooms, sortedKeys(parts))
	}
	splits := slices.Clone(e.splits)
	for i, l := range e.legs {
		n := parts[l.room]
		if l.room == "" || n == l.weight {
			continue
		}
		split := map[string]json.RawMessage{}
		for k, v := range splits[i] {
			split[k] = v
		}
		split["Weight"] = json.RawMessage(strconv.FormatFloat(float64(n)/100, 'f', -1, 64))
		splits[i] = split
	}
	entry := map[string]json.RawMessage{}
	for k, v := range e.entry {
		switch k {
		case "CreateIndex", "ModifyIndex", "Hash": // the server's own
		default:
			entry[k] = v
		}
	}
	var err error
	if entry["Splits"], err = json.Marshal(splits); err != nil {
		return nil, err
	}
	return json.Marshal(entry)
}
