package cutovertest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// mistakenMedium is a Memory that does one thing wrong.
type mistakenMedium struct {
	*cutovertest.Memory
	fence cutover.Fence
	read  func(held []cutover.Held, err error) ([]cutover.Held, error)
	shape func(waves [][]cutover.Change) [][]cutover.Change
	write func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome
}

func (m *mistakenMedium) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	held, err := m.Memory.Read(ctx, seats)
	if m.read != nil {
		return m.read(held, err)
	}
	return held, err
}

func (m *mistakenMedium) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	waves, err := m.Memory.Shape(held, want)
	if m.shape != nil {
		waves = m.shape(waves)
	}
	return waves, err
}

func (m *mistakenMedium) Write(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
	if m.write != nil {
		return m.write(ctx, f, c)
	}
	return m.Memory.Write(ctx, f, c)
}

// turned is a Write whose outcomes are turned into others.
func (m *mistakenMedium) turned(by func(o *cutover.Outcome, c cutover.Change)) {
	m.write = func(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
		outs := m.Memory.Write(ctx, f, changes)
		for i := range outs {
			by(&outs[i], changes[i])
		}
		return outs
	}
}

// mediumMistakes are by the subtest that must catch them.
var mediumMistakes = map[string]func(m *mistakenMedium){
	"read lists every seat in order/unordered": func(m *mistakenMedium) {
		m.read = func(h []cutover.Held, err error) ([]cutover.Held, error) { slices.Reverse(h); return h, err }
	},
	"read lists every seat in order/stranger": func(m *mistakenMedium) {
		m.read = func(h []cutover.Held, err error) ([]cutover.Held, error) { return h, nil }
	},
	"a partial listing is an error/shorter": func(m *mistakenMedium) {
		m.read = func(h []cutover.Held, err error) ([]cutover.Held, error) { return h, nil }
	},
	"read after write gives the value and keeps the rest/lies": func(m *mistakenMedium) {
		m.write = func(_ context.Context, _ cutover.Fence, c []cutover.Change) []cutover.Outcome {
			outs := make([]cutover.Outcome, len(c))
			for i := range outs {
				outs[i].What = cutover.Done
			}
			return outs
		}
	},
	"read after write gives the value and keeps the rest/forgets the version": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) { o.Version = "" })
	},
	"writing what is there is done/refuses": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			held, _ := m.Memory.Read(ctx, []cutover.Seat{c[0].Seat})
			if len(held) == 1 && held[0].Version != c[0].Version {
				return []cutover.Outcome{{What: cutover.Foreign, Found: held[0].Value, Err: errors.New("stale")}}
			}
			return m.Memory.Write(ctx, f, c)
		}
	},
	"a stale before is foreign/overwrites": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			for i := range c {
				if held, err := m.Memory.Read(ctx, []cutover.Seat{c[i].Seat}); err == nil {
					c[i].Before, c[i].Version = held[0].Value, held[0].Version
				}
			}
			return m.Memory.Write(ctx, f, c)
		}
	},
	"a stale before is foreign/hides what was found": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) { o.Found = "" })
	},
	"one foreign in a batch is that one/blames all": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.What == cutover.Failed {
				o.What = cutover.Foreign
			}
		})
	},
	"one foreign in a batch is that one/guesses": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.What == cutover.Failed {
				*o = cutover.Outcome{What: cutover.Done}
			}
		})
	},
	"the rest changed meanwhile is kept/no new version": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, c cutover.Change) {
			if o.What == cutover.Failed {
				o.Version = c.Version
			}
		})
	},
	"more than MaxChanges isn't sent/sends": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			outs := m.Memory.Write(ctx, f, c[:1])
			for range c[1:] {
				outs = append(outs, cutover.Outcome{What: cutover.Failed, Err: errors.New("too many")})
			}
			return outs
		}
	},
	"born changes when made anew/as old": func(m *mistakenMedium) {
		m.read = func(h []cutover.Held, err error) ([]cutover.Held, error) {
			for i := range h {
				h[i].Born = 1
			}
			return h, err
		}
	},
	"a lost lease changes nothing/unfenced": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			m.SetFence(m.fence)
			return m.Memory.Write(ctx, m.fence, c)
		}
	},
	"a lost lease changes nothing/another reason": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.What == cutover.Failed {
				o.Err = errors.New("no")
			}
		})
	},
	"shape is deterministic and keeps every prefix serving/half a share": func(m *mistakenMedium) {
		m.shape = func(waves [][]cutover.Change) [][]cutover.Change {
			for _, w := range waves {
				for i := range w {
					w[i].Gives = cutover.Share{"cloud": w[i].Gives["cloud"]}
				}
			}
			return waves
		}
	},
	"shape is deterministic and keeps every prefix serving/always another": func(m *mistakenMedium) {
		n := 0
		m.shape = func(waves [][]cutover.Change) [][]cutover.Change {
			if n++; n%2 == 0 && len(waves) > 0 {
				slices.Reverse(waves[0])
			}
			return waves
		}
	},
	"one request on the wire/two": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			_, _ = m.Memory.Read(ctx, []cutover.Seat{c[0].Seat})
			return m.Memory.Write(ctx, f, c)
		}
	},
	"what couldn't be sent is failed/unsure": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.What == cutover.Failed {
				o.What = cutover.Unknown
			}
		})
	},
	"a lost answer is unknown/sure": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.What == cutover.Unknown {
				o.What = cutover.Failed
			}
		})
	},
	"a lost answer is unknown/writes again": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			outs := m.Memory.Write(ctx, f, c)
			if outs[0].What == cutover.Unknown {
				outs = m.Memory.Write(ctx, f, c)
			}
			return outs
		}
	},
	"a stalled write ends in time and lands late or never/waits": func(m *mistakenMedium) {
		m.write = func(_ context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			return m.Memory.Write(context.Background(), f, c)
		}
	},
	"a stalled write can't land over a newer one/overwrites": func(m *mistakenMedium) {
		m.write = func(ctx context.Context, f cutover.Fence, c []cutover.Change) []cutover.Outcome {
			outs := m.Memory.Write(ctx, f, c)
			for i, o := range outs {
				if o.What == cutover.Done {
					m.Set(c[i].Object, "300") // as if the late one had landed
				}
			}
			return outs
		}
	},
	"a stale before is foreign/tells the secret": func(m *mistakenMedium) {
		m.turned(func(o *cutover.Outcome, _ cutover.Change) {
			if o.Err != nil {
				o.Err = errors.New("asked with token " + secret)
			}
		})
	},
}

