package slab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/pinned"
	"github.com/gosmr/gosmr/smr"
)

// Blocks hands out byte slices of any length, off the Go heap, as [Pool] does objects. Sizes are
// rounded up to classes, four to each doubling, so that at most a fifth of a block is unused. A
// block above 64 KiB has its own mapping.
//
// All methods may be called by any number of goroutines. All but Retire may block briefly, and
// so must not be called in a pinned section. Make it with [NewBlocks]; it must not be copied.
// [Pool] says what happens to Blocks that become unreachable without Close.
type Blocks struct {
	_ [0]sync.Mutex // by which vet finds copies

	*blocks
	cleanup runtime.Cleanup // for Blocks that are dropped without Close
}

// blocks is the part of a [Blocks] that outlives it if it is dropped.
type blocks struct {
	dom     *smr.Domain
	budget  *Budget
	name    string
	freed   event
	classes [numClasses]store

	mu       pinned.Lock                    // guards all below
	large    map[unsafe.Pointer]*largeBlock // in use
	retired  map[unsafe.Pointer]*largeBlock // until they are freed
	stats    Stats                          // of large blocks; ReservedBytes without samples
	sampleAt uint64                         // as in a cache
	closed   bool

	readers deferral[largeBlock] // of retired large blocks
	samples *quarantine          // constant; nil: none
}

// A largeBlock is a block above maxObject.
type largeBlock struct {
	b    *blocks
	p    unsafe.Pointer
	size uintptr

	sample *sample // that the block is; nil: none

	// uncharged: it counts nowhere yet, see uncharged.go. The block's owner reads it; and writes it,
	// and others read it, with b.mu locked.
	uncharged bool
}

const (
	smallStep   = 16 // between classes up to smallMax; blocks are aligned to it
	smallMax    = 128
	perDoubling = 4
	numSmall    = smallMax / smallStep
	numClasses  = numSmall + perDoubling*9       // 9 doublings from smallMax to maxObject
	maxBlock    = 1 << (30 + ^uintptr(0)>>63*10) // 1 TiB, or 1 GiB where addresses are short
)

// class returns the class of blocks of n bytes, which is at most maxObject.
func class(n int) int {
	if n <= smallMax {
		return max(n-1, 0) / smallStep
	}
	// The doubling that holds n-1, and the quarter of it.
	shift := bits.Len(uint(n-1)) - 1
	return numSmall + (shift-7)*perDoubling + int(uint(n-1)>>(shift-2))&(perDoubling-1)
}

// classSize is the inverse of class: the largest n of a class.
func classSize(c int) int {
	if c < numSmall {
		return (c + 1) * smallStep
	}
	c -= numSmall
	return (perDoubling + 1 + c%perDoubling) << (c/perDoubling + 5)
}

// BlockSize returns the capacity of a block of n bytes, or [math.MaxInt] if n is above the
// largest size, 1 TiB (1 GiB on 32-bit systems). It panics if n is negative.
func BlockSize(n int) int {
	switch {
	case n < 0:
		panic("slab: BlockSize of a negative size")
	case n <= maxObject:
		return classSize(class(n))
	case n <= maxBlock:
		return int(pages.RoundLarge(uintptr(n)))
	default:
		return math.MaxInt
	}
}

// NewBlocks returns empty Blocks of the domain d, as [New] does. It panics if d is nil.
func NewBlocks(d *smr.Domain, o Options) *Blocks {
	if d == nil {
		panic("slab: NewBlocks without a domain")
	}
	if o.Name == "" {
		o.Name = "blocks"
	}
	in := &blocks{dom: d, budget: o.Budget, name: o.Name, large: make(map[unsafe.Pointer]*largeBlock), retired: make(map[unsafe.Pointer]*largeBlock)}
	in.readers.init(d, (*largeBlock).ready, in.retiredAt)
	in.samples = newQuarantine(d, o, false)
	in.sampleAt = in.samples.nextAfter(0)
	rest := &remains{dom: d, name: o.Name, all: o.FreeOnDrop, large: in, samples: in.samples}
	for c := range in.classes {
		s := &in.classes[c]
		rest.stores = append(rest.stores, s)
		s.dom, s.budget = d, o.Budget
		s.freed = &in.freed
		s.size, s.name = uintptr(classSize(c)), fmt.Sprintf("%s of %d bytes", o.Name, classSize(c))
		s.use(in.samples)
		s.init(false)
		s.check.init(s, s.name, o.KeepContents)
	}
	b := &Blocks{blocks: in}
	b.cleanup = whenDropped(b, rest)
	return b
}

