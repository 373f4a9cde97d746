package consul

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestInstanceValues: what stands at a key, what each consumer makes of it, and that setting it and going back keeps every byte.
func TestInstanceValues(t *testing.T) {
	for _, c := range []struct {
		consumer    UpstreamConsumer
		value, text string
		units       int
		out, half   string // with no traffic, and with 50 units
	}{
		{Upsync, `{"weight":100,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}`, "100 down=0", 100,
			`{"weight":100,"max_fails":2,"fail_timeout":10,"down":1,"backup":0}`, `{"weight":50,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}`},
		{Upsync, `{"weight":100,"max_fails":2}`, "100", 100, `{"weight":100,"max_fails":2,"down":1}`, `{"weight":50,"max_fails":2}`},
		{Upsync, `{"weight":"100", "down":"1"}`, "100 down=1", 0, `{"weight":"100", "down":"1"}`, `{"weight":"50", "down":"0"}`},
		{Upsync, " {\r\n \"max_fails\" : 2 ,\t\"weight\" :\t7 \n} \n", "7", 7, " {\r\n \"max_fails\" : 2 ,\t\"weight\" :\t7,\"down\":1 \n} \n",
			" {\r\n \"max_fails\" : 2 ,\t\"weight\" :\t50 \n} \n"},
		{Upsync, `{"max_fails":2}`, "default", 1, `{"max_fails":2,"down":1}`, `{"max_fails":2,"weight":50}`},
		{Upsync, `{ }`, "default", 1, `{"down":1 }`, `{"weight":50 }`},
		{Upsync, ``, "empty", 1, `{"down":1}`, `{"weight":50}`},
		{Upsync, `{"weight":0}`, "0", 1, `{"weight":0,"down":1}`, `{"weight":50}`},
		{Upsync, `{"name":"✓ \"weight\":3","weight":4,"z":[{"weight":9,"down":1}]}`, "4", 4,
			`{"name":"✓ \"weight\":3","weight":4,"z":[{"weight":9,"down":1}],"down":1}`, `{"name":"✓ \"weight\":3","weight":50,"z":[{"weight":9,"down":1}]}`},
		{Upsync, `{"down":1}`, "default down=1", 0, `{"down":1}`, `{"down":0,"weight":50}`},
		{APISIX, `{"weight": 120, "max_fails": 2}`, "120", 120, `{"weight": 120, "max_fails": 2,"check_status":false}`, `{"weight": 50, "max_fails": 2}`},
		{APISIX, `{"weight":1,"check_status":"false","down":1}`, "1 check_status=false", 0, `{"weight":1,"check_status":"false","down":1}`,
			`{"weight":50,"check_status":"true","down":1}`},
		{APISIX, `{"weight":0}`, "0", 0, `{"weight":0}`, `{"weight":50}`},
	} {
		d := dialects[c.consumer]
		in, err := d.read([]byte(c.value))
		if err != nil {
			t.Errorf("%q: %v", c.value, err)
			continue
		}
		if text := d.text(in.state); text != c.text || d.units(in.state) != c.units {
			t.Errorf("%q is %q of %d units, want %q of %d", c.value, text, d.units(in.state), c.text, c.units)
		}
		if s, err := d.parse(c.text); err != nil || s != in.state {
			t.Errorf("%q is read as %+v (%v), want %+v", c.text, s, err, in.state)
		}
		for _, way := range []struct {
			units int
			want  string
		}{{0, c.out}, {50, c.half}} {
			now, err := d.write([]byte(c.value), d.set(in.state, way.units))
			if err != nil || string(now) != way.want {
				t.Errorf("%q with %d units is %q (%v), want %q", c.value, way.units, now, err, way.want)
				continue
			}
			if after, err := d.read(now); err != nil || d.units(after.state) != way.units {
				t.Errorf("%q weighs %d (%v), want %d", now, d.units(after.state), err, way.units)
			}
			if back, err := d.write(now, in.state); err != nil || string(back) != c.value {
				t.Errorf("%q by way of %q is %q (%v)", c.value, now, back, err)
			}
		}
	}
}

