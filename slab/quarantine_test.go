//go:build !smr_sched

package slab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// each has every Get of a pool sampled.
var each = Quarantine{OneIn: 1}

// skipUnprotected skips a test where samples are poisoned instead of protected, or a fault does not
// say where it was.
func skipUnprotected(t *testing.T) {
	g, err := pages.NewGuard(pages.PageSize, false)
	require.NoError(t, err)
	defer g.End()
	require.NoError(t, g.Open(0, pages.PageSize))
	if !g.Shut(0, pages.PageSize) {
		t.Skip("pages can't be protected in this build")
	}
	at := addressOfFault(func() { readByte = *(*byte)(g.Base()) })
	if emulator := os.Getenv(self.Emulator); emulator != "" && at == 0 {
		t.Skipf("%s does not tell the addresses of faults", emulator)
	}
	require.Equal(t, uintptr(g.Base()), at)
}

// addressOfFault returns the address at which fn faults, as the runtime says it; 0 if it says none.
func addressOfFault(fn func()) (at uintptr) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if err, ok := recover().(interface{ Addr() uintptr }); ok {
			at = err.Addr()
		}
	}()
	fn()
	return 0
}

// fault returns what is known about the fault that fn meets.
func fault(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		v := recover()
		require.NotNil(t, v, "no fault")
		text = ExplainFault(v)
		require.NotEmpty(t, text, "%v", v)
	}()
	fn()
	return ""
}

var readByte byte

func TestQuarantine_ReadAndWriteAfterFreeFault(t *testing.T) {
	skipUnprotected(t)
	p := New[flat](newDomain(t), Options{Name: "tables", PrivateFree: true, Quarantine: each})
	obj := get(t, p)
	*obj = flat{key: 7}
	require.EqualValues(t, 7, obj.key)
	gotten := Explain(uintptr(unsafe.Pointer(obj)))
	require.Regexp(t, `of pool tables, byte 0 of the object of \d+ bytes at 0x[0-9a-f]+, which is in use\ngotten`, gotten)
	p.Free(obj)
	for _, use := range []func(){func() { readByte = byte(obj.key) }, func() { obj.key = 8 }} {
		text := fault(t, use)
		require.Regexp(t, `of pool tables, byte \d+ of the object of \d+ bytes at 0x[0-9a-f]+, which was freed [\d.m]+s ago`, text)
		require.Regexp(t, `(?s)freed\n.*TestQuarantine_ReadAndWriteAfterFreeFault.*gotten [\d.m]+s ago\n.*slab\.get`, text)
	}
	closeEmpty(t, p)
	require.Empty(t, Explain(uintptr(unsafe.Pointer(obj))), "the pool is closed")
}

// The process ends at the stray access, and its last words are the runtime's and a handler's.
func TestQuarantine_CrashHandlerExplains(t *testing.T) {
	skipUnprotected(t)
	text := self.Dies(t, func() {
		p := New[flat](smr.Default(), Options{Name: "tables", PrivateFree: true, Quarantine: each})
		debug.SetPanicOnFault(true)
		defer func() {
			v := recover()
			panic(fmt.Sprint(v, "\n", ExplainFault(v)))
		}()
		obj := mustGet(p)
		p.Free(obj)
		obj.key = 8
	})
	require.Contains(t, text, "invalid memory address")
	require.Regexp(t, `of pool tables, byte \d+ of the object of .* which was freed`, text)
	require.Contains(t, text, "TestQuarantine_CrashHandlerExplains")
}

