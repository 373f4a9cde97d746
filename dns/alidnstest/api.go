package alidnstest

import (
	"net/url"
	"strconv"

	"roomshift/aliyun/alitest"
)

// apiError is what the API refuses a request with.
type apiError = alitest.Error

func refuse(code, message string) *apiError { return alitest.Refusal(code, message) }

// actions are those of Alidns 2015-01-09 that are known here. Each is carried out with mu held, and returns the members of its answer.
func (s *Server) actions() map[string]alitest.Action {
	of := func(writes bool, do func(url.Values) (map[string]any, *apiError)) alitest.Action {
		return alitest.Action{Version: "2015-01-09", Writes: writes, Do: func(q url.Values) (map[string]any, *apiError) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return do(q)
		}}
	}
	return map[string]alitest.Action{
		"DescribeDomainRecords":    of(false, s.describeRecords),
		"DescribeSubDomainRecords": of(false, s.describeSubDomain),
		"DescribeDomainRecordInfo": of(false, s.describeRecord),
		"DescribeDNSSLBSubDomains": of(false, s.describeSwitches),
		"DescribeDomainInfo":       of(false, s.describeDomain),
		"UpdateDNSSLBWeight":       of(true, s.updateWeight),
		"SetDNSSLBStatus":          of(true, s.setSwitch),
		"UpdateDomainRecord":       of(true, s.updateRecord),
		"SetDomainRecordStatus":    of(true, s.setStatus),
		"AddDomainRecord":          of(true, s.addRecord),
		"DeleteDomainRecord":       of(true, s.deleteRecord),
	}
}

// page cuts a listing. Pages begin with 1.
func page[T any](s *Server, q url.Values, all []T, most int64) (some []T, members map[string]any, bad *apiError) {
	number, size := int64(1), int64(20)
	for name, at := range map[string]*int64{"PageNumber": &number, "PageSize": &size} {
		if v := q.Get(name); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 1 || name == "PageSize" && n > most {
				return nil, nil, refuse("InvalidParameter", "Specified parameter "+name+" is not valid.")
			}
			*at = n
		}
	}
	size = min(size, s.o.PageLimit)
	from := min((number-1)*size, int64(len(all)))
	to := min(from+size, int64(len(all)))
	return all[from:to], map[string]any{"TotalCount": len(all), "PageNumber": number, "PageSize": size}, nil
}
