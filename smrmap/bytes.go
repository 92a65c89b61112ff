package smrmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// Bytes maps keys to values, both of them bytes of any length, which it keeps off the Go heap.
// Reads take no lock; [Bytes.LoadIn] lends the value itself, without a copy.
//
// Entries may expire. No method finds an entry that has expired. Its memory is freed by a writer
// that meets it, or by [Bytes.Sweep].
//
// All methods may be called by any number of goroutines. Each operation on a key is atomic
// (linearizable); walks are not. Make it with [NewBytes]; it must not be copied.
type Bytes struct {
	c      core
	dom    *smr.Domain
	blocks *slab.Blocks
	seed   maphash.Seed
	now    func() int64 // Unix milliseconds

	claims  claims // on keys whose large value is being copied
	claimed func() // for tests: called before such a value is copied; else nil

	expired, evicted satomic.Uint64
	onRemove         func(key []byte, evicted bool) // or nil
	drafts           satomic.Int64                  // those that have not ended; for Stats

	handMu ssync.Mutex
	hand   uint64 // of the CLOCK: the hash up to which evict has been; under handMu

	young young

	evictable satomic.Int32 // an Evictable
	// barren: the CLOCK has gone round the map and found nothing that may be evicted. evict sets it
	// before it walks, under handMu; the writer of an entry that expires clears it after the entry
	// is in the map. Either the walk meets the entry, or barren is cleared after it was set.
	barren satomic.Bool
}

// An Item is a value and when it expires.
type Item struct {
	Value   []byte
	Expires int64 // in Unix milliseconds; 0: never
}

// MaxLen is the largest length of a key, and of a value.
const MaxLen = 512 << 20

// ErrTooLarge is returned for a key or value longer than [MaxLen].
var ErrTooLarge = errors.New("smrmap: key or value too large")

// A header is at the start of each block; the key follows, then the value.
type header struct {
	// expires is written by the holder of the chain's lock, and read by all.
	expires satomic.Int64
	// used: the entry was read since the CLOCK last passed, or replaced another of its key. Readers set
	// it, evict clears it.
	used     satomic.Uint32
	keyLen   uint32
	valueLen uint32
	// hash is the high half of the key's hash. Written before the entry is in the map. vacate reads
	// it at any time, even in a free block, and checks that the chain it leads to has the entry.
	hash uint32
}

const headerSize = unsafe.Sizeof(header{})

// NewBytes returns an empty map. Errors are those of [New].
func NewBytes(o Options) (*Bytes, error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	m := &Bytes{dom: o.Domain, seed: maphash.MakeSeed(), onRemove: o.OnRemove}
	m.young.size = &charge{budget: o.Budget}
	if o.Budget != nil && !sched.Controlled {
		runtime.AddCleanup(m, (*charge).drop, m.young.size)
	}
	m.now = func() int64 { return o.Now().UnixMilli() }
	m.blocks = slab.NewBlocks(o.Domain, slab.Options{
		Name: "smrmap.Bytes", Budget: o.Budget, FreeOnDrop: true, Quarantine: o.Quarantine,
	})
	if err := m.c.init(&o, false, func(e ref) uint64 { return m.hashOf(asHeader(e).key()) }); err != nil {
		m.blocks.Close(context.Background()) // they are empty
		return nil, err
	}
	return m, nil
}

func (m *Bytes) hashOf(key []byte) uint64 { return maphash.Bytes(m.seed, key) }

func asHeader(e ref) *header { return (*header)(unsafe.Pointer(e)) }

func (e *header) ref() ref { return ref(unsafe.Pointer(e)) }

func (e *header) key() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), headerSize)), e.keyLen)
}

func (e *header) value() []byte {
	p := unsafe.Add(unsafe.Pointer(e), headerSize+uintptr(e.keyLen))
	return unsafe.Slice((*byte)(p), e.valueLen)
}

func (e *header) item() Item { return Item{e.value(), e.expires.Load()} }

// size is the number of bytes of its block that the entry uses.
func (e *header) size() int { return int(headerSize) + int(e.keyLen) + int(e.valueLen) }

// gone reports whether the entry has expired.
func (m *Bytes) gone(e *header) bool { return m.past(e.expires.Load()) }

// past reports whether an expiry has passed.
func (m *Bytes) past(expires int64) bool { return expires != 0 && expires <= m.now() }

// expiredAt reports whether the entry has expired at now.
func (e *header) expiredAt(now int64) bool {
	at := e.expires.Load()
	return at != 0 && at <= now
}

// checkLen returns an error if an entry is too large. Call it before work that grows with length.
func checkLen(key, value []byte) error {
	return checkLens(len(key), len(value))
}

func checkLens(key, value int) error {
	if key > MaxLen || value > MaxLen {
		return fmt.Errorf("%w: key of %d bytes, value of %d", ErrTooLarge, key, value)
	}
	return nil
}

// newEntry returns an entry that is not in the map; h is the hash of the key, and the lengths have
// been checked. It uses *spare if that is of the right size, and sets it to nil. spare may be nil.
func (m *Bytes) newEntry(h uint64, key []byte, it Item, spare *[]byte) (*header, error) {
	m.c.computing.forbids("a write") // before there is an entry to give back
	size := int(headerSize) + len(key) + len(it.Value)
	if spare != nil && cap(*spare) == slab.BlockSize(size) {
		e := fill(*spare, h, key, it, 0)
		*spare = nil
		return e, nil
	}
	block, err := m.blocks.Get(size)
	if err != nil {
		return nil, orClosed(err)
	}
	return fill(block, h, key, it, 0), nil
}