// TestInstanceRefused: what no consumer reads in one way only is named, and never more of the value than that.
func TestInstanceRefused(t *testing.T) {
	for _, c := range []struct {
		consumer    UpstreamConsumer
		value, says string
	}{
		{Upsync, `{"weight":-1}`, `"-1" at "weight"`}, {Upsync, `{"weight":1.5}`, "whole number"}, {Upsync, `{"weight":null}`, "null"},
		{Upsync, `{"weight":007}`, "no valid JSON"}, {Upsync, `{"weight":"007"}`, "whole number"}, {Upsync, `{"weight":[1]}`, "whole number"},
		{Upsync, `{"down":2}`, "want 0 or 1"}, {Upsync, `{"down":true}`, "want 0 or 1"}, {APISIX, `{"check_status":0}`, "want true or false"},
		{Upsync, `{"weight":1,"weight":1}`, "twice"}, {Upsync, `{"Weight":1}`, "other letters"}, {Upsync, `{"DOWN":1}`, "other letters"},
		{Upsync, `[1]`, "an array"}, {Upsync, `5`, "the number"}, {Upsync, `{"weight":1`, "no valid JSON"}, {Upsync, " ", "no valid JSON"},
		{APISIX, ``, "empty"}, {Upsync, `{"weight":1,"x":"` + strings.Repeat("secret", MaxInstance/6) + `"}`, "bytes, want at most"},
	} {
		_, err := dialects[c.consumer].read([]byte(c.value))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("%.60q: %v, want %q", c.value, err, c.says)
		}
	}
	for _, text := range []string{"", "x", "-1", "01", "1 ", " 1", "1 down=2", "1 check_status=false", "1 down=1 down=1", "empty down=1", "1 down"} {
		if s, err := dialects[Upsync].parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
	if _, err := dialects[APISIX].parse("empty"); err == nil {
		t.Error("an empty value is none of APISIX's")
	}
	if v, err := dialects[Upsync].write([]byte(`{"weight":5,"other":1}`), state{empty: true}); err == nil {
		t.Errorf("a value with somebody's member is emptied: %q", v)
	}
}

// FuzzInstance: whatever stands at a key, it is refused, or what we set reads as we set it, nothing of others changes, and the way back
// gives back every byte.
func FuzzInstance(f *testing.F) {
	f.Add(`{"weight":100,"down":0}`, 3)
	f.Add(`{ "a" : {"weight":[1,"}"]} , "weight":"1" }`, 0)
	f.Add(`{"\u0077eight":4}`, 9)
	f.Add("", 2)
	f.Fuzz(func(t *testing.T, value string, units int) {
		units = (units%10000 + 10000) % 10000
		for _, d := range dialects {
			in, err := d.read([]byte(value))
			if err != nil {
				continue
			}
			to := d.set(in.state, units)
			now, err := d.write([]byte(value), to)
			if err != nil {
				t.Fatalf("%q to %d units: %v", value, units, err)
			}
			after, err := d.read(now)
			if len(now) > MaxInstance {
				continue
			}
			if err != nil || after.state != to || d.units(after.state) != units {
				t.Fatalf("%q with %d units is %q, which is %+v (%v)", value, units, now, after.state, err)
			}
			if !reflect.DeepEqual(others(d, value), others(d, string(now))) {
				t.Fatalf("%q became %q", value, now)
			}
			if back, err := d.write(now, in.state); err != nil || string(back) != value {
				t.Fatalf("%q by way of %q is %q (%v)", value, now, back, err)
			}
		}
	})
}

// others is every member that isn't ours, by another way of reading JSON.
func others(d *dialect, value string) map[string]string {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(value), &m)
	out := map[string]string{}
	for k, v := range m {
		if k != "weight" && k != d.member {
			out[k] = string(v)
		}
	}
	return out
}
