package smrmap

import (
	"math"
	"math/bits"
	"sync"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/slab"
)

// A core maps hashes to entries: it is what Map and Bytes share. They define what an entry is, and
// when two keys are equal.
type core struct {
	// table is the oldest one with buckets that are not moved. Written by migrate, read by all.
	table satomic.Pointer[table]
	lots  *lots // of all maps

	heap   bool
	minLog int
	budget *slab.Budget
	hashOf func(ref) uint64 // the hash of an entry's key
	looks  func(ref)        // for tests: called for each entry that a walk visits; else nil
	//lint:ignore U1000 it has fields under -tags invariants
	computing computing

	count   pcpu.Counter // entries
	resizes satomic.Uint64

	sealing  sync.Mutex     // held by seal
	sealed   bool           // seal has locked resizing; under sealing
	resizing sync.Mutex     // held from the decision to resize until migrateAll is done; by seal for good
	again    satomic.Bool   // resize found resizing held: see there
	migrated sync.WaitGroup // the goroutine in migrateAll
	stuck    satomic.Int64  // below this count growing is not tried again, for want of memory
	kept     satomic.Int64  // from this count on a loose table is not replaced, for the same reason
}

func (c *core) init(o *Options, heap bool, hashOf func(ref) uint64) error {
	c.heap, c.budget, c.hashOf = heap, o.Budget, hashOf
	c.minLog = logFor(o.Capacity)
	c.lots = allLots()
	c.kept.Store(math.MaxInt64)
	t, err := newTable(c.minLog, heap, false, o.Budget)
	if err != nil {
		return err
	}
	c.table.Store(t)
	return nil
}

// Load factors, in entries per slot of a root: a table grows above 0.65 and shrinks below a
// twelfth. In between at most one lookup in 40 goes to a chained bucket; one in nine where keys
// come and go, since an entry stays where it is when a slot nearer to the root becomes free. (At
// 0.75 it is one in 15, and a Load of 1000 entries takes a tenth more.)
const (
	loadNum, loadDen = 13, 20
	shrinkBelow      = 12
)

// logFor returns the log of the size of a table with room for capacity entries.
func logFor(capacity int) int {
	return max(minBits, bits.Len64(uint64(capacity)*loadDen/(loadNum*slotsPerBucket)))
}

// inserted counts a new entry at p, and checks the size of t where p is a sign of full buckets.
func (c *core) inserted(t *table, p place, root *bucket) {
	c.count.Add(1)
	if p.b != root || p.i == slotsPerBucket-1 {
		c.resize(t)
	}
}

// tidied unlinks the empty buckets at the end of the locked chain of root, after entries were taken
// out: with chained set, perhaps not only out of the root. It may change the root's ctl, and
// reports whether to check if the table is due for replacement.
func (c *core) tidied(t *table, root *bucket, chained bool) (check bool) {
	loose := chained && t.shorten(root)
	return loose || root.empty() && t.n > 1<<c.minLog
}

// deleted counts n entries less; check is what tidied returned.
func (c *core) deleted(t *table, n int, check bool) {
	c.count.Add(-int64(n))
	if check {
		c.resize(t)
	}
}
