package alidnstest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shown is a record as listings have it. Weight is said only where weights are on.
func (s *Server) shown(r *Record) map[string]any {
	status := "ENABLE"
	if r.Disabled {
		status = "DISABLE"
	}
	m := map[string]any{"RecordId": r.ID, "DomainName": r.Zone, "RR": r.RR, "Type": r.Type, "Line": r.Line, "Value": r.Value,
		"TTL": r.TTL, "Priority": r.Priority, "Status": status, "Locked": r.Locked, "Remark": r.Remark}
	if s.weighted(r) {
		m["Weight"] = r.Weight
	}
	return m
}

// weighted tells whether a record's weight means something.
func (s *Server) weighted(r *Record) bool {
	return slices.Contains([]string{"A", "AAAA", "CNAME"}, r.Type) && !strings.HasPrefix(r.RR, "*") && !s.off[switchKey{r.Name(), r.Type, r.Line}]
}

func (s *Server) list(q url.Values, is func(*Record) bool) (map[string]any, *apiError) {
	var all []map[string]any
	for _, r := range s.records {
		if is(r) && (q.Get("Type") == "" || strings.EqualFold(q.Get("Type"), r.Type)) && (q.Get("Line") == "" || q.Get("Line") == r.Line) {
			all = append(all, s.shown(r))
		}
	}
	some, m, err := page(s, q, all, 500)
	if err != nil {
		return nil, err
	}
	m["DomainRecords"] = map[string]any{"Record": some}
	return m, nil
}

func (s *Server) describeRecords(q url.Values) (map[string]any, *apiError) {
	z := s.zones[q.Get("DomainName")]
	if z == nil {
		return nil, noZone()
	}
	return s.list(q, func(r *Record) bool {
		return r.Zone == z.name && (q.Get("RRKeyWord") == "" || strings.Contains(r.RR, q.Get("RRKeyWord")))
	})
}

func (s *Server) describeDomain(q url.Values) (map[string]any, *apiError) {
	z := s.zones[q.Get("DomainName")]
	if z == nil {
		return nil, noZone()
	}
	var servers []string
	for _, ns := range s.names {
		servers = append(servers, strings.TrimSuffix(ns.name, "."))
	}
	return map[string]any{"DomainName": z.name, "MinTtl": s.o.MinTTL, "DnsServers": map[string]any{"DnsServer": servers}}, nil
}

func noZone() *apiError {
	return refuse("InvalidDomainName.NoExist", "The specified domain name does not exist. Refresh the page and try again.")
}

// describeSubDomain: without DomainName the zone is the main domain; an apex is found with its zone named, or as @.ZONE.
func (s *Server) describeSubDomain(q url.Values) (map[string]any, *apiError) {
	sub, domain := q.Get("SubDomain"), q.Get("DomainName")
	if sub == "" {
		return nil, refuse("MissingSubDomain", "SubDomain is mandatory for this action.")
	}
	bare := strings.TrimPrefix(sub, "@.")
	z := s.zones[domain]
	if domain == "" {
		z = s.zoneOf(bare)
	}
	if z == nil {
		return nil, noZone()
	}
	if domain == "" && bare == z.name && bare == sub {
		return nil, refuse("InvalidRR.NoExist", "The specified subdomain is not valid.")
	}
	return s.list(q, func(r *Record) bool { return r.Zone == z.name && r.Name() == bare })
}

func (s *Server) describeRecord(q url.Values) (map[string]any, *apiError) {
	r := s.find(q.Get("RecordId"))
	if r == nil {
		return nil, noRecord()
	}
	return s.shown(r), nil
}

func noRecord() *apiError {
	return refuse("DomainRecordNotBelongToUser", "The domain record does not belong to this user.")
}