// fill makes an entry in a block that is not in the map. used is of header.used.
func fill(block []byte, h uint64, key []byte, it Item, used uint32) *header {
	e := begin(block, h, key, len(it.Value), used)
	e.expires.Store(it.Expires)
	copy(e.value(), it.Value)
	return e
}

// begin is fill but for the value, of n bytes, and when it expires.
func begin(block []byte, h uint64, key []byte, n int, used uint32) *header {
	e := (*header)(unsafe.Pointer(unsafe.SliceData(block)))
	e.used.Store(used)
	e.keyLen, e.valueLen, e.hash = uint32(len(key)), uint32(n), uint32(h>>32)
	copy(e.key(), key)
	return e
}

// block returns the block of an entry, as slab handed it out.
func (e *header) block() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(e)), slab.BlockSize(e.size()))
}

func (m *Bytes) retire(e *header) { m.blocks.Retire(e.block()) }

// met counts an unlinked entry that had expired, before it is retired.
func (m *Bytes) met(e *header) {
	m.expired.Add(1)
	m.removed(e, false)
}

func (m *Bytes) removed(e *header, evicted bool) {
	if m.onRemove != nil {
		m.onRemove(e.key(), evicted)
	}
}

// LoadIn returns the item of a key, and whether there is one, to a reader in section s of the map's
// domain. The value is borrowed: do not write to it, and do not use it after s is left. Its capacity
// is its length, so an append to it copies it; so it is with all that Bytes lends.
//
// Cost: no lock, no copy, no allocation.
func (m *Bytes) LoadIn(s smr.Section, key []byte) (Item, bool) {
	m.dom.CheckSection(s)
	if len(key) > MaxLen {
		return Item{}, false
	}
	h := m.hashOf(key)
	t, root, _ := m.c.table.Load().follow(h)
	e, _ := m.find(t, root, h, key)
	if e == nil {
		return Item{}, false
	}
	it := e.item() // expires may change, so it is read once
	if m.past(it.Expires) {
		return Item{}, false
	}
	if e.used.Load() == 0 {
		e.used.Store(1)
	}
	return lendItem(s, e, it), true
}

// View calls fn in a section of the map's domain with the item of a key, borrowed until fn returns,
// as in [Bytes.LoadIn]. It reports whether there was one; without, fn is not called. It leaves the
// section also if fn panics.
//
// Cost: that of a LoadIn and a section; no allocation.
func (m *Bytes) View(key []byte, fn func(Item)) bool {
	s, ok := m.dom.TryEnter()
	if !ok {
		return false
	}
	defer s.Leave()
	it, ok := m.LoadIn(s, key)
	if ok {
		fn(it)
	}
	return ok
}

// Domain returns the map's domain: [Options.Domain], or the default one.
func (m *Bytes) Domain() *smr.Domain { return m.dom }

// Enter opens a section of the map's domain, for [Bytes.LoadIn]: see [smr.Domain.Enter].
func (m *Bytes) Enter() smr.Section { return m.dom.Enter() }

// Load appends a copy of the value of a key to dst, and reports whether there is one.
func (m *Bytes) Load(key, dst []byte) ([]byte, bool) {
	s, ok := m.dom.TryEnter()
	if !ok {
		return dst, false
	}
	defer s.Leave()
	it, ok := m.LoadIn(s, key)
	return append(dst, it.Value...), ok
}

// find returns the entry of key in a chain, nil if there is none, and its slot. It compares keys
// only where the hashes are equal: once, however many keys share a long prefix.
func (m *Bytes) find(t *table, b *bucket, h uint64, key []byte) (*header, place) {
	for want := tag(h); b != nil; {
		ctl, tags := b.words()
		for found := match(tags, want); found != 0; found &= found - 1 {
			i := index(found)
			if e := asHeader(b.at(i).Load()); e != nil && e.hash == uint32(h>>32) && bytes.Equal(e.key(), key) {
				return e, place{b, i}
			}
		}
		b = t.chained(ctl, tags)
	}
	return nil, place{}
}

// Len returns the number of entries, including those that have expired and are not deleted yet.
//
// Cost: one load per processor.
func (m *Bytes) Len() int { return int(max(m.c.count.Load(), 0)) }

// Stats returns a snapshot.
func (m *Bytes) Stats() Stats {
	st := m.c.stats()
	st.addEntries(m.blocks.Stats())
	st.ReservedBytes += m.young.size.Load()
	st.Drafts, st.Expired, st.Evicted = m.drafts.Load(), m.expired.Load(), m.evicted.Load()
	return st
}

// Close is as [Map.Close].
func (m *Bytes) Close(ctx context.Context) error {
	checkMayClose(m.dom)
	m.c.seal(func(e ref) { m.retire(asHeader(e)) })
	m.handMu.Lock()
	m.young.end()
	m.handMu.Unlock()
	return closeEntries(ctx, m.blocks.Close, func() int64 { return m.blocks.Stats().ReservedBytes })
}
