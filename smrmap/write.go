package smrmap

import "unsafe"

// What Map and Bytes do with a bucket they have locked, and what they need not lock one for.
//
// A bucket is locked for a bounded time, whatever is stored: an entry is allocated and
// filled before, and an unlinked one is read and retired after. The exception is the
// function of Compute, which is the user's.

// maxLocked is how many bytes of an entry are allocated and copied with a bucket locked at
// most, where that can't be done before: about a microsecond's work.
const maxLocked = 16 << 10

// lacks reports that no entry has hash h, as far as that can be told without the lock: no
// slot of the chain has its tag. Where some entry has the tag, one key in 40 that is not
// there, it reports false.
//
// That no slot has the tag is a miss as a reader's: an entry that is in the map all the
// time has its slot, and its tag, all the time. So h was absent at some moment of the look:
//
//   - when the tags were loaded that it is not among, if it was never in another bucket of
//     the chain meanwhile; and if it was, between its deletion there and its insertion
//     behind the look;
//   - or, if the bucket was moved after its ctl was loaded, when it was marked: from then on
//     it does not change, so that it lacked h at that moment, too. What has been stored in
//     the next table since then came later than that. A bucket that was marked before must
//     not be looked at, since what it lacks may have been stored in the next table before
//     the look began.
func (c *core) lacks(h uint64) bool {
	t, b, _ := c.table.Load().follow(h)
	for want := tag(h); b != nil; {
		ctl := b.ctl.Load()
		tags := b.tags.Load()
		if match(tags, want) != 0 {
			return false
		}
		b = t.chained(ctl, tags)
	}
	return true
}

// set puts e, whose hash is h, at p in the chain of the locked root; where p is none, in a
// free slot. It unlocks the root, and returns the entry that was at p, nil if there was none,
// which is the caller's to retire. Where there is no free slot and no memory for more, it
// returns an error that wraps [slab.ErrNoMemory], and e is the caller's still.
func (c *core) set(t *table, root *bucket, p place, h uint64, e unsafe.Pointer) (old unsafe.Pointer, err error) {
	if p.b == nil {
		if p, err = t.vacancy(root, false); err != nil {
			c.lots.release(root, root.ctl.Load())
			return nil, err
		}
		p.b.place(p.i, h, ref(e))
		c.lots.release(root, root.ctl.Load())
		c.inserted(t, p, root)
		return nil, nil
	}
	old = unsafe.Pointer(p.load())
	p.b.at(p.i).Store(ref(e))
	c.lots.release(root, bumped(root.ctl.Load()))
	return old, nil
}

// remove unlinks the entry at p in the chain of the locked root, and unlocks that. The entry
// is the caller's to retire.
func (c *core) remove(t *table, root *bucket, p place) {
	p.b.take(p.i)
	look := c.tidied(t, root, p.b != root)
	c.lots.release(root, bumped(root.ctl.Load()))
	c.deleted(t, 1, look)
}
