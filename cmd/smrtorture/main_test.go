package main

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/smr"
)

// testConfig is for a short run of a fixed seed.
func testConfig(t *testing.T) config {
	t.Helper()
	cfg := defaultConfig()
	cfg.duration = time.Second
	cfg.seed = 1
	cfg.hung = func(who string) { panic("no progress: " + who + "\n" + string(allStacks())) }
	if testing.Short() {
		cfg.duration /= 4
	}
	return cfg
}

// torture runs cfg and fails the test if there are errors.
func torture(t *testing.T, cfg config) *report {
	t.Helper()
	rep, err := run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rep.write(&b)
	t.Log(b.String())
	if !rep.ok() {
		t.Errorf("%d errors", rep.errors.total())
	}
	return rep
}

func TestRun_FindsNoErrorAndDoesSomething(t *testing.T) {
	rep := torture(t, testConfig(t))
	if rep.reads.reads() == 0 {
		t.Error("no reads")
	}
	if rep.updates == 0 {
		t.Error("no updates")
	}
	if rep.graces[writeCall] == 0 {
		t.Error("no callbacks")
	}
	if rep.domains == 0 {
		t.Error("no short-lived domains")
	}
}

func TestRun_StalledReaderIsNamed(t *testing.T) {
	for _, kind := range []clock.Kind{clock.Tracker, clock.Owned, clock.Quiescent} {
		t.Run(kind.String(), func(t *testing.T) {
			cfg := testConfig(t)
			cfg.duration = 300 * time.Millisecond
			cfg.stall = 200 * time.Millisecond
			cfg.stallKind = &kind
			rep := torture(t, cfg)
			if !strings.Contains(rep.stall, "waits for a "+kind.String()) {
				t.Errorf("the report of a stalled %v says %q", kind, rep.stall)
			}
		})
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	cfg := testConfig(t)
	cfg.duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cfg.progress = func(progress) { cancel() }
	rep, err := run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.ok() {
		t.Errorf("%d errors", rep.errors.total())
	}
}

// broken returns a pool whose domain is left out: elements age without a grace
// period. It is there to see that the checks see that.
func broken(t *testing.T) (*pool, *faults) {
	t.Helper()
	dom, err := smr.New(smr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dom.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f := new(faults)
	return newPool(dom, f, 4, byNothing), f
}

func TestView_SeesElementThatAgedInItsSection(t *testing.T) {
	for steps := range reusable - unlinked + 1 {
		p, f := broken(t)
		r := &reader{pool: p, rng: rand.New(rand.NewPCG(1, 2))}
		s := p.dom.Enter()
		r.view.load(p, s, r.rng, 1)
		old := p.cells[0].replace(p.take(0))
		old.age.Store(unlinked)
		for range steps {
			p.ripen(old)
		}
		r.view.verify(s)
		s.Leave()
		r.settle(s)
		if got, want := f.count[faultAge] > 0, steps > 0; got != want {
			t.Errorf("after %d steps without a grace period, found an element too old: %v", steps, got)
		}
		if got, want := f.count[faultPayload] > 0, steps > 0; got != want {
			t.Errorf("after %d steps without a grace period, found poison: %v", steps, got)
		}
		if r.count.ages[unlinked+steps] != 1 {
			t.Errorf("after %d steps, the histogram is %v", steps, r.count.ages)
		}
	}
}

func TestView_SeesElementThatWasReused(t *testing.T) {
	p, f := broken(t)
	r := &reader{pool: p, rng: rand.New(rand.NewPCG(1, 2))}
	s := p.dom.Enter()
	r.view.load(p, s, r.rng, 1)
	old := p.cells[0].replace(nil)
	old.age.Store(unlinked)
	for p.ripen(old) {
	}
	if e := p.take(0); e != old {
		t.Fatal("what was freed last is not taken first")
	}
	r.view.verify(s)
	s.Leave()
	r.settle(s)
	if f.count[faultPayload] == 0 {
		t.Error("an element in its second life was taken for the first")
	}
}

func TestPool_SeesCallbackWithoutCall(t *testing.T) {
	p, f := broken(t)
	e := p.take(0)
	e.age.Store(unlinked)
	e.callback()
	if f.count[faultCallback] == 0 {
		t.Error("a callback without a call was not noticed")
	}
	if err := p.dom.Barrier(t.Context()); err != nil { // the chain that it began
		t.Fatal(err)
	}
}

func TestPool_SeesLostElement(t *testing.T) {
	p, f := broken(t)
	p.take(0)
	p.checkIdle()
	if f.count[faultLeak] == 0 {
		t.Error("a lost element was not noticed")
	}
}

func TestWatch_FindsGoroutineWithoutProgress(t *testing.T) {
	w := &watch{limit: time.Minute}
	idle, busy, ended := w.pulse("idle"), w.pulse("busy"), w.pulse("ended")
	ended.end()
	start := time.Now()
	for passed := time.Duration(0); passed < 10*time.Minute; passed += time.Second {
		busy.beat()
		if passed < 5*time.Minute {
			idle.beat()
		}
		stuck := w.look(start.Add(passed))
		var want []string
		if passed >= 6*time.Minute-time.Second {
			want = []string{"idle"}
		}
		if !slices.Equal(stuck, want) {
			t.Fatalf("after %v, found %q stuck, not %q", passed, stuck, want)
		}
	}
}

func TestCommand_StatusAndVerdict(t *testing.T) {
	for _, tc := range []struct {
		args   string
		status int
		out    string // last line
	}{
		{"-duration 100ms -seed 7", 0, "PASS"},
		{"-readers 0", 2, ""},
		{"-duration 1s -stall 2s", 2, ""},
		{"-no-such-flag", 2, ""},
		{"argument", 2, ""},
	} {
		var out strings.Builder
		if got := command(strings.Fields(tc.args), &out, io.Discard); got != tc.status {
			t.Errorf("%s: status %d, want %d\n%s", tc.args, got, tc.status, &out)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if tc.out != "" && lines[len(lines)-1] != tc.out {
			t.Errorf("%s: the last line is %q, want %q", tc.args, lines[len(lines)-1], tc.out)
		}
	}
}