// describeSwitches lists names that have more than one record of a type that weights are made of.
func (s *Server) describeSwitches(q url.Values) (map[string]any, *apiError) {
	z := s.zones[q.Get("DomainName")]
	if z == nil {
		return nil, noZone()
	}
	var all []map[string]any
	seen := map[switchKey]bool{}
	for _, r := range s.records {
		key := switchKey{r.Name(), r.Type, ""}
		if r.Zone != z.name || seen[key] || !slices.Contains([]string{"A", "AAAA", "CNAME"}, r.Type) || q.Get("Rr") != "" && q.Get("Rr") != r.RR {
			continue
		}
		seen[key] = true
		if m, ok := s.switches(r); ok {
			all = append(all, m)
		}
	}
	some, m, err := page(s, q, all, 100)
	if err != nil {
		return nil, err
	}
	m["SlbSubDomains"] = map[string]any{"SlbSubDomain": some}
	return m, nil
}

// switches is what is said of the weights of a record's name and type.
func (s *Server) switches(of *Record) (map[string]any, bool) {
	count, open := 0, false
	var lines []string
	for _, r := range s.records {
		if r.Name() == of.Name() && r.Type == of.Type {
			count++
			if !slices.Contains(lines, r.Line) {
				lines = append(lines, r.Line)
			}
		}
	}
	if count < 2 {
		return nil, false
	}
	var algorithms []map[string]any
	for _, line := range lines {
		on := !s.off[switchKey{of.Name(), of.Type, line}]
		open = open || on
		algorithms = append(algorithms, map[string]any{"Line": line, "Open": on})
	}
	return map[string]any{"Type": of.Type, "RecordCount": count, "SubDomain": of.Name(), "Open": open,
		"LineAlgorithms": map[string]any{"LineAlgorithm": algorithms}}, true
}

// writable is a record that may be changed.
func (s *Server) writable(q url.Values) (*Record, *apiError) {
	r := s.find(q.Get("RecordId"))
	if r == nil {
		return nil, noRecord()
	}
	switch z := s.zones[r.Zone]; {
	case z.forbidden:
		return nil, refuse("DomainForbidden", "The action could not be completed because the domain has been forbidden.")
	case z.blackHole:
		return nil, refuse("RecordForbidden.BlackHole", "The action could not be completed because there are some records have been into black hole.")
	case z.dnsChange:
		return nil, refuse("RecordForbidden.DNSChange", "The action could not be completed because DNS is changing.")
	case r.Locked:
		return nil, refuse("DomainRecordLocked", "The domain record has been locked.")
	}
	return r, nil
}

func (s *Server) updateWeight(q url.Values) (map[string]any, *apiError) {
	r, err := s.writable(q)
	if err != nil {
		return nil, err
	}
	n, bad := strconv.Atoi(q.Get("Weight"))
	switch {
	case r.Disabled:
		return nil, refuse("DomainRecordDisable", "The domain record is disable.")
	case strings.HasPrefix(r.RR, "*"):
		return nil, refuse("PanDomainRecord", "The domain record is Pan domain record.")
	case s.off[switchKey{r.Name(), r.Type, r.Line}]:
		return nil, refuse("DisableDNSSLB", "The subdomain's DNS SLB status is closed.")
	case bad != nil || n < 1 || n > 100:
		return nil, refuse("InvalidWeigth", "The weigth value is invalid.")
	}
	r.Weight = n
	s.note("UpdateDNSSLBWeight", r, fmt.Sprintf("weight %d", n))
	return map[string]any{"RecordId": r.ID, "Weight": n}, nil
}

func (s *Server) note(action string, r *Record, what string) {
	s.log = append(s.log, fmt.Sprintf("%s %s %s %s: %s", action, r.Name(), r.Line, r.Value, what))
}

func (s *Server) setSwitch(q url.Values) (map[string]any, *apiError) {
	sub := q.Get("SubDomain")
	bare := strings.TrimPrefix(sub, "@.")
	z := s.zoneOf(bare)
	if z == nil || bare == sub && bare == z.name {
		return nil, noZone()
	}
	kind := q.Get("Type")
	if kind == "" {
		kind = "A"
	}
	open, count := q.Get("Open") != "false", 0
	for _, r := range s.records {
		if r.Name() == bare && r.Type == kind && (q.Get("Line") == "" || q.Get("Line") == r.Line) {
			count++
			s.off[switchKey{bare, kind, r.Line}] = !open
		}
	}
	return map[string]any{"RecordCount": count, "Open": open}, nil
}