// Get returns a free block of n bytes, aligned to 16 bytes, with undefined contents. Its
// capacity is that of the whole block, also if n is 0, and a slice of that capacity must be given back.
//
// It returns an error that wraps [ErrNoMemory] if there is no memory, or [ErrClosed] after Close.
// It panics if n is negative.
func (b *Blocks) Get(n int) ([]byte, error) {
	smr.CheckMayBlock("slab: Get")
	if n < 0 {
		panic("slab: Get of a negative size")
	}
	defer runtime.KeepAlive(b)
	if n > maxObject {
		return b.getLarge(n)
	}
	s := &b.classes[class(n)]
	p, err := s.get()
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), s.size)[:n], nil
}

// Free gives back a block that no reader can hold. It panics if the capacity of block shows that
// it is not from Get.
func (b *Blocks) Free(block []byte) {
	smr.CheckMayBlock("slab: Free")
	if s := b.storeOf(block); s != nil {
		s.free(unsafe.Pointer(unsafe.SliceData(block)))
	} else {
		b.takeLarge(block, false).free()
	}
	runtime.KeepAlive(b)
}

// Retire gives back a block that was unlinked, as [Pool.Retire] does. It may be called in any
// section, pinned or not. It panics as Free does. Readers hold a block by its first byte:
// smr.Hold(s, unsafe.SliceData(block)).
func (b *Blocks) Retire(block []byte) {
	if s := b.storeOf(block); s != nil {
		s.retire(unsafe.Pointer(unsafe.SliceData(block)))
	} else {
		l := b.takeLarge(block, true)
		if !b.readers.after(l, l.p, int(l.size)) {
			b.freed.tell()
		}
	}
	runtime.KeepAlive(b)
}

// storeOf returns the store of a block, nil for a large one.
func (b *blocks) storeOf(block []byte) *store {
	n := cap(block)
	if n > maxObject {
		return nil
	}
	s := &b.classes[class(n)]
	if uintptr(n) != s.size {
		panic(fmt.Sprintf("slab: %s: a slice of capacity %d is not a whole block", b.name, n))
	}
	return s
}

// getLarge returns a block above maxObject.
func (b *blocks) getLarge(n int) ([]byte, error) {
	if n > maxBlock {
		return nil, fmt.Errorf("%s: %w: %d bytes", b.name, ErrNoMemory, n)
	}
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return nil, b.errClosed()
	}
	if err := b.reserveLarge(int64(pages.RoundLarge(uintptr(n)))); err != nil {
		return nil, err
	}
	return b.allocLarge(n)
}

// reserveLarge takes the bytes of a large block from the budget.
func (b *blocks) reserveLarge(size int64) error {
	bury()
	b.readers.poll()
	err := b.budget.Reserve(size)
	if err != nil && b.samples.trim() {
		err = b.budget.Reserve(size)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.name, err)
	}
	return nil
}

func (b *blocks) errClosed() error { return fmt.Errorf("slab: Get from %s: %w", b.name, ErrClosed) }

// allocLarge is getLarge with bytes that are already taken from the budget. They go back if the
// system has no memory.
func (b *blocks) allocLarge(n int) ([]byte, error) {
	size := pages.RoundLarge(uintptr(n))
	l := &largeBlock{b: b, size: size, sample: b.sampleLarge(size)}
	if l.sample != nil {
		l.p = l.sample.p
	} else {
		p, err := b.budget.allocLarge(size)
		if err != nil {
			b.budget.Release(int64(size))
			return nil, fmt.Errorf("%s: %w: %w", b.name, ErrNoMemory, err)
		}
		l.p = p
	}
	return b.enlist(l, n)
}

// enlist returns the n bytes of a new block, which Free and Retire know from then on. If b is closed it
// gives the block back.
func (b *blocks) enlist(l *largeBlock, n int) ([]byte, error) {
	b.mu.Lock()
	closed := b.closed // with which Close counts large
	if !closed {
		b.large[l.p] = l
		b.stats.Gets++
		if !l.uncharged {
			b.stats.InUseBytes += int64(l.size)
		}
	}
	if l.sample == nil && !l.uncharged {
		b.stats.ReservedBytes += int64(l.size)
	}
	b.mu.Unlock()
	if closed {
		if l.sample != nil {
			b.samples.given(nil, l.p, false)
		}
		l.free()
		return nil, b.errClosed()
	}
	return unsafe.Slice((*byte)(l.p), l.size)[:n], nil
}

