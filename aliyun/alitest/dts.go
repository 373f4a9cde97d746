package alitest

import (
	"net"
	"net/url"
	"strconv"
)

// DTSTask is what the synchronization service says of one direction of a task. Status is its word, such as "Synchronizing",
// "Suspending", "Failed".
type DTSTask struct {
	Status, Error string
	DelayMS       int64 // -1: not said
	Checkpoint    int64 // seconds; 0: not said
	Began         int64 // seconds: what the detail calls its checkpoint
	Reserved      string
	Source, Dest  [3]string // instance, host:port, account
}

// DTSActions are those of Dts 2020-01-01 that are known here. task tells how one stands now.
func DTSActions(task func(id string, reverse bool) (DTSTask, bool)) map[string]Action {
	const version = "2020-01-01"
	find := func(q url.Values, name string) (DTSTask, *Error) {
		if q.Get(name) == "" {
			return DTSTask{}, Refusal("Missing"+name, name+" is mandatory for this action.")
		}
		t, ok := task(q.Get(name), q.Get("SynchronizationDirection") == "Reverse")
		if !ok {
			return DTSTask{}, Refusal("InvalidJobId", "The job does not exist.")
		}
		return t, nil
	}
	return map[string]Action{
		"DescribeSynchronizationJobStatus": {Version: version, Do: func(q url.Values) (map[string]any, *Error) {
			t, err := find(q, "SynchronizationJobId")
			if err != nil {
				return nil, err
			}
			part := map[string]any{"Status": t.Status, "ErrorMessage": t.Error}
			if t.Status == "Synchronizing" {
				part["Status"] = "Migrating"
			}
			if t.Checkpoint > 0 {
				part["Checkpoint"] = strconv.FormatInt(t.Checkpoint, 10)
			}
			if t.DelayMS >= 0 {
				part["DelayMillis"] = t.DelayMS
			}
			return map[string]any{"Success": "true", "SynchronizationJobId": q.Get("SynchronizationJobId"), "Status": t.Status, "ErrorMessage": t.Error,
				"SynchronizationDirection":  q.Get("SynchronizationDirection"),
				"DataSynchronizationStatus": part, "SourceEndpoint": endpoint(t.Source), "DestinationEndpoint": endpoint(t.Dest)}, nil
		}},
		"DescribeDtsJobDetail": {Version: version, Do: func(q url.Values) (map[string]any, *Error) {
			t, err := find(q, "DtsJobId")
			if err != nil {
				return nil, err
			}
			members := map[string]any{"Success": true, "HttpStatusCode": 200, "DtsJobId": q.Get("DtsJobId"), "Status": t.Status, "ErrorMessage": t.Error, "Reserved": t.Reserved}
			if t.DelayMS >= 0 { // the real one keeps the last delay of a task that has stopped
				members["Delay"] = t.DelayMS
			}
			if t.Began > 0 {
				members["Checkpoint"] = t.Began
			}
			return members, nil
		}},
	}
}

func endpoint(e [3]string) map[string]any {
	host, port, _ := net.SplitHostPort(e[1])
	return map[string]any{"InstanceId": e[0], "IP": host, "Port": port, "UserName": e[2], "EngineName": "MySQL", "InstanceType": "RDS"}
}
