package smrmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/asym"
)

// A waiter that parks while the lock is released is woken, or finds it free.
func TestPark_NoLostWakeup(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs two processors")
	}
	for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
		t.Run(name, func(t *testing.T) {
			l := &lots{fence: fence}
			b := new(bucket)
			var turn atomic.Int64 // odd: the lock is held, and the waiter may park
			n := int64(reduced(40_000, 2000))
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range n {
					ctl := b.tryLock()
					turn.Store(2*i + 1)
					for range i * 7 % 1000 { // about how long it takes to park
					}
					if l.unlock(b, ctl) {
						l.wake(b)
					}
					await(&turn, 2*i+2)
				}
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range n {
					await(&turn, 2*i+1)
					l.park(b)
					turn.Store(2*i + 2)
				}
			}()
			for before := int64(-1); ; { // under an emulator a turn takes its time
				select {
				case <-done:
				case <-time.After(2 * time.Minute):
					now := turn.Load()
					require.NotEqual(t, before, now, "a waiter was not woken")
					before = now
					continue
				}
				break
			}
			wg.Wait()
			require.Zero(t, l.of(b).parked.Load())
		})
	}
}

func TestLock_Exclusive(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	l := &lots{fence: asym.New()}
	b := new(bucket)
	var wg sync.WaitGroup
	n, held := 0, 0
	for range 8 {
		wg.Go(func() {
			for i := range rounds(20_000) {
				ctl := l.lock(b)
				n++
				if i%100 == 0 {
					runtime.Gosched()
				}
				held++
				l.release(b, bumped(ctl))
			}
		})
	}
	wg.Wait()
	require.Equal(t, 8*rounds(20_000), n)
	require.Equal(t, n, held)
	require.EqualValues(t, n, b.ctl.Load()/versionOne)
}

// await spins until x is n. It yields now and then, so that others can run.
func await(x *atomic.Int64, n int64) {
	for i := 1; x.Load() != n; i++ {
		if i%1000 == 0 {
			runtime.Gosched()
		}
	}
}

// parkedAt adds a waiter for root, as one that parks a moment before it is unlocked, and returns
// how to tell whether it was woken since.
func (c *core) parkedAt(root *bucket) (woken func() bool) {
	lot := c.lots.of(root)
	lot.mu.Lock()
	defer lot.mu.Unlock()
	w := waiter{root, make(chan struct{})}
	lot.waiters = append(lot.waiters, w)
	lot.parked.Store(uint64(len(lot.waiters)))
	return func() bool {
		select {
		case <-w.wake:
			return true
		default:
			return false
		}
	}
}

// Unlocking a bucket wakes one of its waiters, whatever it was locked for: also a Store that takes the
// short way, whether that is all there is to do or not.
func TestUnlock_WakesAWaiter(t *testing.T) {
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	require.NoError(t, m.Store(1, 1))
	root := m.c.table.Load().at(0)
	v := 2
	wakes := func(what string, fn func()) {
		woken := m.c.parkedAt(root)
		fn()
		require.True(t, woken(), what)
		require.Zero(t, m.c.lots.of(root).parked.Load())
	}
	replaced := 0
	for range 1000 { // it is not replaced if there is no free entry at hand
		wakes("replace", func() {
			if m.replace(1, &v) {
				replaced++
			}
		})
	}
	require.NotZero(t, replaced)
	wakes("replace of a key that is not there", func() { require.False(t, m.replace(2, &v)) })
	wakes("Compute", func() { m.Compute(1, func(int, bool) (int, Op) { return 0, CancelOp }) })
	wakes("a panic in Compute", func() {
		defer func() { recover() }()
		m.Compute(1, func(int, bool) (int, Op) { panic("mine") })
	})
	wakes("a walk that had to lock", func() {
		looks := 0
		defer func() { m.c.looks = nil }()
		m.c.looks = func(ref) {
			if looks++; looks <= 3 { // the bucket changes under the first three looks
				root.ctl.Store(bumped(root.ctl.Load()))
			}
		}
		for range m.All() {
			break
		}
		require.Equal(t, 4, looks)
	})
	wakes("Clear", m.Clear)

	require.NoError(t, m.Store(1, 1))
	wakes("who moves it", func() { m.c.halfway(t) })
	wakes("replace in a bucket that was moved", func() { require.False(t, m.replace(1, &v)) })
	wakes("Compute in a bucket that was moved", func() { m.Delete(1) })
}

// Lots are of all maps and stay: what left one must not keep the table of a map that was dropped.
func TestPark_LotKeepsNothing(t *testing.T) {
	l := &lots{fence: asym.New()}
	b := new(bucket)
	for range 3 {
		l.park(b) // which finds it unlocked
	}
	lot := l.of(b)
	require.NotZero(t, cap(lot.waiters), "nothing was parked")
	require.Empty(t, lot.waiters)
	for _, w := range lot.waiters[:cap(lot.waiters)] {
		require.Zero(t, w)
	}
}
