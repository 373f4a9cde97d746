package dbsync

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// position is a place in a master's binlog. Files of one master are numbered, with more digits when those are used up.
type position struct {
	file   string
	offset int64
}

func parsePosition(file, offset string) (position, error) {
	n, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || file == "" {
		return position{}, fmt.Errorf("binlog position %q:%q, want file:number", file, offset)
	}
	return position{file, n}, nil
}

// compare orders positions of one master.
func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.fileNumber(), q.fileNumber()), cmp.Compare(p.offset, q.offset))
}

func (p position) fileNumber() int64 {
	_, digits, _ := strings.Cut(p.file[strings.LastIndexByte(p.file, '/')+1:], ".")
	if i := strings.LastIndexByte(digits, '.'); i >= 0 {
		digits = digits[i+1:]
	}
	n, _ := strconv.ParseInt(digits, 10, 64) // a server's own file always ends in its number
	return n
}
