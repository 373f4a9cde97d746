package consul_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roomshift/consul"
)

// TestPassing: instances that pass, by the service's own address or else its node's; not one that fails a check. The token needs no more
// than ReadPolicy, and sees nothing without any line of it.
func TestPassing(t *testing.T) {
	service := "reader-" + unique()
	for i, c := range []struct{ own, status string }{{"127.2.0.11", "passing"}, {"", "passing"}, {"127.2.0.13", "critical"}} {
		node := fmt.Sprintf("%s-%d", service, i)
		asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(
			`{"Node":%q,"Address":"127.2.1.%d","Service":{"ID":%q,"Service":%q,"Address":%q,"Port":3306},"Check":{"CheckID":"up","Status":%q,"ServiceID":%q}}`,
			node, i, node, service, c.own, c.status, node))
		t.Cleanup(func() {
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/deregister", fmt.Sprintf(`{"Node":%q}`, node))
		})
	}
	policy := consul.ReadPolicy(service, service)
	for i := range policy {
		setRules(t, strings.Join(slices.Delete(slices.Clone(policy), i, i+1), "\n"))
		if got, err := client(t, "", nil).Passing(within10s(t), service); err == nil && len(got) > 0 {
			t.Errorf("without %s: %v", policy[i], got)
		}
	}
	setRules(t, strings.Join(policy, "\n"))
	want := []string{"127.2.0.11:3306", "127.2.1.1:3306"}
	if got, err := client(t, "", nil).Passing(within10s(t), service); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err := client(t, "", nil).Passing(within10s(t), "nobody-"+unique()); err != nil || len(got) != 0 {
		t.Errorf("of a service that isn't there: %v, %v", got, err)
	}
	if _, err := client(t, "127.0.0.1:1", nil).Passing(within10s(t), service); err == nil {
		t.Error("a consul that isn't there listed something")
	}
}