// A retired object can be read in the sections that may hold it, and not after they were left; so it
// is with a freed one of a pool whose readers may hold what is freed.
func TestQuarantine_ReadersHoldIt(t *testing.T) {
	skipUnprotected(t)
	for how, giveBack := range map[string]func(*Pool[flat], *flat){"retired": (*Pool[flat]).Retire, "freed": (*Pool[flat]).Free} {
		d := newDomain(t)
		p := New[flat](d, Options{Quarantine: each, KeepContents: true})
		obj := get(t, p)
		obj.key = 7
		leave := enter(t, d)
		giveBack(p, obj)
		require.EqualValues(t, 7, obj.key)
		require.Regexp(t, "which was "+how+" .* readers may hold it", Explain(uintptr(unsafe.Pointer(obj))))
		leave()
		settle(t, d)
		require.Contains(t, fault(t, func() { obj.key++ }), "which was "+how)
		require.EqualValues(t, 1, p.Stats().Quarantined)
		require.EqualValues(t, pages.PageSize, p.Stats().QuarantinedBytes)
		require.Zero(t, p.Stats().Pending)
		require.Zero(t, p.Stats().ReservedBytes, "it takes addresses only")
		closeEmpty(t, p)
	}
}

func TestQuarantine_Blocks(t *testing.T) {
	skipUnprotected(t)
	d := newDomain(t)
	budget := NewBudget(0)
	b := NewBlocks(d, Options{Name: "values", Quarantine: each, Budget: budget})
	for _, n := range []int{1, 5000, maxObject, maxObject + 1} {
		for how, giveBack := range map[string]func(*Blocks, []byte){"freed": (*Blocks).Free, "retired": (*Blocks).Retire} {
			block, err := b.Get(n)
			require.NoError(t, err)
			require.Equal(t, BlockSize(n), cap(block))
			clear(block[:cap(block)])
			require.EqualValues(t, b.Stats().ReservedBytes, budget.Used())
			require.Positive(t, budget.Used())
			giveBack(b, block)
			settle(t, d)
			last := n - 1
			text := fault(t, func() { readByte = block[last] })
			require.Contains(t, text, fmt.Sprintf("of pool values, byte %d of the object of %d bytes", last, cap(block)))
			require.Contains(t, text, "which was "+how)
			require.Regexp(t, "which (was|is) "+how, panicText(t, func() { giveBack(b, block) }))
			require.Zero(t, budget.Used())
		}
	}
	require.EqualValues(t, 8, b.Stats().Quarantined)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, b.Stats().QuarantinedBytes)
}

// A reader that reads first and checks later finds zeros; who writes faults.
func TestQuarantine_OptimisticReadersRead(t *testing.T) {
	skipUnprotected(t)
	for range 2 { // the second pool gets the first one's addresses
		p := New[flat](newDomain(t), Options{PrivateFree: true, Quarantine: each, OptimisticReaders: true})
		obj := get(t, p)
		require.Zero(t, obj.key)
		obj.key = 7
		p.Free(obj)
		require.Zero(t, obj.key)
		require.Contains(t, fault(t, func() { obj.key = 8 }), "which was freed")
		closeEmpty(t, p)
		require.Zero(t, obj.key, "a reader may still be there when the pool is closed")
	}
}

// Where a sample can't be protected, as under the race detector, a write to it is reported when its
// time is over.
func TestQuarantine_UnprotectedIsChecked(t *testing.T) {
	var log syncBuffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	budget := NewBudget(0)
	p := New[flat](newDomain(t), Options{Name: "poisoned", PrivateFree: true, Quarantine: each, Budget: budget})
	for _, written := range []bool{false, true} {
		obj := get(t, p)
		p.Free(obj)
		x := p.s.samples.newest
		if x.shut { // as if the system had refused
			require.NoError(t, p.s.samples.guard.Open(x.span()))
			require.NoError(t, budget.Reserve(x.bytes()))
			p.s.samples.reserved += x.bytes()
			x.shut = false
			p.s.samples.open++
			poison(x.p, uintptr(x.bytes()))
		}
		require.Positive(t, budget.Used())
		if written {
			obj.key = 8
		}
		p.Trim()
		require.Zero(t, budget.Used(), "Trim gives up what takes memory")
		require.Zero(t, p.Stats().Quarantined)
	}
	collectUntil(func() bool { return log.contains("poisoned") })
	require.Contains(t, log.buf.String(), "an object was written after it was given back")
	require.Contains(t, log.buf.String(), "TestQuarantine_UnprotectedIsChecked")
	require.Equal(t, 1, bytes.Count(log.buf.Bytes(), []byte("level=ERROR")))
	obj := get(t, p)
	require.Zero(t, obj.key, "it is given out anew")
	p.Free(obj)
	closeEmpty(t, p)
}

