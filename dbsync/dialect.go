package dbsync

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// version is what a server says of itself. Versions of MariaDB and MySQL can't be compared with each other.
type version struct {
	mariadb bool
	n       [3]int
	text    string
}

// oldest is the first MariaDB whose statements and columns this package relies on.
var oldest = [3]int{10, 6, 0}

var versionForm = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`) // 5.5.5- stands before old MariaDBs' own

// parseVersion reads VERSION(). MariaDB says its name there, MySQL doesn't.
func parseVersion(text string) (version, error) {
	v := version{mariadb: strings.Contains(text, "MariaDB"), text: text}
	m := versionForm.FindStringSubmatch(text)
	if m == nil {
		return v, fmt.Errorf("version %q: %w: want MariaDB 10.6 or later", text, ErrUnsupported)
	}
	for i := range v.n {
		v.n[i], _ = strconv.Atoi(m[i+1]) // the pattern lets digits only pass
	}
	return v, nil
}

// String is "MariaDB 10.11.14".
func (v version) String() string {
	name := "MySQL"
	if v.mariadb {
		name = "MariaDB"
	}
	return fmt.Sprintf("%s %d.%d.%d", name, v.n[0], v.n[1], v.n[2])
}

// supported is nil, or ErrUnsupported by name and version.
func (v version) supported() error {
	if !v.mariadb || slices.Compare(v.n[:], oldest[:]) < 0 {
		return fmt.Errorf("%s: %w: want MariaDB 10.6 or later", v, ErrUnsupported)
	}
	return nil
}

// parseReadOnly reads @@read_only as text: newer servers have more than two values.
func parseReadOnly(text string) (bool, error) {
	switch strings.ToUpper(text) {
	case "0", "OFF":
		return false, nil
	case "1", "2", "3", "ON", "NO_LOCK", "NO_LOCK_NO_ADMIN":
		return true, nil
	}
	return false, fmt.Errorf("read_only is %q, want one of OFF, ON, NO_LOCK, NO_LOCK_NO_ADMIN", text)
}