const (
	secret      = "a-secret-of-the-test"
	mistakeVar  = "ROOMSHIFT_TEST_MISTAKE"
	mediumRunID = "TestMistakenMedium"
	lockRunID   = "TestMistakenLock"
)

// TestMistakenMedium is run by TestMediumSuiteCatches, in a process of its own; by itself it has nothing to do.
func TestMistakenMedium(t *testing.T) {
	plant := mediumMistakes[os.Getenv(mistakeVar)]
	if plant == nil {
		return
	}
	cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest {
		fence := cutover.Fence{Session: "s", Key: "lock/r", Index: 1}
		m := &mistakenMedium{Memory: cutovertest.NewMemory("memory", [2]cutover.Room{"home", "cloud"}, fence,
			cutover.Seat{Route: "gw", At: "home"}, cutover.Seat{Route: "gw", At: "cloud"}), fence: fence}
		plant(m)
		u := m.UnderTest()
		u.Medium, u.Secrets = m, []string{secret}
		return u
	})
}

func TestMediumSuiteCatches(t *testing.T) {
	for mistake := range mediumMistakes {
		t.Run(mistake, func(t *testing.T) { catches(t, mediumRunID, mistake) })
	}
}

// catches runs a suite in a process of its own, on what makes this mistake, and fails unless the right subtest fails.
func catches(t *testing.T, run, mistake string) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	clause, _, _ := strings.Cut(mistake, "/")
	clause = strings.ReplaceAll(clause, " ", "_")
	cmd := exec.Command(self, "-test.run=^"+run+"$/^"+clause+"$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), mistakeVar+"="+mistake)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--- FAIL: "+run+"/"+clause) {
		t.Errorf("the suite doesn't catch it (%v):\n%s", err, out)
	}
}
