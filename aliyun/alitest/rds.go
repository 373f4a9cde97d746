package alitest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// RDSOptions are what an instance is like. Apply carries a value out on the server itself, as the provider's own agent does.
type RDSOptions struct {
	Instance, Engine, EngineVersion string
	Parameter                       string // the only one that it knows
	Value                           string // at first
	Fixed, Restarts                 bool   // it can't be set, or only by a restart
	Apply                           func(value string) error
	Takes                           time.Duration // from an accepted request until Apply
	Now                             func() time.Time
}

// RDS is one instance: a change is accepted, then takes a while, one after the other, and is in the history all the time.
type RDS struct {
	o RDSOptions

	mu      sync.Mutex
	wanted  string
	running string
	log     []rdsChange
	queue   chan int // of log
	stuck   chan struct{}
	ended   chan struct{}
	end     func()
	done    sync.WaitGroup
}

type rdsChange struct {
	at       time.Time
	old, new string
	applied  bool
}

// NewRDS makes one; Close it.
func NewRDS(o RDSOptions) *RDS {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &RDS{o: o, wanted: o.Value, running: o.Value, queue: make(chan int, 1000), ended: make(chan struct{})}
	r.end = sync.OnceFunc(func() { close(r.ended) })
	r.done.Go(r.apply)
	return r
}

// Close ends it; what isn't applied by then never is.
func (r *RDS) Close() {
	r.end()
	r.done.Wait()
}

// apply is the provider's agent.
func (r *RDS) apply() {
	for {
		var i int
		select {
		case i = <-r.queue:
		case <-r.ended:
			return
		}
		r.mu.Lock()
		takes, value, stuck := r.o.Takes, r.log[i].new, r.stuck
		r.mu.Unlock()
		select {
		case <-time.After(takes):
		case <-r.ended:
			return
		}
		if stuck != nil {
			select {
			case <-stuck:
			case <-r.ended:
				return
			}
		}
		for r.o.Apply(value) != nil { // tried again until it is: nobody is asked
			select {
			case <-time.After(50 * time.Millisecond):
			case <-r.ended:
				return
			}
		}
		r.mu.Lock()
		r.running, r.log[i].applied = value, true
		r.mu.Unlock()
	}
}

// Takes is how long later changes take from now on.
func (r *RDS) Takes(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Takes = d
}

// Stick keeps accepted changes from being applied until the returned function is called.
func (r *RDS) Stick() (loose func()) {
	c := make(chan struct{})
	r.mu.Lock()
	r.stuck = c
	r.mu.Unlock()
	return sync.OnceFunc(func() {
		r.mu.Lock()
		r.stuck = nil
		r.mu.Unlock()
		close(c)
	})
}

// Log is the accepted values, in order.
func (r *RDS) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, c := range r.log {
		out = append(out, c.new)
	}
	return out
}

// Change is what somebody does in the console.
func (r *RDS) Change(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, rdsChange{at: r.o.Now(), old: r.wanted, new: value})
	r.wanted = value
	r.queue <- len(r.log) - 1
}

// Actions are those of Rds 2014-08-15 that are known here.
func (r *RDS) Actions() map[string]Action {
	const version = "2014-08-15"
	of := func(do func(q url.Values) (map[string]any, *Error)) func(q url.Values) (map[string]any, *Error) {
		return func(q url.Values) (map[string]any, *Error) {
			if q.Get("DBInstanceId") != r.o.Instance {
				return nil, Refusal("InvalidDBInstanceId.NotFound", "The DBInstanceId provided does not exist in our records.")
			}
			return do(q)
		}
	}
	return map[string]Action{
		"ModifyParameter":            {Version: version, Writes: true, Do: of(r.modify)},
		"DescribeParameters":         {Version: version, Do: of(r.describe)},
		"DescribeModifyParameterLog": {Version: version, Do: of(r.history)},
		"DescribeParameterTemplates": {Version: version, Do: r.templates},
	}
}

func (r *RDS) modify(q url.Values) (map[string]any, *Error) {
	var params map[string]string
	if json.Unmarshal([]byte(q.Get("Parameters")), &params) != nil || len(params) != 1 {
		return nil, Refusal("InvalidParameter.Format", "Specified parameter is not valid.")
	}
	value, ok := params[r.o.Parameter]
	if !ok || r.o.Fixed || value != "0" && value != "1" {
		return nil, Refusal("InvalidParameter.Format", "Specified parameter is not valid.")
	}
	r.Change(value)
	return map[string]any{}, nil
}

func (r *RDS) describe(url.Values) (map[string]any, *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := func(value string) map[string]any {
		return map[string]any{"DBInstanceParameter": []map[string]any{
			{"ParameterName": "back_log", "ParameterValue": "3000"}, {"ParameterName": r.o.Parameter, "ParameterValue": value}}}
	}
	return map[string]any{"Engine": r.o.Engine, "EngineVersion": r.o.EngineVersion, "ConfigParameters": list(r.wanted), "RunningParameters": list(r.running)}, nil
}

func (r *RDS) history(q url.Values) (map[string]any, *Error) {
	const minute = "2006-01-02T15:04Z"
	from, err := time.Parse(minute, q.Get("StartTime"))
	until, err2 := time.Parse(minute, q.Get("EndTime"))
	size, err3 := strconv.Atoi(q.Get("PageSize"))
	number, err4 := strconv.Atoi(q.Get("PageNumber"))
	if err != nil || err2 != nil || err3 != nil || err4 != nil || !slices.Contains([]int{30, 50, 100}, size) || number < 1 {
		return nil, Refusal("InvalidParameter", "Specified parameter is not valid.")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []map[string]any{}
	for _, c := range slices.Backward(r.log) {
		if c.at.Before(from) || c.at.After(until) {
			continue
		}
		status := "Syncing"
		if c.applied {
			status = "Applied"
		}
		all = append(all, map[string]any{"ParameterName": r.o.Parameter, "OldParameterValue": c.old, "NewParameterValue": c.new, "Status": status,
			"ModifyTime": strconv.FormatInt(c.at.UnixMilli(), 10)})
	}
	begin := min((number-1)*size, len(all))
	end := min(begin+size, len(all))
	return map[string]any{"Items": map[string]any{"ParameterChangeLog": all[begin:end]}, "TotalRecordCount": len(all), "PageNumber": number,
		"PageRecordCount": end - begin}, nil
}

func (r *RDS) templates(q url.Values) (map[string]any, *Error) {
	records := []map[string]any{{"ParameterName": "back_log", "ForceModify": "true", "ForceRestart": "true", "CheckingCode": "[0-65535]"}}
	if q.Get("Engine") == r.o.Engine && q.Get("EngineVersion") == r.o.EngineVersion {
		records = append(records, map[string]any{"ParameterName": r.o.Parameter, "ForceModify": strconv.FormatBool(!r.o.Fixed),
			"ForceRestart": strconv.FormatBool(r.o.Restarts), "CheckingCode": "[0|1]"})
	}
	return map[string]any{"Parameters": map[string]any{"TemplateRecord": records}}, nil
}
