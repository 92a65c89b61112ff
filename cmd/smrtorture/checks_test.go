package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// Each check of the program is shown the error that it is there for.

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// broken returns a shelf whose domain is left out: elements age without a grace
// period. It is there to see that the checks see that.
func broken(t *testing.T) (*shelf, *faults) {
	t.Helper()
	f := new(faults)
	return newShelf(testkit.Domain(t), f, 4, byNothing), f
}

func TestView_SeesElementThatAgedInItsSection(t *testing.T) {
	for steps := range reusable - unlinked + 1 {
		p, f := broken(t)
		r := &reader{shelf: p, rng: newRand()}
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
		require.Equal(t, steps > 0, f.count[faultAge] > 0, "too old after %d steps", steps)
		require.Equal(t, steps > 0, f.count[faultPayload] > 0, "poison after %d steps", steps)
		require.EqualValues(t, 1, r.count.ages[unlinked+steps], "the histogram is %v", r.count.ages)
	}
}

func TestView_SeesElementThatWasReused(t *testing.T) {
	p, f := broken(t)
	r := &reader{shelf: p, rng: newRand()}
	s := p.dom.Enter()
	r.view.load(p, s, r.rng, 1)
	old := p.cells[0].replace(nil)
	old.age.Store(unlinked)
	for p.ripen(old) {
	}
	require.Same(t, old, p.take(0), "what was freed last is taken first")
	r.view.verify(s)
	s.Leave()
	r.settle(s)
	require.NotZero(t, f.count[faultPayload], "an element in its second life was taken for the first")
}

func TestView_SeesStateOfSection(t *testing.T) {
	p, f := broken(t)
	r := &reader{shelf: p, rng: newRand()}
	r.view.check(smr.Section{})
	r.settle(smr.Section{})
	require.EqualValues(t, 1, f.count[faultSection], "not active while open")
	s := p.dom.Enter()
	r.settle(s)
	require.EqualValues(t, 2, f.count[faultSection], "active after it was left")
	s.Leave()
}

func TestShelf_SeesCallbackWithoutCall(t *testing.T) {
	p, f := broken(t)
	e := p.take(0)
	e.age.Store(unlinked)
	e.callback()
	require.NotZero(t, f.count[faultCallback])
	require.NoError(t, p.dom.Barrier(t.Context())) // the chain that it began
}

func TestShelf_SeesLostElementAndCallback(t *testing.T) {
	p, f := broken(t)
	p.take(0)
	p.checkIdle()
	require.EqualValues(t, 1, f.count[faultLeak])
	p.calls.Add(1)
	p.checkIdle()
	require.EqualValues(t, 3, f.count[faultLeak])
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
		require.Equal(t, want, stuck, passed)
	}
}

func TestFaults_CatchPanics(t *testing.T) {
	var text string
	f := &faults{fatal: func(s string) { text = s }}
	func() {
		defer f.catch("somebody")
		panic("deliberate")
	}()
	require.Contains(t, text, "somebody panicked: deliberate")
	require.Contains(t, text, "checks_test.go")
	require.EqualValues(t, 1, f.count[faultHang])
}
