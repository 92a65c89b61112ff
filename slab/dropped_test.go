package slab

import (
	"bytes"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// dropped runs use, which makes a pool and drops it without Close, on a goroutine of its
// own, so that nothing on a stack still refers to the pool.
func dropped(use func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		use()
	}()
	<-done
}

// collectUntil collects garbage until cond holds.
func collectUntil(cond func() bool) {
	for !cond() {
		runtime.GC()
		runtime.Gosched()
		bury()
	}
}

func skipControlled(t *testing.T) {
	if sched.Controlled {
		t.Skip("under the scheduler of -tags smr_sched nothing is cleaned up")
	}
}

func TestDrop_UnusedMemoryComesBack(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	for name, drop := range map[string]func(*Budget){
		"Pool": func(b *Budget) {
			p := New[flat](d, Options{Budget: b})
			all := getAll(t, p, 1000)
			freeAll(p, all[:500])
			for _, obj := range all[500:] {
				p.Retire(obj)
			}
		},
		"Pool on the Go heap, in use": func(b *Budget) {
			p := New[*int](d, Options{Budget: b})
			getAll(t, p, 1000)
		},
		"Pool that frees on drop, in use": func(b *Budget) {
			p := New[flat](d, Options{Budget: b, FreeOnDrop: true})
			getAll(t, p, 1000)
		},
		"Blocks": func(b *Budget) {
			p := NewBlocks(d, Options{Budget: b})
			for _, n := range []int{10, 1000, maxObject, maxObject + 1} {
				block, err := p.Get(n)
				require.NoError(t, err)
				p.Free(block)
				block, err = p.Get(n)
				require.NoError(t, err)
				p.Retire(block)
			}
		},
		"Blocks that free on drop, in use": func(b *Budget) {
			p := NewBlocks(d, Options{Budget: b, FreeOnDrop: true})
			for _, n := range []int{10, maxObject + 1} {
				_, err := p.Get(n)
				require.NoError(t, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(0)
			dropped(func() { drop(b) })
			collectUntil(func() bool { return b.Used() == 0 })
			require.NoError(t, d.Barrier(watchdogContext(t)), "what was retired finds nothing to do")
			require.Zero(t, b.Used())
			b.mu.Lock()
			require.Empty(t, b.members)
			b.mu.Unlock()
			graveyard.mu.Lock()
			defer graveyard.mu.Unlock()
			for _, r := range graveyard.list {
				require.False(t, r.dom == d, "what is buried is forgotten")
			}
		})
	}
}

func TestDrop_ReaderKeepsMemory(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	b := NewBudget(0)
	s := d.Enter()
	var borrowed *flat
	before := graveyard.n.Load()
	for range 2 {
		dropped(func() {
			p := New[flat](d, Options{Budget: b, FreeOnDrop: true})
			borrowed = get(t, p)
			borrowed.key = 7
		})
	}
	collectUntil(func() bool { return graveyard.n.Load() >= before+2 })
	for range 3 {
		bury()
		require.Positive(t, b.Used())
		require.EqualValues(t, 7, borrowed.key)
	}
	s.Leave()
	require.NoError(t, d.Synchronize(watchdogContext(t)))
	bury()
	require.Zero(t, b.Used(), "one visit buries all")
}

func TestDrop_ObjectsInUseStay(t *testing.T) {
	skipControlled(t)
	if !CanBeOffHeap[flat]() {
		t.Skip("objects are on the Go heap in this build")
	}
	var log syncBuffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	d := newDomain(t)
	b := NewBudget(0)
	var kept *flat
	dropped(func() {
		p := New[flat](d, Options{Budget: b, Name: "forgotten"})
		kept = get(t, p)
		kept.key = 7
	})
	collectUntil(func() bool { return log.contains("forgotten") })
	require.True(t, log.contains("dropped without Close"))
	require.True(t, log.contains("objects=1"))
	require.Positive(t, b.Used())
	require.EqualValues(t, 7, kept.key)
}

// A large block that does not count yet is freed, though nothing else is in use.
func TestDrop_UnchargedComesBack(t *testing.T) {
	skipControlled(t)
	var in *blocks
	dropped(func() {
		b := NewBlocks(newDomain(t), Options{FreeOnDrop: true})
		_, err := compactor{b}.GetUncharged(maxObject + 1)
		require.NoError(t, err)
		in = b.blocks
	})
	collectUntil(func() bool {
		bury()
		in.mu.Lock()
		defer in.mu.Unlock()
		return len(in.large) == 0
	})
}

func TestDrop_AfterCloseIsNothing(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	b := NewBudget(0)
	dropped(func() {
		p := New[flat](d, Options{Budget: b})
		p.Free(get(t, p))
		closeEmpty(t, p)
	})
	runtime.GC()
	runtime.GC()
	require.Zero(t, b.Used())
}

// The collector's goroutine is in no bubble, and the channels of a domain that is must not
// be touched from outside: Go would end the process.
func TestDrop_InBubble(t *testing.T) {
	skipControlled(t)
	b := NewBudget(0)
	synctest.Test(t, func(t *testing.T) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		s := testkit.Enter(d)
		goal := d.Advance()
		waited := make(chan error)
		go func() { waited <- d.Wait(t.Context(), goal) }()
		synctest.Wait() // somebody is parked
		dropped(func() {
			p := New[flat](d, Options{Budget: b, FreeOnDrop: true})
			for _, obj := range getAll(t, p, 300) {
				p.Retire(obj)
			}
			get(t, p)
		})
		runtime.GC()
		runtime.GC()
		s.Leave()
		require.NoError(t, <-waited)
		require.NoError(t, d.Close(t.Context()))
	})
	collectUntil(func() bool { return b.Used() == 0 })
}

// A syncBuffer is what a logger writes to from another goroutine.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.buf.Bytes(), []byte(text))
}
