package dns

import (
	"fmt"
	"strings"
)

// Policy is the least RAM policy for these zones, as JSON: what roomshift reads, and the three calls that it writes by.
func Policy(zones ...string) string {
	var resources []string
	for _, z := range zones {
		resources = append(resources, fmt.Sprintf("%q", "acs:alidns:*:*:domain/"+z))
	}
	if len(resources) == 0 {
		resources = []string{`"acs:alidns:*:*:domain/*"`}
	}
	var names []string
	for _, a := range Actions {
		names = append(names, fmt.Sprintf("%q", "alidns:"+a))
	}
	return `{"Version": "1", "Statement": [{"Effect": "Allow",
  "Action": [` + strings.Join(names, ", ") + `],
  "Resource": [` + strings.Join(resources, ", ") + `]}]}`
}

// Actions are the calls of the API that a run makes.
var Actions = []string{"DescribeSubDomainRecords", "DescribeDNSSLBSubDomains", "DescribeDomainInfo", "UpdateDNSSLBWeight", "SetDomainRecordStatus", "UpdateDomainRecord"}
