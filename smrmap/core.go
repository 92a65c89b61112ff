package smrmap

import (
	"math"
	"math/bits"
	"sync"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/slab"
)

// A core is a map of hashes to entries: all that Map and Bytes have in common. What
// an entry is, and when two keys are equal, is theirs.
type core struct {
	// table is the oldest one that has buckets. Written by migrate.
	table atomic.Pointer[table]
	lots  *lots

	heap    bool
	minLog  int
	budget  *slab.Budget
	hashOf  func(ref) uint64 // the hash of an entry's key
	looks   func(ref)        // called by a walk for each entry it looks at, in tests; else nil
	count   pcpu.Counter     // entries
	resizes atomic.Uint64

	resizing sync.Mutex     // held from the decision to resize until migrateAll is done
	again    atomic.Bool    // somebody found it held
	migrated sync.WaitGroup // the goroutine that does it
	stuck    atomic.Int64   // the count below which growing is not tried again, for want of memory
	kept     atomic.Int64   // the count from which on a loose table is not replaced, for the same
}

func (c *core) init(o *Options, heap bool, hashOf func(ref) uint64) error {
	c.heap, c.budget, c.hashOf = heap, o.Budget, hashOf
	c.minLog = logFor(o.Capacity)
	c.lots = &lots{fence: asym.New()}
	c.kept.Store(math.MaxInt64)
	t, err := newTable(c.minLog, heap, false, o.Budget)
	if err != nil {
		return err
	}
	c.table.Store(t)
	return nil
}

// lock locks the root that a hash belongs to.
func (c *core) lock(h uint64) (*table, *bucket, uint64) {
	for t := c.table.Load(); ; t = t.next.Load() {
		b := t.bucket(h)
		ctl := c.lots.lock(b)
		if ctl&moved == 0 {
			return t, b, ctl
		}
		c.lots.release(b, ctl)
	}
}

// Load factors, in entries for each slot of a root: a table grows above 0.65 and shrinks
// below a twelfth. In between one lookup in 40 goes to a chained bucket, at most, and an
// entry costs 16 to 33 bytes of table. (At 0.75 it is one in 15, and a Load of 1000 entries
// takes a tenth more.) Where keys come and go it is one in nine, since an entry stays
// where it came to when there is room before it.
const (
	loadNum, loadDen = 13, 20
	shrinkBelow      = 12
)

// logFor returns the log of the size of a table with room for capacity entries, which are
// no more than maxCapacity.
func logFor(capacity int) int {
	return max(minBits, bits.Len64(uint64(capacity)*loadDen/(loadNum*slotsPerBucket)))
}

// inserted is called when an entry has found its place in a bucket of t.
func (c *core) inserted(t *table, p place, root *bucket) {
	c.count.Add(1)
	if p.b != root || p.i == slotsPerBucket-1 {
		c.resize(t)
	}
}

// tidied is called when entries were taken out of the locked chain of root, chained ones
// perhaps. It unlinks what is empty at the chain's end, so that the ctl of the root may be
// another after it, and reports whether the table may be due for replacement.
func (c *core) tidied(t *table, root *bucket, chained bool) (look bool) {
	loose := chained && t.shorten(root)
	return loose || root.empty() && t.n > 1<<c.minLog
}

// deleted is called when n entries were deleted; look is what tidied said.
func (c *core) deleted(t *table, n int, look bool) {
	c.count.Add(-int64(n))
	if look {
		c.resize(t)
	}
}

// wanted returns the log of the size that the table should have next: its own, or one
// more or less.
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

// due reports whether the table should be replaced: by one of another size, or of its own
// if it is loose.
func (c *core) due(t *table) bool {
	return 1<<c.wanted(t) != t.n || t.loose() && c.count.Load() < c.kept.Load()
}

// resize makes a goroutine move the entries to another table, if it is time to and none
// does so already.
//
// Who finds one at it leaves word in again, and looks once more; that one looks for word
// after it has unlocked. One of them sees the other.
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

// migrateAll moves all entries to the next table, until they are in one of the right size.
// resizing is held, and unlocked.
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

// begin gives t a next table, if it should have one. resizing is held.
func (c *core) begin(t *table) bool {
	if !c.due(t) {
		return false
	}
	logn := c.wanted(t)
	next, err := newTable(logn, c.heap, 1<<logn < t.n, c.budget)
	switch same := 1<<logn == t.n; {
	case err == nil:
		c.kept.Store(math.MaxInt64)
		if !same {
			c.stuck.Store(0)
		}
	case same:
		// Try again when there is a good deal less.
		c.kept.Store(c.count.Load() * 7 / 8)
		return false
	default:
		// Chains become longer instead. Try again when there is a good deal more.
		c.stuck.Store(c.count.Load() * 9 / 8)
		return false
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
	t.drop()
}

// move moves the entries of n roots of t, one or two, which become those of one or two
// roots of next. Nobody else looks at those before the old ones are marked moved, so
// that they need no lock; and to those who look at the old ones later these do not
// change any more.
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
		c.lots.release(t.at(i+k), ctl[k]|moved)
	}
}
