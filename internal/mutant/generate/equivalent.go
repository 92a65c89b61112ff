package generate

// equivalents are mutants that no check can kill, by their ID, with the reason. A test asserts
// that the tree has each.
var equivalents = map[string]string{
	// pcpu
	"pcpu/counter.go:Counter.Add: always: s == nil -> true || (s == nil)":                                                          "Grow returns the slot that is there",
	"pcpu/counter.go:Counter.Add: never: Exclusive -> false && (Exclusive)":                                                        "adds atomically what nobody else writes",
	"pcpu/pin_portable.go:Pin: off by one: 0x9e3779b1 -> 2654435762":                                                               "another hash",
	"pcpu/pin_portable.go:Pin: off by one: 11 -> 12":                                                                               "another hash",
	"pcpu/slots.go:Count: off by one: 1 -> 2 #2":                                                                                   "a multiple of 16 less one or two takes as many bits",
	"pcpu/slots.go:Slots.Grow: off by one: 1 -> 2":                                                                                 "makes a slot more",
	"pcpu/slots.go:Slots.Init: exchange: s.create = create s.arr.Store(&array[T]{}) -> s.arr.Store(&array[T]{}) s.create = create": "the slots are not shared yet",
	// clock
	"clock/clock.go:Clock.Init: exchange: c.parallel = runtime.NumCPU() > 1 c.wr.Store(uint64(c.start)) -> c.wr.Store(uint64(c.start)) c.parallel = runtime.NumCPU() > 1": "the clock is not shared yet",
	"clock/clock.go:Clock.Init: off by one: 1 -> 2 #2":                                                                                                  "a second wake finds nothing to do",
	"clock/clock.go:Clock.Init: operand: relacq.Plain -> (relacq.Plain || true)":                                                                        "fenced asks relacq.Plain again",
	"clock/clock.go:Clock.issued: swap operands: goal-wr -> wr - goal":                                                                                  "a number and its negative have the same low bits clear",
	"clock/driver.go:Clock.driveOn: operand: !(scanned && o.spin()) -> (!(scanned && o.spin()) || true)":                                                "sleeps where it would spin",
	"clock/enter.go:Clock.TryEnter: never: uint32(gen) >= c.exceptions.Load() -> false && (uint32(gen) >= c.exceptions.Load())":                         "tryFinish asks again",
	"clock/enter.go:Clock.claimSlow: operator: == -> != #5":                                                                                             "searches for the record that is next",
	"clock/owned.go:Record.Offline: exchange: r.gen.Store(r.gen.Load() + genStep) r.seq.Store(0) -> r.seq.Store(0) r.gen.Store(r.gen.Load() + genStep)": "either ends the section for Active, and only the owner stores",
	"clock/owned.go:Record.Offline: operator: + -> -":                                                                                                   "generations differ all the same",
	"clock/record.go:Record.leaveRare: operator: + -> -":                                                                                                "generations differ all the same",
	"clock/scan.go:Clock.position: off by one: 0 -> 1 #2":                                                                                               "an idle record's moment is not used",
	"clock/scan.go:Clock.position: operator: <= -> <":                                                                                                   "the next case gives the same moment",
	"clock/slot.go:firstRecords: off by one: 1 -> 2":                                                                                                    "costs scans a line",
	"clock/slot.go:firstRecords: never: pcpu.Exclusive -> false && (pcpu.Exclusive)":                                                                    "the slot grows with its first nested section",
	"clock/slot.go:slot.grow: off by one: 1 -> 2 #2":                                                                                                    "other sections are sampled",
	"clock/slot.go:slot.search: always: r == closedRecord -> true || (r == closedRecord)":                                                               "shrinks at each search",
	"clock/stall.go:Clock.stallTime: operator: > -> >=":                                                                                                 "ends the reports of a stall at 73 years",
	"clock/wait.go:Clock.WaitOr: operand: c.driven() -> (c.driven() && false)":                                                                          "spins before it parks",
	"clock/wait.go:Clock.WaitOr: always: c.driven() || !o.spin() -> true || (c.driven() || !o.spin())":                                                  "parks where it would spin",
	"clock/wait.go:obstacle.spin: bool: true -> false":                                                                                                  "parks, and finds the change there",
	// smr
	"smr/call.go:Domain.callSlow: operator: < -> <= #2": "a chunk has room for one call of largeSize",
	"smr/call.go:Domain.callUnslotted: exchange: r.calledBytes.Add(-uint64(c.bytes)) r.called.Add(^uint64(0)) -> r.called.Add(^uint64(0)) r.calledBytes.Add(-uint64(c.bytes))": "the three counts are read apart",
	"smr/call.go:Domain.callUnslotted: exchange: r.calledBytes.Add(uint64(c.bytes)) r.called.Add(1) -> r.called.Add(1) r.calledBytes.Add(uint64(c.bytes))":                     "the three counts are read apart",
	"smr/call.go:Domain.lockSlot: off by one: 1 -> 2":             "begins with another slot",
	"smr/domain.go:New: off by one: 1 -> 2":                       "another name",
	"smr/diagnose.go:Domain.diagnoseCalls: off by one: 0 -> 1 #2": "no reader holds back 0 in the first half of the clock's range",
	"smr/options.go:Options.normalize: operator: > -> >=":         "MaxPending is not 0 by then",
	"smr/pace.go:pace.next: exchange: p.dom.reclaim.punctual.expect(p.dom.ageAt(p.due)) p.timer.Reset(int... -> p.timer.Reset(interval) p.dom.reclaim.punctual.expect(p.dom.ageAt(p...": "both come before the reclaimer waits",
	"smr/pace.go:Domain.checkInIfDue: operand: flush -> (flush && false)":                                                                "no chunk is open: a drain finds nothing",
	"smr/pace.go:Domain.settle: operand: !r.flush.Load() -> (!r.flush.Load() || true)":                                                   "no chunk is open: a flush has nothing to drain",
	"smr/queue.go:chunkQueue.pop: exchange: c.next = nil q.n-- -> q.n-- c.next = nil":                                                    "the lock is held",
	"smr/reclaim.go:Domain.takeInLocked: exchange: r.waiting.insert(c) d.clk.Commit(c.goal) -> d.clk.Commit(c.goal) r.waiting.insert(c)": "the lock is held",
	"smr/worker.go:Domain.finishLocked: never: len(r.throttled) == 0 -> false && (len(r.throttled) == 0)":                                "wakes none, or hands over what is full soon",
	// smrq
	"smrq/link.go:offset: operator: >= -> >":                                                  "a Link has no room at the end either",
	"smrq/split.go:queue.follow: operator: & -> |":                                            "in a queue without prev, none reads it",
	"smrq/append.go:queue.append: operator: & -> | #2":                                        "without prev, prev is nil",
	"smrq/append.go:queue.append: always: q.kind&double != 0 -> true || (q.kind&double != 0)": "without prev, prev is nil",
	"smrq/append.go:queue.append: operator: & -> | #3":                                        "without tails, src.tail is nil",
	"smrq/write.go:queue.before: never: q.kind&double != 0 -> false && (q.kind&double != 0)":  "walks to where prev points",
	// stw
	"stw/blocking.go:Domain.EnterBlocking: exchange: d.currentPhase().mustRun(\"EnterBlocking\") d.check(\"EnterBlocking\") -> d.check(\"EnterBlocking\") d.currentPhase().mustRun(\"EnterBlocking\")": "both panic where the other does, with another text",
	"stw/move.go:Reservation.GrowToContext: operand: err != nil -> (err != nil && false)":                                                                                                              "the size that comes with an error is 0, which no area is smaller than",
	"stw/move.go:move.handle: exchange: m.change() m.done = true -> m.done = true m.change()":                                                                                                          "both come before the others go on",
	"stw/move.go:Reservation.Release: leave out: panic(err) -> if false { panic(err) }":                                                                                                                "to shrink maps nothing",
	"stw/noted.go:Domain.stepLocked: leave out: yieldWhile(r.spins == 0, func() bool { return r.left.Load() > 0 }) -> if false { yieldWhile(r.spins == 0, func() bool { return r.left.Loa...":          "those it has woken get the processor later",
	"stw/stop.go:Stop.try: exchange: s.tell(d) // Handlers may wait for grace periods, so the leader sta... -> d.readers.goOffline() s.tell(d)":                                                        "both come before the leader waits",
	"stw/suspend.go:resumeAll: first only:  -> break":                                                                                                                                                  "the deferred call resumes the rest",
	// slab
	"slab/blocks.go:NewBlocks: exchange: rest.stores = append(rest.stores, s) s.dom, s.budget = d, o.Budget -> s.dom, s.budget = d, o.Budget rest.stores = append(rest.stores, s)": "the store is not shared yet",
	"slab/cache.go:cache.free: always: m == nil -> true || (m == nil)": "freeSlow finds the room",
	"slab/cache.go:store.unload: never: !slices.ContainsFunc(caches, func(c *cache) bool { return c.Value.L... -> false && (!slices.ContainsFunc(caches, func(c *cache) bool { return...": "pays for a fence",
	"slab/claim.go:claim.spend: off by one: 0 -> 1 #2":                                                                                                                          "no block takes one byte",
	"slab/close.go:closing.seal: exchange: s.samples.seal() s.caches.Seal() -> s.caches.Seal() s.samples.seal()":                                                                "the two are asked apart",
	"slab/close.go:closing.seal: exchange: s.caches.Seal() s.policy.trim(trimCaches) -> s.policy.trim(trimCaches) s.caches.Seal()":                                              "trimAll follows and takes the caches, too",
	"slab/debug_on.go:checks.expedite: operand: o.state == isRetired -> (o.state == isRetired || true)":                                                                         "unread asks again",
	"slab/debug_on.go:checks.foreign: never: other == c -> false && (other == c)":                                                                                               "its own objects were looked at before",
	"slab/evacuate.go:heap.beginEvacuation: always: sl.nFree > 0 -> true || (sl.nFree > 0)":                                                                                     "full slabs come last, when the list is empty",
	"slab/heap.go:heap.add: exchange: h.reserved += int64(sl.opened) h.objects += int64(sl.n) -> h.objects += int64(sl.n) h.reserved += int64(sl.opened)":                       "the lock is held",
	"slab/heap.go:heap.abandon: exchange: h.closed = true h.slabs, h.freeNumbers, h.sparse = nil, nil, nil -> h.slabs, h.freeNumbers, h.sparse = nil, nil, nil h.closed = true": "the lock is held",
	"slab/store.go:store.freeSlow: off by one: 0 -> 1":                                                                                                                          "suggests a trim less often",
	"slab/store.go:store.load: off by one: 0 -> 1 #2":                                                                                                                           "the magazine goes to the depot instead",
	// smrmap
	"smrmap/bucket.go:bucket.free: off by one: 1 -> 2":                                                                         "any negative number means none",
	"smrmap/bytes.go:NewBytes: always: o.Budget != nil && !sched.Controlled -> true || (o.Budget != nil && !sched.Controlled)": "a charge without a budget has nothing to drop",
	"smrmap/bytes.go:Bytes.find: swap arguments: e.key(), key -> key, e.key()":                                                 "equality goes both ways",
	"smrmap/bytes_walk.go:Bytes.Sweep: operator: < -> <=":                                                                      "purges the next bucket, too, and counts what it removes",
	"smrmap/evict.go:eviction.goRound: off by one: 1 -> 2":                                                                     "spares less: a policy",
	"smrmap/map_write.go:Map.Compute: operator: > -> >=":                                                                       "an entry of just that size is made before the lock: a policy",
	// smrfile
	"smrfile/readat.go:mapping.readOn: swap arguments: err, io.EOF -> io.EOF, err": "a file's ReadAt returns io.EOF itself",
	// internal
	"internal/asym/asym.go:Fence.Light: always: f.both -> true || (f.both)":                                 "fences without need",
	"internal/asym/asym.go:New: operand: relacq.Plain -> (relacq.Plain || true)":                            "where stores are not plain both halves do nothing",
	"internal/membarrier/membarrier_linux.go:membarrier: off by one: 0 -> 1 #2":                             "the kernel reads no processor without the flag for it",
	"internal/owned/slot.go:Revoke: never: sl.Value.Load() == leave -> false && (sl.Value.Load() == leave)": "swaps what it leaves for itself",
	"internal/owned/slot.go:Slot.TryLock: always: !pcpu.Exclusive -> true || (!pcpu.Exclusive)":             "locks atomically without need",
	"internal/owned/slot.go:Slot.TryLock: off by one: 1 -> 2 #2":                                            "any word but 0 is locked",
	"internal/owned/slot.go:Slot.TryLock: off by one: 1 -> 2":                                               "any word but 0 is locked",
	"internal/owned/slot.go:Slot.awaitUnlocked: first only:  -> break":                                      "spins less",
	"internal/owned/slot.go:Slot.awaitUnlocked: never: s.busy.Load() == 0 -> false && (s.busy.Load() == 0)": "yields where it would spin",
	"internal/pages/go.go:allocGo: operator: > -> >= #2":                                                    "a bound of 1 or 8 GiB, either side",
	"internal/pages/mmap.go:reserve: off by one: 1 -> 2":                                                    "mappings are aligned to a page",
	"internal/pages/probe.go:Probe: never: size < probed -> false && (size < probed)":                       "asks the system without need",
	"internal/pages/region.go:regionSet.addRegionLocked: exchange: s.regions = append(s.regions, r) s.byBase = slices.Insert(s.byBase,... -> s.byBase = slices.Insert(s.byBase, s.searchLocked(base), r) s.regio...": "the lock is held",
	"internal/pages/region.go:regionSet.searchLocked: off by one: 1 -> 2 #2": "only the sign counts",
	"internal/relacq/plain.go:Fence: off by one: 1 -> 2":                     "any locked instruction is a fence",
}

// Equivalent returns why no check can kill a mutant, and whether that is known.
func Equivalent(m Mutant) (why string, ok bool) {
	why, ok = equivalents[m.ID()]
	return why, ok
}
