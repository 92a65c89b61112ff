package mutant

// portableBugs are those that only a build without pinning sees: several goroutines are at one slot.
var portableBugs = []Bug{
	{
		Name:      "claim-by-store",
		Why:       "two goroutines on a stripe enter on one record, and the first to leave frees it for writers",
		Package:   "./clock",
		Schedules: "TestSchedules_TwoOnOneProcessor",
		Tags:      "smr_portable",
		Patch: `
@ clock/record.go
-	if !pcpu.Exclusive {
-		return r.seq.CompareAndSwap(0, word)
-	}
`,
	},
	{
		Name:      "claim-next-blindly",
		Why:       "two goroutines on a stripe enter on the record after that of the last entry",
		Package:   "./clock",
		Schedules: "TestSchedules_TwoClaimAmongOthers",
		Tags:      "smr_portable",
		Patch: `
@ clock/enter.go
-	if r.seq.Load() == 0 && r.claim(word) {
-		sl.cur.Store(r)
+	if r.seq.Load() == 0 && (r.claim(word) || true) {
+		sl.cur.Store(r)
`,
	},
	{
		Name:      "claim-left-blindly",
		Why:       "two goroutines on a stripe enter on the record of the last entry, which was just left",
		Package:   "./clock",
		Schedules: "TestSchedules_ClaimAgainstLeave",
		Tags:      "smr_portable",
		Patch: `
@ clock/enter.go
-	if r.seq.Load() == 0 && r.claim(word) {
-		return r
+	if r.seq.Load() == 0 && (r.claim(word) || true) {
+		return r
`,
	},
	{
		Name:      "claim-found-blindly",
		Why:       "two goroutines on a stripe enter on a record for which both searched",
		Package:   "./clock",
		Schedules: "TestSchedules_TwoClaimAmongOthers",
		Tags:      "smr_portable",
		Patch: `
@ clock/slot.go
-		if r.seq.Load() == 0 && r.claim(word) {
+		if r.seq.Load() == 0 && (r.claim(word) || true) {
`,
	},
	{
		Name:      "link-by-store",
		Why:       "two goroutines add trackers to a stripe at once, and scans miss those of one of them",
		Package:   "./clock",
		Schedules: "TestSchedules_TwoOnOneProcessor",
		Tags:      "smr_portable",
		Patch: `
@ clock/slot.go
-		if sl.all.CompareAndSwap(head, first) {
+		if sl.all.Store(first); true {
`,
	},
	{
		Name:      "lock-by-store",
		Why:       "two owners are at one slot",
		Package:   "./internal/owned",
		Schedules: "TestSchedules_RevokeAgainstOwner",
		Tags:      "smr_portable",
		Patch: `
@ internal/owned/slot.go
-		return s.busy.CompareAndSwap(0, 1)
+		s.busy.Store(1)
+		return true
`,
	},
	{
		Name:      "call-in-locked-slot",
		Why:       "two calls append to one chunk, which has room for one",
		Package:   "./smr",
		Schedules: "TestSchedules_AppendAgainstAppend",
		Tags:      "smr_portable",
		Patch: `
@ smr/call.go
-	if sl == nil || sl.TryLock(d.fence) {
+	if sl == nil || sl.TryLock(d.fence) || true {
`,
	},
	{
		Name:      "get-from-locked-cache",
		Why:       "two goroutines get the last object of a cache",
		Package:   "./slab",
		Schedules: "TestSchedules_TwoAtOneCache",
		Tags:      "smr_portable",
		Patch: `
@ slab/cache.go
-	if c != nil && c.TryLock(s.fence) {
+	if c != nil && (c.TryLock(s.fence) || true) {
`,
	},
	{
		Name:      "count-by-store",
		Why:       "of what two goroutines add on one stripe, one amount is lost",
		Package:   "./pcpu",
		Schedules: "TestSchedules_CounterAdds",
		Tags:      "smr_portable",
		Patch: `
@ pcpu/counter.go
-		s.n.Add(uint64(delta))
+		s.n.Store(s.n.Load() + uint64(delta))
`,
	},
	{
		Name:      "count-unpinned",
		Why:       "the same, in a build that pins",
		Package:   "./pcpu",
		Schedules: "TestSchedules_CounterAdds",
		Patch: `
@ pcpu/counter.go
 	id := Pin()
+	Unpin()
@
-	Unpin()
 }
`,
	},
}

