//go:build invariants && !smr_sched

package smr

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
)

// blockingCalls may all block. Each is to be refused in a pinned section.
var blockingCalls = map[string]func(d *Domain){
	"Wait":        func(d *Domain) { d.Wait(context.Background(), d.Advance()) },
	"Synchronize": func(d *Domain) { d.Synchronize(context.Background()) },
	"Barrier":     func(d *Domain) { d.Barrier(context.Background()) },
	"Throttle":    func(d *Domain) { d.Throttle(context.Background()) },
	"Close":       func(d *Domain) { d.Close(context.Background()) },
}

// What may block is refused in a pinned section, of another domain and of its own. Both sides are
// named, and what to do. The panic ends a program that does not recover.
func TestInvariants_BlockingWhilePinned(t *testing.T) {
	for what, call := range blockingCalls {
		for _, of := range []string{"held", "waits"} {
			t.Run(what+"/"+of, func(t *testing.T) {
				text := self.Dies(t, func() {
					held := newDomain(t, Options{Name: "held"})
					waits := held
					if of == "waits" {
						waits = newDomain(t, Options{Name: "waits"})
					}
					s := held.Pin()
					call(waits)
					s.Leave()
				})
				require.Contains(t, text, what+" of domain "+of+" inside a pinned section of domain held")
				require.Contains(t, text, "must not block")
				require.Contains(t, text, "Enter instead of Pin")
				require.Contains(t, text, "pins_test.go", "the stack that entered it")
			})
		}
	}
}

// A section is pinned until it is left, and for the goroutine that entered it.
func TestInvariants_MayBlock(t *testing.T) {
	a, b := newDomain(t, Options{}), newDomain(t, Options{})
	ctx := context.Background()
	outer := a.Pin()
	inner := a.Pin()
	inner.Leave()
	outer.Leave()
	require.NoError(t, b.Synchronize(ctx), "both are left")

	entered := a.Enter()
	require.NoError(t, b.Synchronize(ctx), "it is not pinned")
	entered.Leave()

	if runtime.GOMAXPROCS(0) > 1 {
		done := make(chan error, 1)
		s := a.Pin()
		go func() { done <- b.Synchronize(ctx) }()
		for n := 0; n < 1e5 && len(done) == 0; n++ { // pinned, it could not block on the channel
			a.Poll(a.Advance())
		}
		s.Leave()
		require.NoError(t, <-done, "it is another goroutine's")
	}
	require.Empty(t, pins.open)
}

//go:noinline
func pinHere(d *Domain) Section { return d.Pin() }

// Other code that blocks in a pinned section: the program ends, and both places are shown.
func TestInvariants_UserBlocksWhilePinned(t *testing.T) {
	for what, block := range map[string]func(t *testing.T){
		"chan receive": func(*testing.T) { <-make(chan int) },
		"select": func(*testing.T) {
			select {
			case <-make(chan int):
			case <-make(chan bool):
			}
		},
		"sync.Mutex.Lock": func(*testing.T) { var mu sync.Mutex; mu.Lock(); mu.Lock() },
		"sleep":           func(*testing.T) { time.Sleep(time.Hour) },
		"IO wait": func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer w.Close()
			r.Read(make([]byte, 1))
		},
	} {
		t.Run(what, func(t *testing.T) {
			text := self.Dies(t, func() {
				s := pinHere(newDomain(t, Options{Name: "held"}))
				block(t)
				s.Leave()
			})
			containsAll(t, text, what+" inside a pinned section of domain held: a pinned goroutine holds its processor", "Enter instead of Pin",
				"It was entered by goroutine ", "pinHere", "It blocks at:", "TestInvariants_UserBlocksWhilePinned.func")
			require.NotContains(t, text, "holding locks")
		})
	}
}

// A pinned section that takes long is no such mistake.
func TestInvariants_LongPinnedSection(t *testing.T) {
	d := newDomain(t, Options{})
	s := d.Pin()
	looks := func() int {
		pins.mu.Lock()
		defer pins.mu.Unlock()
		return pins.open[s.handle.info].looks
	}
	var p Pointer[int]
	for looks() < 3 {
		p.Load(s)
		d.Poll(d.Advance())
	}
	s.Leave()
	require.Empty(t, pins.open)
}

// A pinned section is its goroutine's.
func TestInvariants_PinnedLeftElsewhere(t *testing.T) {
	d := newDomain(t, Options{Name: "held"})
	s := pinHere(d)
	var wg sync.WaitGroup
	wg.Go(func() {
		containsAll(t, panicText(t, s.Leave), "leaves a pinned section of domain held", "Enter instead of Pin", "pinHere")
	})
	wg.Wait()
	s.Leave()
}
