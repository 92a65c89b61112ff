package slab

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// After Close returned nil, the budget counts nothing of the pool: also slabs that became empty
// in callbacks, and wait for a callback of their own.
func TestClose_BudgetIsUnused(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	for range 20 {
		p := New[flat](d, Options{Budget: b})
		p.Retire(get(t, p))
		require.NoError(t, p.Close(watchdogContext(t)))
		require.Zero(t, b.Used(), "Close returned nil")
	}
}

// A trim that has unloaded a cache, as for another pool of the budget, does not have Close
// miss the objects that it moves.
func TestClose_BesideTrimReportsNoLeak(t *testing.T) {
	d := newDomain(t)
	for range rounds(30_000) {
		p := New[flat](d, Options{})
		for range 3 {
			p.Retire(mustGet(p))
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.s.policy.trim(trimAll) }) // what Budget.reclaim and ready do
		err := p.Close(watchdogContext(t))
		wg.Wait()
		require.NoError(t, err)
	}
}

// Get does not give out what was freed to a closed pool.
func TestClose_GetFailsAfterLateFree(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	obj, other := get(t, p), get(t, p)
	require.Error(t, p.Close(watchdogContext(t)))
	p.Free(obj)
	_, err := p.Get()
	require.ErrorIs(t, err, ErrClosed)
	p.Free(other)
	closeEmpty(t, p)
}

// Close in a callback fails, and leaves the pool open.
func TestClose_InCallback(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	d.CallFunc(0, func() { p.Close(context.Background()) }) //smr:ok it fails, as the test checks
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.NotPanics(t, func() { p.Free(mustGet(p)) })
}

// A pool is closed after its domain, with what was retired before that and after.
func TestClose_AfterDomain(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	p.Free(get(t, p))
	p.Retire(get(t, p))
	require.NoError(t, d.Close(watchdogContext(t)))
	p.Retire(get(t, p))
	p.Trim()
	closeEmpty(t, p)
}

func TestClose_Leak(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "leaky"})
	obj := get(t, p)
	err := p.Close(watchdogContext(t))
	require.ErrorContains(t, err, "leaky: 1 objects were not given back")
	if invariants.Enabled {
		require.ErrorContains(t, err, "TestClose_Leak")
	}
	_, err = p.Get()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "slab: Get from leaky: the pool is closed")
	p.Free(obj)
	closeEmpty(t, p)
}

// A domain whose Close ran out of time still has readers, for which the pool's Close waits.
func TestClose_AfterDomainWaitsForItsReaders(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	b := NewBlocks(d, Options{})
	objects := getAll(t, p, 2)
	var blocks [][]byte
	for _, n := range []int{100, maxObject + 1, maxObject + 1} {
		block, err := b.Get(n)
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	s := testkit.Enter(d)
	p.Retire(objects[0])
	b.Retire(blocks[1])
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Close(over), context.Canceled)
	p.Retire(objects[1])
	b.Retire(blocks[0])
	b.Retire(blocks[2])
	require.ErrorIs(t, p.Close(over), context.Canceled)
	require.ErrorIs(t, b.Close(over), context.Canceled)
	require.EqualValues(t, 2, p.Stats().Pending)
	require.EqualValues(t, 3, b.Stats().Pending)
	s.Leave()
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
}

// That another goroutine has begun to close the domain does not end the sections that are open: what
// is retired beside both waits for them.
func TestClose_BesideDomainCloseWaitsForReaders(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	obj := get(t, p)
	c := &closing{ctx: watchdogContext(t), d: d, stores: []*store{p.s}}
	require.NoError(t, c.wait())
	c.seal()
	require.NoError(t, c.wait())
	leave := enter(t, d)
	p.Retire(obj)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Close(over), context.Canceled)
	c.trim()
	require.EqualValues(t, 1, p.Stats().Pending, "a reader may hold it")
	require.Equal(t, 1, p.Stats().Slabs)
	leave()
	require.NoError(t, c.wait())
	c.trim()
	require.Zero(t, p.Stats().Pending)
	require.Zero(t, p.Stats().Slabs)
	closeEmpty(t, p)
}

// Whoever retires and frees beside Domain.Close is not told off for it, and nothing is lost.
func TestRetire_BesideDomainClose(t *testing.T) {
	for range rounds(200) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		p.s.capacity = 1 // a call for each object
		all := getAll(t, p, 400)
		begun, done := make(chan struct{}), make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			close(begun)
			for i, obj := range all {
				if i%2 == 0 {
					p.Retire(obj)
				} else {
					p.Free(obj)
				}
			}
		}()
		<-begun
		require.NoError(t, d.Close(watchdogContext(t)))
		require.Nil(t, <-done)
		closeEmpty(t, p)
		require.Zero(t, budget.Used())
	}
}

