package slab

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// hold holds p, which nothing has retired.
func hold[T any](d *smr.Domain, p *T) smr.Held[T] {
	s := testkit.Enter(d)
	defer s.Leave()
	return smr.Hold(s, p)
}

// What is held is not given out again, with its contents; what was retired with it is. After the
// Release it is free.
func TestHold_RetiredIsKept(t *testing.T) {
	t.Run("off the Go heap", func(t *testing.T) { keepsRetired(t, func(p *flat) *uint64 { return &p.key }) })
	t.Run("on the Go heap", func(t *testing.T) { keepsRetired(t, func(p *withPointer) *int { return &p.key }) })
}

func keepsRetired[T any, N int | uint64](t *testing.T, key func(*T) *N) {
	d := newDomain(t)
	p := New[T](d, Options{})
	const n = 300
	all := getAll(t, p, n)
	kept := make(map[*T]smr.Held[T])
	for i, obj := range all {
		*key(obj) = N(i)
		if i%3 == 0 {
			kept[obj] = hold(d, obj)
		}
	}
	for _, obj := range all {
		p.Retire(obj)
	}
	p.Trim()
	require.NoError(t, d.Synchronize(t.Context()))
	settleUnheld(t, d)
	require.EqualValues(t, len(kept), p.Stats().Pending)
	again := getAll(t, p, 2*n)
	for _, obj := range again {
		_, ok := kept[obj]
		require.False(t, ok, "what is held is given out")
		*key(obj) = 1
	}
	for i := 0; i < n; i += 3 {
		require.EqualValues(t, i, *key(all[i]))
	}
	require.EqualValues(t, len(kept), d.Stats().HeldCalls)
	for _, h := range kept {
		h.Release()
	}
	settle(t, d)
	require.Zero(t, p.Stats().Pending)
	freeAll(p, again)
	closeEmpty(t, p)
}

// settleUnheld is settle where something is held.
func settleUnheld(t *testing.T, d *smr.Domain) {
	for range 3 {
		require.NoError(t, held.Of(d).Barrier(watchdogContext(t)))
	}
}

// A Get that polls the readers, and finds them gone, leaves what is held.
func TestHold_PollSparesIt(t *testing.T) {
	d := newDomain(t)
	p := New[page](d, Options{Budget: NewBudget(64 << 10)}) // a slab
	growSlab(t, p.s)
	all := getAll(t, p, p.s.perSlab)
	h := hold(d, all[0])
	m := new(magazine)
	for _, obj := range all {
		p.s.check.retired(unsafe.Pointer(obj))
		p.s.uncached.retires.Add(1)
		m.push(unsafe.Pointer(obj))
	}
	m.goal = d.Advance()
	p.s.depot.mu.Lock() // no call is made for m: only a poll finds it
	p.s.depot.waiting.insert(m)
	p.s.depot.mu.Unlock()
	all = getAll(t, p, len(all)-1)
	require.False(t, slices.Contains(all, h.Get()), "what is held is given out")
	require.EqualValues(t, 1, p.Stats().Pending)
	h.Release()
	settle(t, d)
	all = append(all, get(t, p))
	freeAll(p, all)
	closeEmpty(t, p)
}

// countedHolds counts the questions for what is held.
type countedHolds struct {
	held.Domain
	n int
}

func (c *countedHolds) Held(goal uint64) *held.Set {
	c.n++
	return c.Domain.Held(goal)
}

// Where much is held, a Get that finds nothing polls less often: there are more retired objects for each
// poll than slots to walk over.
func TestHold_PollsSeldomWhereMuchIsHeld(t *testing.T) {
	polls := func(holds int) (n, magazines int) {
		d := newDomain(t)
		p := New[flat](d, Options{})
		var all []smr.Held[flat]
		for range holds {
			all = append(all, hold(d, new(flat)))
		}
		counted := &countedHolds{Domain: p.s.holds}
		p.s.holds = counted
		objs := getAll(t, p, 1)
		for magazines = range 1000 { // no calls are made: only polls find them
			m := new(magazine)
			for _, obj := range objs {
				p.s.check.retired(unsafe.Pointer(obj))
				p.s.uncached.retires.Add(1)
				m.push(unsafe.Pointer(obj))
			}
			m.goal = d.Advance()
			p.s.depot.mu.Lock()
			p.s.depot.waiting.insert(m)
			p.s.depot.mu.Unlock()
			if m, _ := p.s.depot.take(false); m != nil {
				p.s.keep(m)
			}
			p.s.policy.trim(trimMagazines) // or the next take finds something full
			objs = getAll(t, p, 1)
		}
		n = counted.n
		freeAll(p, objs)
		for _, h := range all {
			h.Release()
		}
		p.s.depot.ready()
		closeEmpty(t, p)
		return n, magazines + 1
	}
	const holds = 100 * magazineCap
	few, magazines := polls(holds)
	most := 1 + magazines*magazineCap/holds
	require.LessOrEqual(t, few, most)
	often, _ := polls(0)
	require.Greater(t, often, most)
}

