package alidnstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// action carries one out and returns the members of its answer.
type action func(s *Server, q url.Values) (map[string]any, *apiError)

var actions = map[string]action{
	"DescribeDomainRecords":    (*Server).describeRecords,
	"DescribeSubDomainRecords": (*Server).describeSubDomain,
	"DescribeDomainRecordInfo": (*Server).describeRecord,
	"DescribeDNSSLBSubDomains": (*Server).describeSwitches,
	"DescribeDomainInfo":       (*Server).describeDomain,
	"UpdateDNSSLBWeight":       (*Server).updateWeight,
	"SetDNSSLBStatus":          (*Server).setSwitch,
	"UpdateDomainRecord":       (*Server).updateRecord,
	"SetDomainRecordStatus":    (*Server).setStatus,
	"AddDomainRecord":          (*Server).addRecord,
	"DeleteDomainRecord":       (*Server).deleteRecord,
}

// writes are the actions that change something.
var writes = map[string]bool{"UpdateDNSSLBWeight": true, "SetDNSSLBStatus": true, "UpdateDomainRecord": true,
	"SetDomainRecordStatus": true, "AddDomainRecord": true, "DeleteDomainRecord": true}

// serve answers one request of the API. All parameters are in the query, as the SDK sends them, or in a form.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.answerError(w, refuse("InvalidParameter", "The request can't be read."))
		return
	}
	q := r.Form
	name := q.Get("Action")
	err := s.admit(r.Method, name, q)
	f := s.came(name, err == nil)
	if err != nil {
		s.answerError(w, err)
		return
	}
	s.disturbed(w, r, name, f, q)
}

// admit refuses what isn't well signed, what no API knows, and what the account may not do.
func (s *Server) admit(method, name string, q url.Values) *apiError {
	if err := s.authenticate(method, q); err != nil {
		return err
	}
	if actions[name] == nil {
		return &apiError{status: http.StatusNotFound, code: "InvalidAction.NotFound", message: "Specified api is not found, please check your url and method."}
	}
	if s.o.Allowed != nil && !slices.Contains(s.o.Allowed, name) {
		return &apiError{status: http.StatusForbidden, code: "Forbidden.RAM", message: "User not authorized to operate on the specified resource, or this API doesn't support RAM."}
	}
	return nil
}

// came counts a request and takes the fault that meets it, at once: who sees the count knows that no later request gets that fault.
func (s *Server) came(name string, admitted bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	if !admitted {
		return nil
	}
	if writes[name] {
		s.writes++
	}
	if f := s.meets(name); f != nil {
		return f
	}
	return &Fault{}
}

// disturbed carries a request out as its fault has it.
func (s *Server) disturbed(w http.ResponseWriter, r *http.Request, name string, f *Fault, q url.Values) {
	switch f.Kind {
	case Refuse:
		s.answerError(w, &apiError{status: cmp.Or(f.Status, http.StatusBadRequest), code: f.Code, message: "The emulator was told to refuse this."})
		return
	case Throttle:
		s.answerError(w, throttled(f.RetryAfter))
		return
	case Hang:
		select {
		case <-r.Context().Done():
		case <-s.ended:
		}
		return
	case Meanwhile:
		f.Do()
	}
	var answer map[string]any
	var err *apiError
	land := func() { answer, err = s.perform(name, q) }
	if f.Kind == Late || f.Kind == Held {
		if !s.hold(r, f, land) {
			return
		}
	} else {
		land()
	}
	s.reply(w, f, answer, err)
}

// reply answers a request that was carried out or refused, as its fault has it.
func (s *Server) reply(w http.ResponseWriter, f *Fault, answer map[string]any, err *apiError) {
	total, listing := answer["TotalCount"].(int)
	switch {
	case f.Kind == LoseReply:
		panic(http.ErrAbortHandler)
	case f.Kind == Garbage:
		fmt.Fprint(w, "<html>a proxy's page</html>")
	case err != nil:
		s.answerError(w, err)
	case f.Kind == HalfPage && listing:
		answer["TotalCount"] = total + 1
		fallthrough
	default:
		s.answer(w, http.StatusOK, answer)
	}
}

func throttled(after time.Duration) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "Throttling.User", message: "Request was denied due to user flow control.", retryAfter: after}
}

// perform carries an action out, unless the account has called it too often.
func (s *Server) perform(name string, q url.Values) (map[string]any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.o.PerSecond[name]; limit > 0 {
		now := s.o.Now()
		recent := slices.DeleteFunc(s.asked[name], func(at time.Time) bool { return now.Sub(at) >= time.Second })
		if len(recent) >= limit {
			s.asked[name] = recent
			return nil, throttled(time.Second)
		}
		s.asked[name] = append(recent, now)
	}
	return actions[name](s, q)
}

func (s *Server) answerError(w http.ResponseWriter, e *apiError) {
	if e.retryAfter > 0 {
		w.Header().Set("x-ratelimit-user-api", fmt.Sprintf("Limit:10,Remain:0,TimeLeft:%d,TimeWindow:1000", e.retryAfter.Milliseconds()))
	}
	s.answer(w, e.status, map[string]any{"HostId": "alidns.aliyuncs.com", "Code": e.code, "Message": e.message,
		"Recommend": "https://error-center.aliyun.com/status/search?Keyword=" + e.code})
}

func (s *Server) answer(w http.ResponseWriter, status int, members map[string]any) {
	s.mu.Lock()
	members["RequestId"] = fmt.Sprintf("%08X-0000-4000-8000-%012X", s.rnd.Uint32(), s.rnd.Uint32())
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(members) // a client that has gone doesn't read it
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
