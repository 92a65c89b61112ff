package mutant

// ownedBugs are those of the handshake of package owned, each for both of its users: deferred
// calls and the caches of pools.
var ownedBugs = []Bug{
	{
		Name:      "no-drain-fence",
		Why:       "the owner's busy flag is still in its store buffer when drain looks",
		Package:   "./smr",
		Test:      "TestDrain_WaitsForAppend",
		Schedules: "TestSchedules_AppendAgainstReclaimer",
		Patch:     noHeavyFence,
	},
	{
		Name:      "no-busy-wait",
		Why:       "drain takes the chunk while its owner appends to it",
		Package:   "./smr",
		Test:      "TestDrain_WaitsForAppend",
		Schedules: "TestSchedules_AppendAgainstReclaimer",
		Patch:     noOwnerWait,
	},
	{
		Name:      "no-append-fence",
		Why:       "the same, on a kernel without membarrier",
		Package:   "./smr",
		Test:      "TestDrain_WaitsForAppend",
		Schedules: "TestSchedules_AppendAgainstReclaimer",
		Patch:     noLightFence,
	},
	{
		Name:      "no-cache-fence",
		Why:       "the cache's busy flag is still in its owner's store buffer when it is unloaded",
		Package:   "./slab",
		Test:      "TestUnload_WaitsForHolder",
		Schedules: "TestSchedules_UnloadAgainstHolder",
		Patch:     noHeavyFence,
	},
	{
		Name:      "no-cache-wait",
		Why:       "a cache is unloaded while its owner is at it",
		Package:   "./slab",
		Test:      "TestUnload_WaitsForHolder",
		Schedules: "TestSchedules_UnloadAgainstHolder",
		Also:      []string{"TestClose_BesideUsers"},
		Patch:     noOwnerWait,
	},
	{
		Name:      "no-cache-lock-fence",
		Why:       "the same, on a kernel without membarrier",
		Package:   "./slab",
		Test:      "TestUnload_WaitsForHolder",
		Schedules: "TestSchedules_UnloadAgainstHolder",
		Patch:     noLightFence,
	},
	{
		Name:    "refused-to-owners",
		Why:     "a kernel refuses membarrier, and owners do without a fence",
		Package: "./smr",
		Test:    "TestSandbox_RefusedFromTheStart",
		Patch: `
@ internal/asym/asym.go
-func New() Fence { return Fence{both: relacq.Plain && !membarrier.Available()} }
+func New() Fence { return Fence{} }
`,
	},
	{
		Name:      "both-but-heavy",
		Why:       "without membarrier, what parks fences on no processor, not even its own",
		Package:   "./smrmap",
		Schedules: "TestSchedules_ParkAgainstUnlock",
		Patch: `
@ internal/asym/asym.go
-	case f.both:
-		relacq.Fence()
+	case f.both:
`,
	},
	{
		Name:      "first-owner-only",
		Why:       "a revoker takes the value of any other processor while its owner uses it",
		Package:   "./internal/owned",
		Schedules: "TestSchedules_RevokeAgainstOwner",
		Patch:     firstOwnerOnly,
	},
	{
		Name:      "drain-first-owner-only",
		Why:       "drain takes a chunk that its owner appends to, unless that is on the first processor",
		Package:   "./smr",
		Schedules: "TestSchedules_AppendAgainstReclaimer",
		Patch:     firstOwnerOnly,
	},
	{
		Name:      "unload-first-owner-only",
		Why:       "a cache is unloaded while its owner is at it, unless that is on the first processor",
		Package:   "./slab",
		Schedules: "TestSchedules_UnloadAgainstHolder",
		Patch:     firstOwnerOnly,
	},
	{
		Name:      "fence-before-revoking",
		Why:       "an owner locks its slot after the fence and still finds the value, and the revoker finds no owner",
		Package:   "./internal/owned",
		Schedules: "TestSchedules_RevokeAgainstOwner",
		Patch: `
@ internal/owned/slot.go
 	for _, s := range all {
+		fence.Heavy()
 		sl := s.slot()
@
-	fence.Heavy() // pairs with TryLock's
`,
	},
	{
		Name:      "wait-before-revoking",
		Why:       "an owner that comes after the wait uses a value that is revoked under it",
		Package:   "./internal/owned",
		Schedules: "TestSchedules_RevokeAgainstOwner",
		Patch: `
@ internal/owned/slot.go
 		sl := s.slot()
+		sl.awaitUnlocked()
@
-		s.slot().awaitUnlocked()
+		_ = s
`,
	},
	{
		Name:      "revoker-takes-what-it-leaves",
		Why:       "of two that close a slot, the second takes the mark that the first left for a value",
		Package:   "./internal/owned",
		Schedules: "TestSchedules_RevokeAgainstRevoke",
		Patch: `
@ internal/owned/slot.go
-		if v := sl.Value.Swap(leave); v != nil && v != leave { // it may have changed
+		if v := sl.Value.Swap(leave); v != nil {
`,
	},
}

const (
	noHeavyFence = `
@ internal/owned/slot.go
-	fence.Heavy() // pairs with TryLock's
`
	noLightFence = `
@ internal/owned/slot.go
-	fence.Light() // pairs with Revoke's
`
	firstOwnerOnly = `
@ internal/owned/slot.go
-	for _, s := range all {
-		s.slot().awaitUnlocked()
+	for _, s := range all[:min(1, len(all))] {
+		s.slot().awaitUnlocked()
`
	noOwnerWait = `
@ internal/owned/slot.go
-		s.slot().awaitUnlocked()
+		_ = s
`
)
