package smrmap

import (
	"math"
	"math/bits"
)

// wanted returns the log of the size that the table should have next: its own, or one more or less.
func (c *core) wanted(t *table) int {
	logn := bits.Len(uint(t.n)) - 1
	count := c.count.Load()
	slots := int64(t.n) * slotsPerBucket
	switch {
	case count > slots*loadNum/loadDen && logn < maxBits && count >= c.stuck.Load():
		return logn + 1
	case count < slots/shrinkBelow && logn > c.minLog:
		return logn - 1
	}
	return logn
}

// due reports whether t should be replaced: by a table of another size or, if loose, of the same.
func (c *core) due(t *table) bool {
	return 1<<c.wanted(t) != t.n || t.loose() && c.count.Load() < c.kept.Load()
}

// resize starts the goroutine that moves the entries to another table, if one is due and that
// goroutine is not running.
//
// If it is running, resize sets again and retries the lock; migrateAll checks again after it has
// unlocked. At least one notices the other.
func (c *core) resize(t *table) {
	if !c.due(t) {
		return
	}
	if !c.resizing.TryLock() {
		c.again.Store(true)
		if !c.resizing.TryLock() {
			return
		}
	}
	c.migrated.Add(1)
	go c.migrateAll()
}

// migrateAll moves all entries to the next table, until they are in one of the right size. resizing
// is held, and migrateAll unlocks it.
func (c *core) migrateAll() {
	defer c.migrated.Done()
	for {
		for c.begin(c.table.Load()) {
			c.migrate(c.table.Load())
		}
		c.resizing.Unlock()
		if !c.again.Swap(false) || !c.due(c.table.Load()) || !c.resizing.TryLock() {
			return
		}
	}
}

// begin gives t a next table, if one is due and there is memory. resizing is held.
func (c *core) begin(t *table) bool {
	if !c.due(t) {
		return false
	}
	logn := c.wanted(t)
	next, err := newTable(logn, c.heap, 1<<logn < t.n, c.budget)
	same := 1<<logn == t.n
	if err != nil {
		if same { // try again when there is a good deal less
			c.kept.Store(c.count.Load() * 7 / 8)
		} else { // chains become longer instead; try again when there is a good deal more
			c.stuck.Store(c.count.Load() * 9 / 8)
		}
		return false
	}
	c.kept.Store(math.MaxInt64)
	if !same {
		c.stuck.Store(0)
	}
	t.next.Store(next)
	return true
}

// migrate moves all entries of t to the next table. resizing is held.
func (c *core) migrate(t *table) {
	next := t.next.Load()
	step := max(1, t.n/next.n)
	for i := 0; i < t.n; i += step {
		c.move(t, next, i, step)
	}
	c.table.Store(next)
	c.resizes.Add(1)
	t.size.drop()
}

// move moves the entries of n roots of t, one or two, to the one or two roots of next that take
// over their hashes. Those need no lock: they are not used before the old ones are marked moved,
// and from then on the old ones do not change. Two that share a root of next are both marked before
// either is released: by way of the one, what the other still leads to may be deleted.
func (c *core) move(t, next *table, i, n int) {
	var ctl [2]uint64
	for k := range n {
		ctl[k] = c.lots.lock(t.at(i + k))
	}
	for k := range n {
		for b := t.at(i + k); b != nil; b = t.after(b) {
			for s := range b.slots {
				e := b.slots[s].Load()
				if e == nil {
					continue
				}
				h := c.hashOf(e)
				p, _ := next.vacancy(next.bucket(h), true)
				p.b.place(p.i, h, e)
			}
		}
	}
	for k := range n {
		t.at(i + k).ctl.Store(ctl[k] | moved)
	}
	for k := range n {
		c.lots.release(t.at(i+k), ctl[k]|moved)
	}
}
