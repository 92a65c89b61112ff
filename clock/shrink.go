package clock

import (
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
)

// A slot grows with the sections that are open at once, and gives trackers back when scan after
// scan finds most of them idle. To give a tracker back is to retire it, which is to claim it as an
// entry would, but with closedWord, which no scan counts and no entry claims; and to unlink it then.
// The collector frees it when no Section refers to it, or to one that was retired after it.
//
//	all ─▶ [open] ─────────────────────────▶ [open] ─▶ … ─▶ [last] ─▶ nil
//	                 [retired] ─▶ [retired] ────▲
//
// INVARIANT: all, and the next of each tracker, retired ones included, leads to every older tracker
// that is not retired. For a link only ever moves on from a retired tracker, to where that one's
// next leads; and no tracker comes back.
//
// So a scan finds each open section, also a scan that stands on a tracker as it is retired. The
// claim's load of 0 follows what the tracker's last section did, and a scan that misses the tracker
// has loaded a link that was stored after the claim: what it lets a writer free, no section holds.
//
// Entries claim without a compare-and-swap where pcpu.Exclusive, so only a goroutine that is pinned
// to the slot's processor retires its trackers: no entry is under way there. A scan runs on any
// processor, and asks the others: it points their cur to closedRecord, which is always taken and has
// only itself as next, and so sends the next entry there to search. Other entries pay nothing for
// it. A processor that none enters or scans on, or that GOMAXPROCS took away, gives nothing back.
//
// A Section refers to its tracker after Leave. To leave it again still panics: the generation has
// changed, and stays as it is, as no section is entered there.
//
// Rejected: scans that retire the trackers of other processors. An entry that is delayed between
// its load of 0 and its store, for however long, would enter a tracker that no scan walks. Entries
// could detect that by a flag that they load after their store, as they load exceptions, if a heavy
// fence stood between the flag's store and the retiring; but nothing tells when the last delayed
// entry has passed and the flag may be cleared.

// When scans give trackers back.
const (
	// fewRecords in a slot are never too many: a scan loads them in a fraction of its heavy fence.
	fewRecords = 64

	// idleScans is how many scans in a row must find more than three quarters of the slot's
	// trackers idle. By then walking a tracker has cost about as much as making it again will, if
	// it is needed again.
	idleScans = 64
)

// walked takes note of a scan that found active of the slot's records in sections.
func (c *Clock) walked(sl *slot, records, active int) {
	switch {
	case records <= fewRecords: // and idle is 0: see shrink
	case active >= records/4:
		if sl.idle.Load() != 0 {
			sl.idle.Store(0)
		}
	case sl.idle.Add(1) >= idleScans:
		c.giveBack(sl)
	}
}

// giveBack shrinks the slot by a step, or asks the next entry on its processor to.
func (c *Clock) giveBack(sl *slot) {
	id := pcpu.Pin()
	if !pcpu.Exclusive || c.slots.At(id) == sl {
		sl.shrink()
	} else if sl.cur.Load() != closedRecord {
		sl.cur.Store(closedRecord)
	}
	pcpu.Unpin()
}

// shrink gives back the idle ones of some trackers, half of the slot's or as many as one growth adds
// at most, and goes on after the last call's. Where pcpu.Exclusive the caller is pinned to the slot's
// processor.
func (sl *slot) shrink() {
	at := sl.shrinkAt.Load()
	retired := int32(0)
	for range max(1, min(sl.n.Load()/2, maxGrowth)) {
		r := at.Load()
		if r == sl.last {
			at = &sl.all
			break
		}
		if r.claim(closedWord) {
			retired++
		} else if r.seq.Load() != closedWord {
			at = &r.next
			continue
		}
		at.CompareAndSwap(r, r.next.Load()) // where it fails, a later call finds r
	}
	sl.shrinkAt.Store(at)
	if sl.n.Add(-retired) <= fewRecords {
		sl.idle.Store(0)
	}
	if sl.cur.Load().seq.Load() == closedWord { // retired, or closedRecord
		sl.cur.Store(sl.last)
	}
}

// A link leads to a tracker: it is its slot's all, or the next of a newer tracker.
type link = relacq.Pointer[Record]