// What was held when an earlier goal was reached is not what is held when the next is.
func TestHold_NotAsOfAnEarlierGoal(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	for i := range uint64(10) {
		obj := get(t, p)
		obj.key = i + 1
		h := hold(d, obj)
		p.Retire(obj)
		p.Trim()
		settleUnheld(t, d)
		all := getAll(t, p, 100)
		for _, other := range all {
			other.key = 0
		}
		require.Equal(t, i+1, obj.key)
		freeAll(p, all)
		h.Release()
		settle(t, d)
	}
	closeEmpty(t, p)
}

// Blocks are held by their first byte: small, large, and such as are samples of a quarantine.
func TestHold_Blocks(t *testing.T) {
	for name, o := range map[string]Options{"": {}, "quarantine": {Quarantine: Quarantine{OneIn: 1}}} {
		for _, n := range []int{100, maxObject + 1} {
			t.Run(name, func(t *testing.T) {
				d := newDomain(t)
				b := NewBlocks(d, o)
				block, err := b.Get(n)
				require.NoError(t, err)
				block[n-1] = 7
				h := hold(d, unsafe.SliceData(block))
				b.Retire(block)
				b.Trim()
				settleUnheld(t, d)
				require.EqualValues(t, 1, b.Stats().Pending)
				other, err := b.Get(n)
				require.NoError(t, err)
				other[n-1] = 1
				require.EqualValues(t, 7, block[n-1])
				h.Release()
				settle(t, d)
				require.Zero(t, b.Stats().Pending)
				b.Free(other)
				require.NoError(t, b.Close(watchdogContext(t)))
			})
		}
	}
}

// A Retire of a large block, or a sample, allocates nothing to be held by.
func TestHold_RetireAllocatesNothing(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	d := newDomain(t)
	b := NewBlocks(d, Options{})
	q := New[flat](d, Options{Quarantine: Quarantine{OneIn: 1, MaxBytes: maxRegion}})
	const n = 1000
	var blocks [][]byte
	for range n + 1 { // AllocsPerRun runs it once before
		block, err := b.Get(maxObject + 1)
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	samples := getAll(t, q, n+1)
	leave := enter(t, d) // nothing is freed meanwhile
	allocs := func(retire func(i int)) float64 {
		i := 0
		return testing.AllocsPerRun(n, func() { retire(i); i++ })
	}
	require.LessOrEqual(t, allocs(func(i int) { b.Retire(blocks[i]) }), 1.0) // its call fills a chunk of the domain
	require.Zero(t, allocs(func(i int) { q.Retire(samples[i]) }))
	leave()
	require.NoError(t, b.Close(watchdogContext(t)))
	closeEmpty(t, q)
}

// Close waits for what is held of its own, and for no other hold.
func TestHold_CloseWaitsForItsOwn(t *testing.T) {
	synctest.Test(t, closeWaitsForItsOwn)
}

func closeWaitsForItsOwn(t *testing.T) {
	d := newDomain(t)
	p, q := New[flat](d, Options{}), New[flat](d, Options{})
	b := NewBlocks(d, Options{})
	obj, free := get(t, p), get(t, q)
	h := hold(d, obj)
	block, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	hb := hold(d, unsafe.SliceData(block))
	p.Retire(obj)
	q.Retire(free)
	b.Retire(block)
	called := new(int)
	other := hold(d, called)
	smr.Call(d, called, 8, func(*int) {})
	require.NoError(t, q.Close(watchdogContext(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other.Release()
	require.Error(t, p.Close(ctx))
	require.Error(t, b.Close(ctx))
	obj.key = 3

	done := make(chan error)
	go func() { done <- p.Close(watchdogContext(t)) }()
	go func() { done <- b.Close(watchdogContext(t)) }()
	synctest.Wait()
	select {
	case <-done:
		require.Fail(t, "Close has returned")
	default:
	}
	require.EqualValues(t, 3, obj.key)
	h.Release()
	hb.Release()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Zero(t, p.Stats().ReservedBytes)
	require.Zero(t, b.Stats().ReservedBytes)
}

// The same while what was held is on its way back: a wait for that is none for what is held of another pool.
func TestHold_CloseAtRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t)
		p, q := New[flat](d, Options{}), New[flat](d, Options{})
		obj, other := get(t, p), get(t, q)
		h, o := hold(d, obj), hold(d, other)
		p.Retire(obj)
		q.Retire(other)
		p.Trim()
		q.Trim()
		settleUnheld(t, d)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		h.Release()
		err := p.Close(ctx)
		o.Release()
		require.NoError(t, err)
		closeEmpty(t, q)
	})
}

