package smrmap

import (
	"math/bits"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A ref points to an entry: a *entry[K, V] of a Map, or a block of Bytes.
type ref = *byte

// A bucket holds six entries. One that overflows has others chained to it; the first one, the
// root, answers for the chain: only the root's lock, version and moved bit are used.
//
// Readers take no lock. An entry stays in its slot until it is unlinked, and its memory is reused a
// grace period after that. Until then its key and value do not change.
type bucket struct {
	// ctl, low bits first: half of the link (16 bits), locked, moved, version (46).
	//
	// locked is taken by compare-and-swap. All else is written by the holder of the lock, up to
	// the store that unlocks; read by all. The version counts unlinkings from the chain. It wraps
	// around after weeks of them, and fools only a reader that sleeps as long between two loads.
	ctl relacq.Uint64

	// tags has a byte of the hash for each slot, 0 where the slot is free, and above them the
	// other half of the link. Written by the holder of the lock: before the slot when an entry
	// comes, after it when one goes, so a slot with an entry has its tag. Read by all, after ctl.
	tags relacq.Uint64

	// slots are written by the holder of the lock, and read by all, after tags.
	slots [slotsPerBucket]relacq.Pointer[byte]
}

const (
	slotsPerBucket = 6
	// bucketSize is a cache line, so that a lookup that hits touches this line and the entry's;
	// less where pointers have 4 bytes.
	bucketSize = 16 + slotsPerBucket*4<<(^uintptr(0)>>63)

	linkMask   = 1<<16 - 1
	locked     = 1 << 16
	moved      = 1 << 17 // the bucket no longer changes: go to the next table
	versionOne = 1 << 18
	stateShift = 17 // what was read is valid if nothing from this bit up has changed since

	tagBits  = 0x0101_0101_0101
	tagHigh  = tagBits << 7
	tagsMask = 1<<48 - 1
)

var _ [0]struct{} = [unsafe.Sizeof(bucket{}) - bucketSize]struct{}{}

// tag returns the byte of the hash that tells slots apart. It is never 0.
func tag(h uint64) uint64 { return max(h&0xff, 1) }

// match returns a word with the high bit of byte i set if tag i is t. Some others may be set, too:
// the caller compares keys. (Lamport 1975, Mycroft 1987.)
func match(tags, t uint64) uint64 {
	x := tags ^ t*tagBits
	return (x - tagBits) &^ x & tagHigh
}

// occupied returns a word with the high bit of byte i set if slot i has a tag.
func occupied(tags uint64) uint64 {
	tags &= tagsMask
	return (tags&^tagHigh + (tagHigh - tagBits) | tags) & tagHigh
}

// index returns the slot of the lowest match.
func index(m uint64) int { return bits.TrailingZeros64(m) >> 3 }

// at returns slot i, without a bounds check.
func (b *bucket) at(i int) *relacq.Pointer[byte] {
	return (*relacq.Pointer[byte])(unsafe.Add(unsafe.Pointer(&b.slots), uintptr(i)*unsafe.Sizeof(b.slots[0])))
}

// changed reports whether the root's chain lost an entry, or was moved, since ctl was loaded.
func (b *bucket) changed(ctl uint64) bool { return (b.ctl.Load()^ctl)>>stateShift != 0 }

// link returns the number of the next bucket of the chain, 0 if there is none. The half in ctl is
// not 0 where there is one; it is stored last and cleared first. A reader that combines halves of
// an old and a new link gets the number of any bucket, or of none yet.
func link(ctl, tags uint64) uint64 {
	low := ctl & linkMask
	if low == 0 {
		return 0
	}
	return tags>>48<<16 | low
}

// setLink chains the bucket of the given number behind b, which has none behind it.
func (b *bucket) setLink(number uint64) {
	b.tags.Store(b.tags.Load()&tagsMask | number>>16<<48)
	b.ctl.Store(b.ctl.Load() | number&linkMask)
}

// empty reports whether a bucket of a locked chain has no entry.
func (b *bucket) empty() bool { return b.tags.Load()&tagsMask == 0 }

// place puts an entry into a free slot of the locked chain. The store to the slot puts it in the
// map: the tag, which leads readers to the slot, is stored before.
func (b *bucket) place(i int, h uint64, e ref) {
	b.tags.Store(b.tags.Load() | tag(h)<<(8*i))
	b.slots[i].Store(e)
}

// take empties a slot of the locked chain. The tag goes last: if it went first, one reader could
// miss an entry that another, which loaded the tags earlier, finds later.
func (b *bucket) take(i int) {
	b.slots[i].Store(nil)
	b.tags.Store(b.tags.Load() &^ (0xff << (8 * i)))
}

// free returns a free slot of the bucket, or -1.
func (b *bucket) free() int {
	if m := match(b.tags.Load(), 0); m != 0 {
		return index(m)
	}
	return -1
}

// bumped returns ctl with the next version of the locked root, which tells readers without a
// section that an entry was unlinked. The store that unlocks publishes it: after the unlinking, and
// before the entry is retired.
func bumped(ctl uint64) uint64 { return ctl + versionOne }
