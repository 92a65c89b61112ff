package smrmap

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A bucket's lock is one bit, with no room for waiters. Those park in a lot, chosen by the bucket's
// address (the parking lots of WebKit, 2015).
//
// unlock stores the bucket's word, then loads the lot's count of waiters; park stores the count,
// then loads the bucket's word again. At least one sees the other. The fence between is
// asymmetric: unlocking is a plain store and a plain load.
//
// All maps have the same lots, as a map may be small. So a lot must not keep what has left it.
type lots struct {
	fence asym.Fence
	lots  [numLots]lot
}

// numLots is such that few unlocks find waiters of other buckets in their lot, for 32 KiB.
const numLots = 256

var allLots = sync.OnceValue(func() *lots { return &lots{fence: asym.New()} })

type lot struct {
	lotFields
	_ [pcpu.Stride - unsafe.Sizeof(lotFields{})%pcpu.Stride]byte
}

type lotFields struct {
	// parked is the length of waiters. Written under mu; read by unlock without it.
	parked relacq.Uint64

	mu      ssync.Mutex
	waiters []waiter
}

type waiter struct {
	b    *bucket
	wake chan struct{}
}

func (l *lots) of(b *bucket) *lot {
	return &l.lots[uintptr(unsafe.Pointer(b))/bucketSize%numLots]
}

// tryLock locks a root and returns its ctl, which then is not 0. It returns 0 if it is locked.
func (b *bucket) tryLock() uint64 {
	ctl := b.ctl.Load()
	if ctl&locked == 0 && b.ctl.CompareAndSwap(ctl, ctl|locked) {
		return ctl | locked
	}
	return 0
}

// unlock stores ctl without the lock bit. It reports whether to call wake, once unpinned.
func (l *lots) unlock(b *bucket, ctl uint64) (wake bool) {
	b.ctl.Store(ctl &^ locked)
	l.fence.Light() // pairs with park
	return l.of(b).parked.Load() != 0
}

// spins is how often lock tries before it yields the processor, and then again before it parks.
// Buckets are locked for some 20 ns.
const spins = 30

// lock locks a root and returns its ctl. It may park, so it must not be called pinned.
func (l *lots) lock(b *bucket) uint64 {
	smr.CheckMayBlock("smrmap: a write")
	for {
		for i := range 1 + sched.Spins(2*spins-1) {
			if ctl := b.tryLock(); ctl != 0 {
				return ctl
			}
			if i%spins == spins-1 {
				sched.Gosched()
			}
		}
		l.park(b)
	}
}

// park returns when b is unlocked, or was meanwhile.
func (l *lots) park(b *bucket) {
	lot := l.of(b)
	lot.mu.Lock()
	w := waiter{b, make(chan struct{})}
	lot.waiters = append(lot.waiters, w)
	lot.parked.Store(uint64(len(lot.waiters)))
	l.fence.Heavy() // pairs with unlock
	if b.ctl.Load()&locked == 0 {
		lot.remove(len(lot.waiters) - 1)
		lot.mu.Unlock()
		return
	}
	lot.mu.Unlock()
	<-w.wake
}

// wake wakes one waiter for b.
func (l *lots) wake(b *bucket) {
	lot := l.of(b)
	lot.mu.Lock()
	defer lot.mu.Unlock()
	for i, w := range lot.waiters {
		if w.b == b {
			lot.remove(i)
			sched.Wakes()
			close(w.wake)
			return
		}
	}
}

func (lot *lot) remove(i int) {
	lot.waiters = slices.Delete(lot.waiters, i, i+1) // which clears what was the last
	lot.parked.Store(uint64(len(lot.waiters)))
}

// release unlocks b and wakes a waiter.
func (l *lots) release(b *bucket, ctl uint64) {
	if l.unlock(b, ctl) {
		l.wake(b)
	}
}