// A Close that returns has given all memory back, also slabs that wait for a section which began before
// the Release.
func TestHold_CloseAfterSection(t *testing.T) {
	for name, o := range map[string]Options{"": {}, "quarantine": {Quarantine: Quarantine{OneIn: 1}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t)
				o := o
				o.Budget = NewBudget(0)
				p := New[flat](d, o)
				obj := get(t, p)
				h := hold(d, obj)
				p.Retire(obj)
				done := make(chan error, 1)
				go func() { done <- p.Close(watchdogContext(t)) }()
				synctest.Wait()
				require.Empty(t, done)
				leave := enter(t, d)
				h.Release()
				synctest.Wait()
				if len(done) > 0 { // there was no slab to wait for
					require.Zero(t, o.Budget.Used())
				}
				leave()
				require.NoError(t, <-done)
				require.Zero(t, o.Budget.Used())
			})
		})
	}
}

// Close says what it waits for. It ends though the domain is closed meanwhile, and something retired then.
func TestHold_CloseGivesUpOrGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := smr.New(smr.Options{Name: t.Name()})
		require.NoError(t, err)
		p, b := New[flat](d, Options{}), NewBlocks(d, Options{})
		obj, late := get(t, p), get(t, p)
		block, err := b.Get(maxObject + 1)
		require.NoError(t, err)
		lateBlock, err := b.Get(maxObject + 1)
		require.NoError(t, err)
		h, hb := hold(d, obj), hold(d, unsafe.SliceData(block))
		hl, hlb := hold(d, late), hold(d, unsafe.SliceData(lateBlock))
		p.Retire(obj)
		b.Retire(block)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for _, err := range []error{p.Close(ctx), b.Close(ctx)} {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "slab: Close waits for the Release of what was retired: ")
			require.ErrorContains(t, err, "its Held must be released")
		}
		require.Nil(t, p.s.freed.next.Load())
		require.Nil(t, b.freed.next.Load())
		done := make(chan error, 3)
		go func() { done <- p.Close(watchdogContext(t)) }()
		go func() { done <- b.Close(watchdogContext(t)) }()
		synctest.Wait()
		go func() { done <- d.Close(watchdogContext(t)) }()
		synctest.Wait()
		p.Retire(late)
		b.Retire(lateBlock)
		h.Release()
		hb.Release()
		synctest.Wait()
		require.Empty(t, done)
		hl.Release()
		hlb.Release()
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.Zero(t, p.Stats().ReservedBytes)
		require.Zero(t, b.Stats().ReservedBytes)
	})
}

