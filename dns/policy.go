package dns

import "roomshift/aliyun"

// Policy is the least RAM policy for these zones, as JSON: what roomshift reads, and the three calls that it writes by.
func Policy(zones ...string) string {
	var resources []string
	for _, z := range zones {
		resources = append(resources, "acs:alidns:*:*:domain/"+z)
	}
	return aliyun.Policy("alidns", Actions, resources, "acs:alidns:*:*:domain/*")
}

// Actions are the calls of the API that a run makes.
var Actions = []string{"DescribeSubDomainRecords", "DescribeDNSSLBSubDomains", "DescribeDomainInfo", "UpdateDNSSLBWeight", "SetDomainRecordStatus", "UpdateDomainRecord"}