func TestQuarantine_SecondFreeTellsOfTheFirst(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "tables", PrivateFree: true, Quarantine: each})
	giveBackFirst := func(obj *flat, retire bool) {
		if retire {
			p.Retire(obj)
		} else {
			p.Free(obj)
		}
	}
	for _, first := range []bool{false, true} {
		for _, second := range []bool{false, true} {
			obj := get(t, p)
			giveBackFirst(obj, first)
			text := panicText(t, func() {
				if second {
					p.s.retireSlow(unsafe.Pointer(obj))
				} else {
					p.s.freeSlow(unsafe.Pointer(obj))
				}
			})
			require.Contains(t, text, map[bool]string{false: "slab: tables: Free of", true: "slab: tables: Retire of"}[second])
			require.Contains(t, text, map[bool]string{false: "which was freed", true: "which was retired"}[first])
			require.Contains(t, text, "TestQuarantine_SecondFreeTellsOfTheFirst.func1", "the first")
		}
	}
	obj := get(t, p)
	inside := unsafe.Add(unsafe.Pointer(obj), 8)
	require.Contains(t, panicText(t, func() { p.s.freeSlow(inside) }), "which is not the start of an object in use")
	p.Free(obj)
	closeEmpty(t, p)
}

// A sample's pages are not used before its time is over, and after that.
func TestQuarantine_For(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		p := New[flat](d, Options{PrivateFree: true, Quarantine: Quarantine{OneIn: 1, For: time.Hour, MaxBytes: 1}})
		first := get(t, p)
		require.True(t, p.s.sampled(unsafe.Pointer(first)))
		other := get(t, p)
		require.False(t, p.s.sampled(unsafe.Pointer(other)), "one page is all it has")
		p.Free(first)
		p.Free(other)
		time.Sleep(time.Hour - time.Nanosecond)
		other = get(t, p)
		require.False(t, p.s.sampled(unsafe.Pointer(other)))
		p.Free(other)
		require.EqualValues(t, 1, p.Stats().Quarantined)
		time.Sleep(1 * time.Nanosecond)
		again := get(t, p)
		require.Equal(t, first, again)
		require.Zero(t, p.Stats().Quarantined)
		require.Zero(t, again.key)
		p.Free(again)
		closeEmpty(t, p)
		require.NoError(t, d.Close(t.Context()))
	})
}

// MaxBytes bounds the samples in use and kept, and Gets beyond it are ordinary ones.
func TestQuarantine_MaxBytes(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(0)
	size := int64(10 * pages.PageSize)
	p := New[flat](d, Options{PrivateFree: true, Quarantine: Quarantine{OneIn: 1, MaxBytes: size}, Budget: budget})
	var inUse []*flat
	samples := func() (n int) {
		for _, obj := range inUse {
			if p.s.sampled(unsafe.Pointer(obj)) {
				n++
			}
		}
		return n
	}
	for range 5 {
		p.Free(get(t, p))
	}
	inUse = getAll(t, p, 50)
	require.Equal(t, 5, samples())
	require.EqualValues(t, 5, p.Stats().Quarantined)
	require.EqualValues(t, 50, p.Stats().InUse)
	require.EqualValues(t, budget.Used(), p.Stats().ReservedBytes)
	require.EqualValues(t, (p.s.heap.counts().objects-45)*int64(p.s.size), p.Stats().FreeBytes)
	freeAll(p, inUse)
	require.EqualValues(t, 10, p.Stats().Quarantined)
	require.EqualValues(t, size, p.Stats().QuarantinedBytes)
	closeEmpty(t, p)
	require.Zero(t, budget.Used())
}