// Where the domain is closed with something held, its pools keep that, and close when it is released.
func TestHold_DomainClosedFirst(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	b := NewBlocks(d, Options{})
	q := New[flat](d, Options{Quarantine: Quarantine{OneIn: 1}})
	all := getAll(t, p, 2)
	sample := get(t, q)
	block, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	h, hb, hq := hold(d, all[0]), hold(d, unsafe.SliceData(block)), hold(d, sample)
	p.Retire(all[1])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, d.Close(ctx))
	p.Retire(all[0])
	b.Retire(block)
	q.Retire(sample)
	p.Trim()
	for range 3 { // what is found held is not taken to be so for ever
		b.readers.poll()
		q.Trim()
		obj := p.s.take(true)
		if obj != nil {
			p.s.keep(obj)
		}
	}
	all[0].key, block[0], sample.key = 5, 6, 7
	require.Error(t, p.Close(ctx))
	require.Error(t, b.Close(ctx))
	require.Error(t, q.Close(ctx))
	require.EqualValues(t, 5, all[0].key)
	require.EqualValues(t, 6, block[0])
	require.EqualValues(t, 7, sample.key)
	h.Release()
	hb.Release()
	hq.Release()
	require.NoError(t, d.Close(watchdogContext(t)))
	closeEmpty(t, p)
	closeEmpty(t, q)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
}

// A slab with an object that is held is not evacuated: another goes. The holds of others hold up no
// evacuation.
func TestHold_EvacuationTakesAnotherSlab(t *testing.T) {
	synctest.Test(t, evacuationTakesAnotherSlab) // a wait for the other hold ends at once
}

func evacuationTakesAnotherSlab(t *testing.T) {
	b, s, live := newCrowd(t, 3)
	var kept *byte // in the slab with the most free blocks
	for p, block := range live {
		sl, i := s.heap.slabOfLocked(p)
		switch {
		case sl.number != 1 || i%2 == 0:
		case kept == nil:
			kept = unsafe.SliceData(block)
		default:
			delete(live, p)
			b.Free(block)
		}
	}
	h := hold(b.dom, kept)
	called := new(int)
	other := hold(b.dom, called)
	smr.Call(b.dom, called, 8, func(*int) {})
	ctx := watchdogContext(t)
	for range 2 {
		released, err := compactor{b}.Evacuate(ctx, -1, retirer(b, live))
		require.NoError(t, err)
		require.EqualValues(t, s.slabSize, released)
		require.NotNil(t, live[unsafe.Pointer(kept)])
	}
	released, err := compactor{b}.Evacuate(ctx, -1, retirer(b, live))
	require.NoError(t, err)
	require.Zero(t, released, "all that is left has a block that is held")
	require.EqualValues(t, 1, b.Stats().Pending)
	require.Empty(t, live)
	h.Release()
	other.Release()
	settle(t, b.dom)
	released, err = compactor{b}.Evacuate(ctx, -1, retirer(b, live))
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
}

// Where each slab has a block that is held, one of those is evacuated: it may be released by then.
func TestHold_EvacuationWhereEachSlabIsHeld(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	holds := make(map[uint32]smr.Held[byte])
	defer func() {
		for _, h := range holds {
			h.Release()
		}
	}()
	for p, block := range live {
		if sl, _ := s.heap.slabOfLocked(p); !holds[sl.number].Active() {
			holds[sl.number] = hold(b.dom, unsafe.SliceData(block))
		}
	}
	require.Len(t, holds, 2)
	retire := retirer(b, live)
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
		for number, h := range holds {
			h.Release()
			delete(holds, number)
		}
		retire(block)
	})
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
	require.Len(t, live, s.perSlab)
}

// Blocks of one size that are held in each of their slabs do not keep those of others from evacuation.
func TestHold_EvacuationTakesAnotherSize(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	block, err := b.Get(2 * evacuated)
	require.NoError(t, err)
	other := &b.classes[class(2*evacuated)]
	holds := make(map[uint32]smr.Held[byte])
	for p, block := range live {
		if sl, _ := s.heap.slabOfLocked(p); !holds[sl.number].Active() {
			holds[sl.number] = hold(b.dom, unsafe.SliceData(block))
		}
	}
	defer func() {
		for _, h := range holds {
			h.Release()
		}
	}()
	_, victim := b.victims(-1)
	require.Same(t, other, victim)
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(vacated []byte) {
		require.Same(t, unsafe.SliceData(block), unsafe.SliceData(vacated))
		b.Retire(vacated)
	})
	require.NoError(t, err)
	require.EqualValues(t, other.step, released)
	_, victim = b.victims(-1)
	require.Same(t, s, victim, "there is no other")
	require.Len(t, live, 2*s.perSlab)
}