func (s *Server) setStatus(q url.Values) (map[string]any, *apiError) {
	r, err := s.writable(q)
	if err != nil {
		return nil, err
	}
	switch status := q.Get("Status"); {
	case strings.EqualFold(status, "Enable"):
		r.Disabled = false
	case strings.EqualFold(status, "Disable"):
		r.Disabled = true
	default:
		return nil, refuse("InvalidStatus", "The status value is invalid.")
	}
	s.note("SetDomainRecordStatus", r, q.Get("Status"))
	return map[string]any{"RecordId": r.ID, "Status": q.Get("Status")}, nil
}

// updateRecord sets everything of a record: what a client leaves out gets its default.
func (s *Server) updateRecord(q url.Values) (map[string]any, *apiError) {
	r, err := s.writable(q)
	if err != nil {
		return nil, err
	}
	next := *r
	next.RR, next.Type, next.Value, next.Line = q.Get("RR"), q.Get("Type"), q.Get("Value"), q.Get("Line")
	if next.Line == "" {
		next.Line = "default"
	}
	if next.TTL, err = s.ttl(q); err != nil {
		return nil, err
	}
	if v := q.Get("Priority"); v != "" {
		next.Priority, _ = strconv.ParseInt(v, 10, 64)
	}
	if next == *r {
		return nil, refuse("DomainRecordDuplicate", "The DNS record already exists.")
	}
	if err := s.clashes(&next, r); err != nil {
		return nil, err
	}
	if s.o.ResetsWeight {
		next.Weight = 1
	}
	*r = next
	s.note("UpdateDomainRecord", r, fmt.Sprintf("TTL %d", r.TTL))
	return map[string]any{"RecordId": r.ID}, nil
}

func (s *Server) ttl(q url.Values) (int64, *apiError) {
	v := q.Get("TTL")
	if v == "" {
		return 600, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < s.o.MinTTL || n > 86400 {
		return 0, refuse("QuotaExceeded.TTL", "The TTL value is not supported by the edition of this domain.")
	}
	return n, nil
}

// clashes refuses a record beside what is there already. was is the one it replaces.
func (s *Server) clashes(next, was *Record) *apiError {
	same, inZone := 0, 0
	for _, r := range s.records {
		if r == was {
			continue
		}
		if r.Zone == next.Zone {
			inZone++
		}
		if r.Zone != next.Zone || r.RR != next.RR || r.Line != next.Line {
			continue
		}
		switch {
		case r.Type == next.Type && r.Value == next.Value:
			return refuse("DomainRecordDuplicate", "The DNS record already exists.")
		case (r.Type == "CNAME") != (next.Type == "CNAME"):
			return refuse("DomainRecordConflict", "The DNS record conflicts with other records.")
		case r.Type == next.Type:
			same++
		}
	}
	switch {
	case s.o.MaxRecords > 0 && inZone >= s.o.MaxRecords:
		return refuse("QuotaExceeded.Record", "The number of DNS records exceeds the limit.")
	case same >= s.o.MaxWeighted:
		return refuse("QuotaExceeded.ARecord", "The number of A records exceeds the limit.")
	}
	return nil
}

func (s *Server) addRecord(q url.Values) (map[string]any, *apiError) {
	z := s.zones[q.Get("DomainName")]
	if z == nil {
		return nil, noZone()
	}
	r := Record{Zone: z.name, RR: q.Get("RR"), Type: q.Get("Type"), Value: q.Get("Value"), Line: q.Get("Line")}
	if r.Line == "" {
		r.Line = "default"
	}
	var err *apiError
	if r.TTL, err = s.ttl(q); err != nil {
		return nil, err
	}
	if err := s.clashes(&r, nil); err != nil {
		return nil, err
	}
	made := s.add(r)
	s.note("AddDomainRecord", made, "added")
	return map[string]any{"RecordId": made.ID}, nil
}

func (s *Server) deleteRecord(q url.Values) (map[string]any, *apiError) {
	r, err := s.writable(q)
	if err != nil {
		return nil, err
	}
	s.records = slices.DeleteFunc(s.records, func(x *Record) bool { return x == r })
	s.note("DeleteDomainRecord", r, "deleted")
	return map[string]any{"RecordId": r.ID}, nil
}