// Where pages are free, but not enough in a row, none are searched for in the next moment.
func TestQuarantine_FruitlessSearch(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{PrivateFree: true, Quarantine: Quarantine{OneIn: 1, For: 1, MaxBytes: 4 * int64(pages.PageSize)}})
	block := func(n int) []byte {
		block, err := b.Get(n * int(pages.PageSize))
		require.NoError(t, err)
		return block
	}
	var blocks [4][]byte
	for i := range blocks {
		blocks[i] = block(1)
		require.EqualValues(t, i+1, b.samples.busy)
	}
	b.Free(blocks[0])
	b.Free(blocks[2])
	for freed := time.Now(); time.Since(freed) <= 1; { // they are kept for that long
	}
	require.Zero(t, b.samples.idle)
	blocks[0] = block(2)
	require.Equal(t, 2, b.samples.busy)
	require.NotZero(t, b.samples.idle)
	for _, block := range [][]byte{blocks[0], blocks[1], blocks[3]} {
		b.Free(block)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Empty(t, b.samples.at, "a closed quarantine keeps samples")
}

// A budget without room for a sample has none taken, and no Get fails for that.
func TestQuarantine_BudgetUsedUp(t *testing.T) {
	budget := NewBudget(0)
	p := New[flat](newDomain(t), Options{PrivateFree: true, Quarantine: Quarantine{OneIn: 2}, Budget: budget})
	var inUse []*flat
	for p.Stats().Slabs == 0 { // until one is not sampled
		inUse = append(inUse, get(t, p))
	}
	budget.SetLimit(budget.Used())
	for range 20 {
		obj := get(t, p)
		require.False(t, p.s.sampled(unsafe.Pointer(obj)))
		inUse = append(inUse, obj)
	}
	freeAll(p, inUse)
	closeEmpty(t, p)
	require.Zero(t, budget.Used())
}

// One Get in OneIn is sampled, also of a processor that never leaves its cache.
func TestQuarantine_OneIn(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{PrivateFree: true, Quarantine: Quarantine{OneIn: 100, MaxBytes: 64 << 20}})
	const n = 100_000
	sampled := 0
	for range n {
		obj := get(t, p)
		if p.s.sampled(unsafe.Pointer(obj)) {
			sampled++
		}
		p.Free(obj)
	}
	require.InDelta(t, n/100, sampled, n/100/3)
	swapped := 0
	obj := get(t, p)
	for range n {
		l := p.Pin()
		next := l.Swap(obj)
		l.Unpin()
		if next == nil {
			p.Retire(obj)
			next = get(t, p)
		}
		if obj = next; p.s.sampled(unsafe.Pointer(obj)) {
			swapped++
		}
	}
	require.InDelta(t, n/100, swapped, n/100/3)
	p.Free(obj)
	closeEmpty(t, p)
}

// A leak of a sample is told with the stack of its Get, also in production.
func TestQuarantine_LeakNamesItsGet(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "leaky", Quarantine: each})
	obj := get(t, p)
	err := p.Close(watchdogContext(t))
	require.ErrorContains(t, err, "leaky: 1 objects were not given back")
	require.ErrorContains(t, err, "TestQuarantine_LeakNamesItsGet")
	obj.key = 7 // it stays
	p.Retire(obj)
	closeEmpty(t, p)
}