// A block that is held during its evacuation stays as it is, though its user has moved: it is free
// when it is released.
func TestHold_EvacuatedMeanwhile(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	var h smr.Held[byte]
	retire := retirer(b, live)
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
		if !h.Active() {
			block[0] = 9
			h = hold(b.dom, unsafe.SliceData(block))
		}
		retire(block)
	})
	require.NoError(t, err)
	require.Zero(t, released)
	require.EqualValues(t, 9, *h.Get())
	require.EqualValues(t, 1, b.Stats().Pending)
	h.Release()
	settle(t, b.dom)
	require.Zero(t, b.Stats().Pending)
	b.Trim()
	settle(t, b.dom)
	require.EqualValues(t, 1, b.Stats().Slabs)
	require.Len(t, live, s.perSlab)
}

// What is held of a pool that is dropped without Close stays, and so does all of its memory; then it
// comes back.
func TestHold_DroppedPool(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	type anything interface{ Release() }
	for name, drop := range map[string]func(*Budget) (anything, *uint64){
		"Pool": func(b *Budget) (anything, *uint64) {
			p := New[flat](d, Options{Budget: b, FreeOnDrop: true})
			all := getAll(t, p, 1000)
			p.Retire(all[500])
			return hold(d, all[7]), &all[7].key
		},
		"retired": func(b *Budget) (anything, *uint64) {
			p := New[flat](d, Options{Budget: b})
			obj := get(t, p)
			h := hold(d, obj)
			p.Retire(obj)
			p.Trim()
			settleUnheld(t, d)
			return h, &obj.key
		},
		"large block": func(b *Budget) (anything, *uint64) {
			p := NewBlocks(d, Options{Budget: b, FreeOnDrop: true})
			block, err := p.Get(maxObject + 1)
			require.NoError(t, err)
			obj := (*uint64)(unsafe.Pointer(unsafe.SliceData(block)))
			return hold(d, obj), obj
		},
		"sample": func(b *Budget) (anything, *uint64) {
			p := New[flat](d, Options{Budget: b, FreeOnDrop: true, Quarantine: Quarantine{OneIn: 1}})
			obj := get(t, p)
			return hold(d, obj), &obj.key
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(0)
			var h anything
			var key *uint64
			dropped(func() {
				h, key = drop(b)
				*key = 4
			})
			waiting := func() bool {
				graveyard.mu.Lock()
				defer graveyard.mu.Unlock()
				for _, r := range graveyard.list {
					if r.dom == d && r.dom.Passed(r.goal) {
						return true
					}
				}
				return false
			}
			collectUntil(func() bool { return waiting() || b.Used() == 0 })
			for range 5 {
				bury()
				require.EqualValues(t, 4, *key)
			}
			require.NotZero(t, b.Used())
			h.Release()
			collectUntil(func() bool { return b.Used() == 0 })
		})
	}
}

// What is held in other memory keeps no pool.
func TestHold_ElsewhereKeepsNoPool(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	h := hold(d, new(int))
	b := NewBudget(0)
	dropped(func() {
		get(t, New[flat](d, Options{Budget: b, FreeOnDrop: true}))
		blocks := NewBlocks(d, Options{Budget: b, FreeOnDrop: true})
		for _, n := range []int{10, maxObject + 1} {
			_, err := blocks.Get(n)
			require.NoError(t, err)
		}
	})
	collectUntil(func() bool { return b.Used() == 0 })
	h.Release()
}

// The same where the domain moves no more: what its reclaimer found held after the pool's goal was
// reached is not taken to be so for ever.
func TestHold_DroppedWhileIdle(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	b := NewBudget(0)
	var h smr.Held[flat]
	dropped(func() {
		p := New[flat](d, Options{Budget: b, FreeOnDrop: true})
		h = hold(d, get(t, p))
	})
	waiting := func() (yes bool) {
		graveyard.mu.Lock()
		defer graveyard.mu.Unlock()
		return slices.ContainsFunc(graveyard.list, func(r *remains) bool { return r.dom == d })
	}
	collectUntil(waiting)
	smr.Call(d, new(int), 8, func(*int) {})
	require.NoError(t, d.Barrier(watchdogContext(t)))
	bury()
	require.NotZero(t, b.Used())
	h.Release()
	collectUntil(func() bool { return b.Used() == 0 })
}
