package aliyun

import (
	"fmt"
	"strings"
)

// Policy is a RAM policy, as JSON, that allows actions of a product on resources; none: on everything.
func Policy(product string, actions, resources []string, everything string) string {
	if len(resources) == 0 {
		resources = []string{everything}
	}
	quote := func(prefix string, all []string) string {
		var out []string
		for _, s := range all {
			out = append(out, fmt.Sprintf("%q", prefix+s))
		}
		return strings.Join(out, ", ")
	}
	return `{"Version": "1", "Statement": [{"Effect": "Allow",
  "Action": [` + quote(product+":", actions) + `],
  "Resource": [` + quote("", resources) + `]}]}`
}