// Samples that are given back after the domain was closed wait for its last readers, and Close finds
// them.
func TestQuarantine_DomainClosedFirst(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	budget := NewBudget(0)
	p := New[flat](d, Options{Quarantine: each, Budget: budget})
	b := NewBlocks(d, Options{Quarantine: each, Budget: budget})
	objects := getAll(t, p, 2)
	block, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	leave := enter(t, d)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Close(over), context.Canceled)
	p.Retire(objects[0])
	p.Free(objects[1])
	b.Retire(block)
	p.Trim()
	require.Zero(t, p.Stats().Quarantined)
	objects[0].key = 7
	block[0] = 7
	require.ErrorIs(t, p.Close(over), context.Canceled)
	leave()
	p.s.samples.readers.poll()
	require.EqualValues(t, 2, p.Stats().Quarantined)
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, budget.Used())
}

func TestQuarantine_Dropped(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	before := len(quarantines.all())
	for name, drop := range map[string]func(*Budget){
		"kept":   func(b *Budget) { p := New[flat](d, Options{Budget: b, Quarantine: each}); p.Retire(mustGet(p)) },
		"in use": func(b *Budget) { mustGet(New[flat](d, Options{Budget: b, Quarantine: each, FreeOnDrop: true})) },
		"large": func(b *Budget) {
			p := NewBlocks(d, Options{Budget: b, Quarantine: each, FreeOnDrop: true})
			for range 2 {
				block, err := p.Get(maxObject + 1)
				require.NoError(t, err)
				_ = block
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(0)
			dropped(func() { drop(b) })
			collectUntil(func() bool { return b.Used() == 0 && len(quarantines.all()) <= before })
			require.NoError(t, d.Barrier(watchdogContext(t)), "what was retired finds nothing to do")
			require.Zero(t, b.Used())
		})
	}
}

// Evacuation moves the blocks of slabs; a sample is in none, and stays.
func TestQuarantine_EvacuationLeavesSamples(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Quarantine: Quarantine{OneIn: 1, MaxBytes: int64(pages.PageSize)}})
	var inUse [][]byte
	for range 3 {
		block, err := b.Get(100)
		require.NoError(t, err)
		inUse = append(inUse, block)
	}
	sample := inUse[0]
	require.True(t, b.storeOf(sample).sampled(unsafe.Pointer(&sample[0])))
	var vacated [][]byte
	_, err := compaction.Of(b).Evacuate(watchdogContext(t), -1, func(block []byte) {
		vacated = append(vacated, block)
		b.Retire(block)
	})
	require.NoError(t, err)
	require.Len(t, vacated, 2)
	sample[0] = 7
	b.Free(sample)
	require.NoError(t, b.Close(watchdogContext(t)))
}

// Goroutines share a pool that samples: no object is one's while it is another's, and in the end
// nothing is left.
func TestQuarantine_ManyAtOnce(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(0)
	p := New[flat](d, Options{Budget: budget, Quarantine: Quarantine{OneIn: 3, For: 1, MaxBytes: int64(20 * pages.PageSize)}})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range rounds(20_000) {
				obj := mustGet(p)
				obj.key = uint64(g)
				runtime.Gosched()
				if obj.key != uint64(g) {
					panic("an object is given out twice")
				}
				if i%2 == 0 {
					p.Free(obj)
				} else {
					s := d.Enter()
					p.Retire(obj)
					if obj.key != uint64(g) {
						panic("a retired object changed in a section")
					}
					s.Leave()
				}
				if i%100 == 0 {
					Explain(uintptr(unsafe.Pointer(obj)))
					p.Trim()
				}
			}
		})
	}
	wg.Wait()
	closeEmpty(t, p)
	require.Zero(t, budget.Used())
}

func TestQuarantine_Options(t *testing.T) {
	for _, o := range []Quarantine{{OneIn: -1}, {OneIn: 1, For: -1}, {OneIn: 1, MaxBytes: -1}} {
		require.Contains(t, panicText(t, func() { New[flat](newDomain(t), Options{Quarantine: o}) }), "negative Quarantine")
	}
	o := Quarantine{OneIn: math.MaxInt, MaxBytes: math.MaxInt64}.normalize()
	require.EqualValues(t, maxRegion, o.MaxBytes)
	require.Equal(t, time.Minute, o.For)
	require.EqualValues(t, pages.PageSize, Quarantine{MaxBytes: 1}.normalize().MaxBytes)
	require.EqualValues(t, defaultRegion, Quarantine{}.normalize().MaxBytes)
	p := New[flat](newDomain(t), Options{})
	require.Nil(t, p.s.samples)
	closeEmpty(t, p)
	closeEmpty(t, New[struct{ p *int }](newDomain(t), Options{Quarantine: each}))
}