// Close on a closed domain finds what arrived while the lock was taken; in a pool that was
// dropped a callback finds nothing.
func TestClose_FindsWhatArrived(t *testing.T) {
	for _, drop := range []bool{false, true} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		all := getAll(t, p, 10)
		if !drop {
			require.NoError(t, d.Close(watchdogContext(t)))
		}
		for _, obj := range all {
			p.Retire(obj)
		}
		unloaded := p.s.unload()
		p.s.depot.mu.Lock()
		for _, ld := range unloaded {
			p.s.depot.retire(ld.retired)
		}
		p.s.depot.mu.Unlock()
		if drop {
			(&remains{dom: d, stores: []*store{p.s}}).release()
			require.NoError(t, d.Close(watchdogContext(t)))
		} else {
			for _, ld := range unloaded {
				p.s.keep(ld.get)
				p.s.keep(ld.other)
			}
			closeEmpty(t, p)
		}
		require.Zero(t, budget.Used())
	}
}

// A request handler that comes late meets an error, and what it still has it gives back: by Free or
// Retire, before or after the domain is closed. The second Close then finds all of it.
func TestClose_LateUsersMeetAnError(t *testing.T) {
	for _, domainFirst := range []bool{false, true} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		b := NewBlocks(d, Options{Budget: budget})
		objects := getAll(t, p, 4)
		var blocks [][]byte
		for _, n := range []int{100, 100, maxObject + 1, maxObject + 1} {
			block, err := b.Get(n)
			require.NoError(t, err)
			blocks = append(blocks, block)
		}
		if domainFirst {
			require.NoError(t, d.Close(watchdogContext(t)))
		}
		require.ErrorContains(t, p.Close(watchdogContext(t)), "4 objects were not given back")
		require.ErrorContains(t, b.Close(watchdogContext(t)), "2 large blocks were not given back")

		_, err = p.Get()
		require.ErrorIs(t, err, ErrClosed)
		for _, n := range []int{1, maxObject + 1} {
			_, err = b.Get(n)
			require.ErrorIs(t, err, ErrClosed)
		}
		for i := range 2 {
			p.Free(objects[2*i])
			p.Retire(objects[2*i+1])
			b.Free(blocks[2*i])
			b.Retire(blocks[2*i+1])
			p.Trim()
			b.Trim()
			if !domainFirst && i == 0 {
				require.NoError(t, d.Close(watchdogContext(t)))
			}
		}
		closeEmpty(t, p)
		require.NoError(t, b.Close(watchdogContext(t)))
		require.Zero(t, b.Stats().ReservedBytes)
		require.Zero(t, budget.Used())
		_, err = p.Get()
		require.ErrorIs(t, err, ErrClosed, "for good")
		require.NoError(t, p.Close(watchdogContext(t)))
	}
}

// Goroutines get and give back beside Close: each Get succeeds or returns ErrClosed, and once they
// have ended nothing is left.
func TestClose_BesideUsers(t *testing.T) {
	d := newDomain(t)
	for range rounds(300) {
		budget := NewBudget(0)
		p := New[page](d, Options{Budget: budget})
		var wg sync.WaitGroup
		begun := make(chan struct{}, 2)
		for i := range 2 {
			wg.Go(func() {
				for n := 0; ; n++ {
					obj, err := p.Get()
					if err != nil {
						require.ErrorIs(t, err, ErrClosed)
						return
					}
					if n == 0 {
						begun <- struct{}{}
					}
					if (n+i)%2 == 0 {
						p.Retire(obj)
					} else {
						p.Free(obj)
					}
				}
			})
		}
		<-begun
		<-begun
		p.Close(watchdogContext(t)) // it may find some in use
		wg.Wait()
		closeEmpty(t, p)
		require.Zero(t, budget.Used())
	}
}

// Close of Blocks has an end beside users who retire large blocks without pause.
func TestClose_BesideUsersOfLarge(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	var users sync.WaitGroup
	begun := make(chan struct{}, 2)
	for range 2 {
		users.Go(func() {
			for n := 0; ; n++ {
				block, err := b.Get(maxObject + 1)
				if err != nil {
					require.ErrorIs(t, err, ErrClosed)
					return
				}
				b.Retire(block)
				if n == 0 {
					begun <- struct{}{}
				}
			}
		})
	}
	<-begun
	<-begun
	err := b.Close(watchdogContext(t)) // it may find some in use
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	users.Wait()
	require.NoError(t, b.Close(watchdogContext(t)))
}

// A slab that a Get takes from the system while Close runs goes when the Get finds the pool closed.
func TestClose_GrownBesideCloseGoes(t *testing.T) {
	budget := NewBudget(0)
	p := New[flat](newDomain(t), Options{Budget: budget, PrivateFree: true})
	require.NoError(t, p.Close(watchdogContext(t)))
	require.NoError(t, budget.Reserve(int64(p.s.slabSize)))
	require.NoError(t, p.s.growBy(p.s.slabSize, nil), "a Get that Close overtook after it had asked whether the pool is closed")
	_, err := p.Get()
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, budget.Used())
}