// shortBugs are those that only a build sees whose words have 32 bits.
var shortBugs = []Bug{
	{
		Name:    "words-unaligned",
		Why:     "a 64-bit word is aligned to 4 bytes, and an atomic access of it is not possible",
		Package: "./slab",
		Test:    "TestPool_ObjectsAreDistinctAndComeBack",
		Arch:    "386",
		Patch: `
@ internal/relacq/atomic.go
-import satomic "github.com/gosmr/gosmr/internal/sched/atomic"
+import (
+	"sync/atomic"
+
+	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
+)
@
-type Uint64 struct{ satomic.Uint64 }
+type Uint64 struct{ Uint64 uint64 }
+
+func (x *Uint64) Load() uint64                         { return atomic.LoadUint64(&x.Uint64) }
+func (x *Uint64) Store(v uint64)                       { atomic.StoreUint64(&x.Uint64, v) }
+func (x *Uint64) Add(v uint64) uint64                  { return atomic.AddUint64(&x.Uint64, v) }
+func (x *Uint64) CompareAndSwap(old, new uint64) bool  { return atomic.CompareAndSwapUint64(&x.Uint64, old, new) }
`,
	},
	{
		Name:    "slack-in-int",
		Why:     "what Throttle may have missed overflows, and it lets writers pass",
		Package: "./smr",
		Test:    "TestThrottle_LargeChunks",
		Arch:    "386",
		Patch: `
@ smr/throttle.go
-	slack := 2 * int64(len(d.calls.All())) * int64(d.opts.ChunkBytes)
+	slack := int64(2 * len(d.calls.All()) * d.opts.ChunkBytes)
`,
	},
	{
		Name:    "block-of-any-int",
		Why:     "the size of a block, rounded up, overflows",
		Package: "./slab",
		Test:    "TestBlockSize_AllSizes",
		Arch:    "386",
		Patch: `
@ slab/blocks.go
-	maxBlock    = 1 << (30 + ^uintptr(0)>>63*10) // 1 TiB, or 1 GiB where addresses are short
+	maxBlock    = min(1<<40, math.MaxInt-1)
`,
	},
	{
		Name:    "table-of-any-int",
		Why:     "the size of a table overflows",
		Package: "./smrmap",
		Test:    "TestCapacity_TableHasRoomForIt",
		Arch:    "386",
		Patch: `
@ smrmap/table.go
-	maxBits = 25 + 7*int(^uintptr(0)>>63)
+	maxBits = 26 + 6*int(^uintptr(0)>>63)
`,
	},
}

// compiledBugs are right, and slower than what is promised or, by the language alone, not in order.
// Tests of the disassembly catch them.
var compiledBugs = []Bug{
	{
		Name:    "cache-locked-atomically",
		Why:     "an object of a pool's cache costs a fence",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ internal/owned/slot.go
-	s.busy.Store(1)
+	s.busy.Swap(1)
`,
	},
	{
		Name:    "cache-counts-atomically",
		Why:     "the same, for a count",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ slab/cache.go
 	ld.retired.push(p)
-	c.retires.Store(c.retires.Load() + 1)
+	c.retires.Add(1)
 	return true
`,
	},
	{
		Name:    "cache-unlocked-early",
		Why:     "the lock of a cache is given up before the object is there",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ slab/store.go
-	done := !s.sampled(p) && c.retire(p)
-	c.unpin()
+	c.Unlock()
+	done := !s.sampled(p) && c.retire(p)
+	pcpu.Unpin()
`,
	},
	{
		Name:    "reader-called",
		Why:     "a Reader's entry counts too much to be inlined",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ clock/owned.go
-	if word == 0 {
+	if word == 0 && r.clock != nil {
`,
	},
	{
		Name:    "poll-stores",
		Why:     "each safe point takes the line of pending from those who ask",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ stw/poll.go
-	if d.pending.Load() != 0 || invariants.Enabled {
+	if d.polled++; d.pending.Load() != 0 || invariants.Enabled {
@ stw/domain.go
 	endsBy  ender // written by the owner only
+	polled  int
`,
	},
	{
		Name:    "section-checked-atomically",
		Why:     "a section between safe points costs a fence",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ clock/owned.go
-	return r.gen.Load() | genQuiescent, r.IsOnline()
+	return r.gen.Add(0) | genQuiescent, r.IsOnline()
`,
	},
	{
		Name:    "entry-never-preempted",
		Why:     "a loop of short sections is seldom preempted",
		Package: "./internal/disasm",
		Test:    "TestDisassembly",
		Patch: `
@ clock/enter.go
 // is inside its section.
 //
 //go:noinline
+//go:nosplit
 func (c *Clock) Enter() (*Record, uint64) {
`,
	},
}