// sampleLarge returns a sample if one is due and there is room for it, else nil. Its bytes are taken
// from the budget.
func (b *blocks) sampleLarge(size uintptr) *sample {
	if b.samples == nil {
		return nil
	}
	b.mu.Lock()
	due := b.stats.Gets+1 >= b.sampleAt
	if due {
		b.sampleAt = b.samples.nextAfter(b.stats.Gets)
	}
	b.mu.Unlock()
	if !due {
		return nil
	}
	return b.samples.take(nil, size, true)
}

// takeLarge removes a large block from those in use.
func (b *blocks) takeLarge(block []byte, retire bool) *largeBlock {
	p := unsafe.Pointer(unsafe.SliceData(block))
	b.mu.Lock()
	l := b.large[p]
	if l == nil || l.size != uintptr(cap(block)) {
		b.mu.Unlock()
		panic(fmt.Sprintf("slab: %s: %p of %d bytes is not a block in use%s", b.name, p, cap(block), explained(p)))
	}
	delete(b.large, p)
	if retire {
		b.retired[p] = l
		b.stats.Retires++
		b.stats.Pending++
		b.stats.PendingBytes += int64(l.size)
	} else {
		b.stats.Frees++
	}
	if !l.uncharged {
		b.stats.InUseBytes -= int64(l.size)
	}
	b.mu.Unlock()
	if l.sample != nil {
		b.samples.given(nil, p, retire)
	}
	return l
}

// pending reports whether retired large blocks wait.
func (b *blocks) pending() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats.Pending > 0
}

func (b *blocks) retiredAt(p unsafe.Pointer) *largeBlock {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retired[p]
}

// ready frees a retired block that no reader can hold any more.
func (l *largeBlock) ready() {
	l.b.mu.Lock()
	delete(l.b.retired, l.p) // while the address is not another's
	l.b.mu.Unlock()
	l.free()
	l.b.mu.Lock()
	l.b.stats.Pending-- // and not before, for Close
	l.b.stats.PendingBytes -= int64(l.size)
	l.b.mu.Unlock()
	l.b.freed.tell()
}

// free gives the memory back to the system and the budget; that of a sample to the quarantine.
func (l *largeBlock) free() {
	if l.sample != nil {
		l.sample.end()
		return
	}
	l.b.budget.freeLarge(l.p, l.size)
	if !l.uncharged {
		l.b.mu.Lock()
		l.b.stats.ReservedBytes -= int64(l.size)
		l.b.mu.Unlock()
		l.b.budget.Release(int64(l.size))
	}
}

// Trim is [Pool.Trim].
func (b *Blocks) Trim() {
	smr.CheckMayBlock("slab: Trim")
	for c := range b.classes {
		b.classes[c].policy.trim(trimAll)
	}
	b.budget.dropSpares()
}

// Stats returns a snapshot, summed over all sizes.
func (b *Blocks) Stats() Stats {
	b.mu.Lock()
	st := b.stats
	b.mu.Unlock()
	st.Name = b.name
	st.InUse = int64(st.Gets - st.Frees - st.Retires)
	for c := range b.classes {
		s := b.classes[c].stats()
		st.Gets += s.Gets
		st.Frees += s.Frees
		st.Retires += s.Retires
		st.InUse += s.InUse
		st.Pending += s.Pending
		st.InUseBytes += s.InUseBytes
		st.PendingBytes += s.PendingBytes
		st.FreeBytes += s.FreeBytes
		st.ReservedBytes += s.ReservedBytes
		st.Slabs += s.Slabs
	}
	b.samples.addTo(&st)
	return st
}

// seal lets no large block out any more: else Close, which waits for what is retired, might have no end.
func (b *blocks) seal() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
}

// Close is [Pool.Close].
func (b *Blocks) Close(ctx context.Context) error {
	stores := make([]*store, numClasses)
	for c := range stores {
		stores[c] = &b.classes[c]
	}
	err := closeStores(ctx, b.dom, b.blocks, stores...)
	b.readers.poll()
	closed := b.classes[0].caches.Sealed()
	b.mu.Lock()
	n := len(b.large) + int(b.stats.Pending)
	b.mu.Unlock()
	if n > 0 && closed {
		err = errors.Join(err, fmt.Errorf("slab: Close of %s: %d large blocks were not given back", b.name, n))
	}
	if left := b.samples.close(); left > 0 && err == nil { // on its way there
		err = fmt.Errorf("slab: Close of %s: a large block was given back meanwhile", b.name)
	}
	b.budget.dropSpares()
	if err == nil {
		for _, s := range stores {
			s.check.close()
		}
		b.cleanup.Stop()
	}
	runtime.KeepAlive(b)
	return err
}