func TestExplain_NotOurs(t *testing.T) {
	require.Empty(t, Explain(0))
	require.Empty(t, Explain(uintptr(unsafe.Pointer(t))))
	require.Empty(t, ExplainFault(nil))
	require.Empty(t, ExplainFault("text"))
	require.Empty(t, ExplainFault(errors.New("no fault")))
	require.Empty(t, ExplainFault(fmt.Errorf("%w", errors.New("no fault"))))
	p := New[flat](newDomain(t), Options{Name: "new", Quarantine: each})
	require.Contains(t, Explain(p.s.region), "of pool new, in a page for samples that has had no object yet")
	require.Contains(t, ExplainFault(fmt.Errorf("wrapped: %w", faultAt(p.s.region))), "of pool new")
	obj := get(t, p)
	require.Contains(t, Explain(uintptr(unsafe.Pointer(obj))+unsafe.Sizeof(*obj)-1), "byte 39 of the object of 40 bytes")
	require.Contains(t, Explain(uintptr(unsafe.Pointer(obj))+unsafe.Sizeof(*obj)+2), "2 bytes past the end of the object of 40 bytes")
	p.Free(obj)
	closeEmpty(t, p)
	require.Empty(t, Explain(p.s.region))
}

type faultAt uintptr

func (f faultAt) Error() string { return "fault" }
func (f faultAt) Addr() uintptr { return uintptr(f) }

// A grace period that ends after the pool was dropped and its addresses are another's leaves them be.
func TestQuarantine_EndsAfterAbandoned(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(0)
	p := New[flat](d, Options{Budget: budget, Quarantine: each})
	leave := enter(t, d)
	obj := get(t, p)
	x := p.s.samples.sampleAt(unsafe.Pointer(obj)) // as a call finds it, just before
	p.Retire(obj)
	p.s.samples.abandon()
	require.Zero(t, budget.Used())
	x.end()
	leave()
	settle(t, d)
	require.Zero(t, p.Stats().Quarantined)
	p.s.samples.abandon()
	require.Zero(t, budget.Used())
}

// A share of a pool neither retires nor swaps a sample: Retire does, after Unpin.
func TestQuarantine_SwapRefusesSamples(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Quarantine: Quarantine{OneIn: 1, MaxBytes: 1}})
	sample := get(t, p)
	p.Free(get(t, p)) // the cache has objects now, and the quarantine no room
	c := p.s.pinLoaded()
	c.sampleAt = math.MaxUint64
	c.unpin()
	l := p.Pin()
	retired, next := l.Retire(sample), l.Swap(sample)
	l.Unpin()
	require.False(t, retired)
	require.Nil(t, next)
	p.Retire(sample)
	settle(t, d)
	require.EqualValues(t, 1, p.Stats().Quarantined)
	closeEmpty(t, p)
}

// A quarantine that is full takes no more samples, and asking it costs no more than that.
func TestQuarantine_FullAllocatesNothing(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	p := New[flat](newDomain(t), Options{Quarantine: Quarantine{OneIn: 1, MaxBytes: 1}})
	sample := get(t, p)
	require.True(t, p.s.sampled(unsafe.Pointer(sample)))
	p.Free(get(t, p)) // there are magazines
	require.Zero(t, testing.AllocsPerRun(100, func() {
		obj, _ := p.Get()
		p.Free(obj)
	}))
	p.Free(sample)
}
