package smrmap

import (
	"fmt"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// Options configure a map. The zero Options is valid.
type Options struct {
	// Domain has the readers' sections. Default: smr.Default().
	Domain *smr.Domain

	// Budget bounds the memory of the table and of entries off the Go heap. When it is used up the
	// table does not grow, and in the end a Store into a full bucket fails. (The package's doc says
	// what may exceed the limit.) Default: no bound.
	Budget *slab.Budget

	// Capacity is how many entries the table has room for at once; it does not shrink below that.
	// If the budget or the system has no memory for such a table, the error wraps
	// [slab.ErrNoMemory]. Default: a few.
	Capacity int

	// Quarantine finds uses of what was borrowed, by sampling, in production: one entry in OneIn lies
	// alone in pages of its own, which can't be touched for a while once it has left the map and no
	// reader can hold it. A stray access faults, and [slab.Explain] tells when and where the entry was
	// stored, and where it was replaced or deleted.
	//
	// Only entries off the Go heap are sampled. A sample counts with whole pages in the Budget while
	// it is in the map; MaxBytes bounds that, too, so while entries that stay use it up no more are
	// taken. With it [Map.Load] enters a section in each build. Default: off, which costs nothing.
	Quarantine slab.Quarantine

	// Now returns the time by which entries of Bytes expire. It is called for each entry with an
	// expiry, in sections and with buckets locked: it must be quick, and must not use the map.
	// Default: time.Now.
	Now func() time.Time

	// OnRemove is called for each entry of Bytes that has expired or was evicted, when it is out of the
	// map, with its key, borrowed until it returns. The goroutine that met the entry calls it, with no
	// bucket locked, but perhaps in a section: it must not wait for readers or for others that use the
	// map, nor use the map itself, nor panic. An expired entry that is evicted counts as evicted.
	// Default: not called, which costs nothing.
	OnRemove func(key []byte, evicted bool)
}

// maxCapacity is how many entries the largest table has room for.
const maxCapacity = 1 << maxBits * slotsPerBucket * loadNum / loadDen

func (o *Options) normalize() error {
	if o.Capacity < 0 {
		return fmt.Errorf("smrmap: negative Options.Capacity: %d", o.Capacity)
	}
	if o.Capacity > maxCapacity {
		return fmt.Errorf("smrmap: Options.Capacity too large: %d, of at most %d", o.Capacity, maxCapacity)
	}
	if q := o.Quarantine; q.OneIn < 0 || q.For < 0 || q.MaxBytes < 0 {
		return fmt.Errorf("smrmap: negative Options.Quarantine: %+v", q)
	}
	if o.Domain == nil {
		o.Domain = smr.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// Op says what to do with an entry.
type Op int

const (
	CancelOp Op = iota // leave everything as it is
	UpdateOp           // store the returned value
	DeleteOp           // delete the entry, if there is one
	ExpireOp           // Bytes only: keep the value, and expire it as the returned Item says
)

func (op Op) String() string {
	names := [...]string{"CancelOp", "UpdateOp", "DeleteOp", "ExpireOp"}
	if op >= 0 && int(op) < len(names) {
		return names[op]
	}
	return fmt.Sprintf("Op(%d)", int(op))
}

// checkOp panics unless op, which Compute's function returned, is from CancelOp to last.
func checkOp(what string, op, last Op) {
	if op < CancelOp || op > last {
		panic("smrmap: Compute of " + what + ": " + op.String())
	}
}

// Stats is a snapshot of a map.
type Stats struct {
	Len     int    // entries
	Buckets int    // of the table, without those that are chained
	Resizes uint64 // how often the table was replaced by another

	EntryBytes    int64 // in entries off the Go heap
	PendingBytes  int64 // in retired ones that readers may still hold
	FreeBytes     int64 // free in slabs and magazines
	ReservedBytes int64 // taken from the system, for entries, table and what is noted of keys

	QuarantinedBytes int64 // addresses of entries that can't be touched: see Options.Quarantine

	Drafts  int64  // Bytes: drafts that have not ended
	Expired uint64 // Bytes: entries deleted because they had expired
	Evicted uint64 // Bytes: entries evicted
}

// addEntries adds what the entries take.
func (st *Stats) addEntries(s slab.Stats) {
	st.EntryBytes, st.PendingBytes, st.FreeBytes = s.InUseBytes, s.PendingBytes, s.FreeBytes
	st.ReservedBytes += s.ReservedBytes
	st.QuarantinedBytes = s.QuarantinedBytes
}
