//go:build smr_sched

package sched_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
)

// failures are programs whose exploration must fail, and so end its process.
var failures = []struct {
	name string
	want string // in what is printed
	body func(x *sched.Exec) func()
}{
	{"assertion", "both saw nothing", func(x *sched.Exec) func() {
		var v, w atomic.Uint32
		seen := uint32(0)
		x.Go("one", 0, func() { seen += v.Add(1) * w.Add(1) })
		x.Go("other", 1, func() { seen += v.Add(1) * w.Add(1) })
		return func() {
			if seen == 4 { // 1*2 + 2*1
				x.Fail("both saw nothing")
			}
		}
	}},
	{"store buffering", "0 and 0", func(x *sched.Exec) func() {
		var v, w relacq.Uint64
		var seen [2]uint64
		x.Go("one", 0, func() { v.Store(1); seen[0] = w.Load() })
		x.Go("other", 1, func() { w.Store(1); seen[1] = v.Load() })
		return func() {
			if seen == [2]uint64{} || !relacq.Plain {
				x.Fail("0 and 0")
			}
		}
	}},
	{"second processor", "on the second processor", onSecond},
	{"panic", "other panics: oops", func(x *sched.Exec) func() {
		var v atomic.Uint32
		x.Go("one", 0, func() { v.Store(1) })
		x.Go("other", 1, func() {
			if v.Load() == 1 {
				panic("oops")
			}
		})
		return nil
	}},
	{"deadlock", "one waits to lock", func(x *sched.Exec) func() {
		var a, b sync.Mutex
		both := func(first, second *sync.Mutex) func() {
			return func() {
				first.Lock()
				second.Lock()
				second.Unlock()
				first.Unlock()
			}
		}
		x.Go("one", 0, both(&a, &b))
		x.Go("other", 1, both(&b, &a))
		return nil
	}},
	{"channel for ever", "one is blocked", func(x *sched.Exec) func() {
		var v atomic.Uint32
		c := make(chan struct{}, 1)
		x.Go("one", 0, func() { v.Store(1); <-c })
		x.Go("other", 1, func() {
			if v.Load() == 1 {
				sched.Wakes()
				c <- struct{}{}
			}
		})
		return nil
	}},
	{"livelock", "no end after", func(x *sched.Exec) func() {
		var v atomic.Uint32
		x.Go("one", 0, func() {
			for v.Load() == 1 {
				sched.Gosched()
			}
		})
		x.Go("other", 1, func() { v.Store(1) })
		return nil
	}},
	// Without the lock the signal may come between the load and Wait.
	{"signal without the lock", "waiter waits to wake up", func(x *sched.Exec) func() {
		var m sync.Mutex
		c := sync.Cond{L: &m}
		var v atomic.Uint32
		x.Go("waiter", 0, func() {
			m.Lock()
			for v.Load() == 0 {
				c.Wait()
			}
			m.Unlock()
		})
		x.Go("signals", 1, func() {
			v.Store(1)
			c.Broadcast()
		})
		return nil
	}},
	{"signal after the lock", "a wake-up for nothing", lateSignal((*sync.Cond).Signal)},
	{"broadcast after the lock", "a wake-up for nothing", lateSignal((*sync.Cond).Broadcast)},
	{"woken without Wakes", "without having been granted its turn", func(x *sched.Exec) func() {
		var v atomic.Uint32
		c := make(chan struct{})
		x.Go("one", 0, func() { <-c; v.Load() })
		x.Go("other", 1, func() { close(c); v.Load(); v.Load() })
		return nil
	}},
	{"yield while pinned", "one yields while it is pinned", func(x *sched.Exec) func() {
		x.Go("one", 0, func() { sched.Pin(); sched.Gosched() })
		return nil
	}},
	{"lock while pinned", "one waits to lock while it is pinned", func(x *sched.Exec) func() {
		var m sync.Mutex
		x.Go("one", 0, func() { sched.Pin(); m.Lock() })
		return nil
	}},
	{"channel while pinned", "one blocks while it is pinned", func(x *sched.Exec) func() {
		x.Go("one", 0, func() { sched.Pin(); <-make(chan struct{}) })
		return nil
	}},
}

// onSecond is a program that fails only where its first goroutine is on the second processor.
func onSecond(x *sched.Exec) func() {
	var v atomic.Uint32
	for _, name := range []string{"one", "other"} {
		x.Go(name, 0, func() {
			if v.Add(1) == 1 && name == "other" && sched.Processor() == 1 {
				x.Fail("on the second processor")
			}
		})
	}
	return nil
}

// lateSignal is a program in which another goroutine begins to wait between Unlock and the signal.
func lateSignal(signal func(*sync.Cond)) func(x *sched.Exec) func() {
	return func(x *sched.Exec) func() {
		var m sync.Mutex
		c := sync.Cond{L: &m}
		var ready atomic.Bool
		x.Go("waiter", 0, func() {
			m.Lock()
			for range 2 {
				if !ready.Load() {
					c.Wait()
				}
				if !ready.Swap(false) {
					x.Fail("a wake-up for nothing")
				}
			}
			m.Unlock()
		})
		x.Go("signals", 1, func() {
			for range 2 {
				for ready.Load() {
					sched.Gosched()
				}
				m.Lock()
				ready.Store(true)
				m.Unlock()
				signal(&c)
			}
		})
		return nil
	}
}

// failureEnv names the failure that a test process is to run into.
const failureEnv = "SMR_SCHED_FAILURE"

// Each fails, prints a schedule, and fails in the same way when that is repeated.
func TestExplore_Failures(t *testing.T) {
	for _, f := range failures {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			if os.Getenv(failureEnv) != "" {
				sched.Explore(t, sched.Options{}, f.body)
				return
			}
			t.Parallel()
			out := fails(t, f.want)
			schedule := regexp.MustCompile(sched.ScheduleEnv + `=\S+`).FindString(out)
			if schedule == "" || strings.Contains(out, "did not fail when repeated") {
				t.Fatalf("no schedule to repeat:\n%s", out)
			}
			fails(t, f.want, schedule)
		})
	}
}

// fails runs the calling test in another process, and returns what that prints, which
// must be of a failure.
func fails(t *testing.T, want string, env ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), failureEnv+"=1"), env...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		t.Fatalf("%v %v: %v, want a failure with %q:\n%s", cmd, env, err, want, out)
	}
	return string(out)
}
