//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package disasm

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What package relacq relies on is not promised by the language, so this test
// looks at what the compiler made of it. It disassembles the paths of the
// programs in testdata and checks that their plain stores are there, in order, not
// locked, and on the right side of the loads and calls around them.
func TestDisassembly(t *testing.T) {
	code := build(t)
	for _, p := range paths {
		require.NoError(t, p.check(code(p.name)))
	}
}

// In a build that counts what is executed, the counters are between the same instructions:
// each stores its own word or, in mode atomic, is a fence too many. They make some functions too
// large to be inlined, which makes those slower, and no more.
func TestDisassembly_Covered(t *testing.T) {
	small := regexp.MustCompile(`Section\.Leave$|Record\)\.(EnterOr|LeaveOr)$|cache\)\.unpin$|Local\[.*\]\.Unpin$|Slot\[.*\]\)\.(TryLock|Unlock)$`)
	for _, mode := range []string{"set", "atomic"} { // count is set with an addition
		code := build(t, "-cover", "-covermode="+mode, "-coverpkg="+module+"...")
		for _, p := range paths {
			p.sequence = slices.DeleteFunc(slices.Clone(p.sequence), func(in string) bool { return in == fence }) // it looks like a counter
			require.NoError(t, p.check(uncounted(inlined(code, p.name, small))), mode)
		}
	}
}

// The check is worth something only if it fails where stores are locked.
func TestDisassembly_CheckFindsLockedStores(t *testing.T) {
	code := build(t, "-tags", "smr_portable")
	for _, p := range paths {
		switch p.name {
		case "clock.(*Clock).Enter", "clock.(*Clock).TryEnter", "clock.(*Record).LeaveSlow", "main.read", "main.publish", "slab.(*store).pin", "slab.(*store).retire":
			require.Error(t, p.check(code(p.name)), p.name)
		}
	}
}

// A build with a profile inlines what is hot in it, whatever it costs. The stores must be in
// the same order in the callers, and the entries that must keep their prologue are called.
func TestDisassembly_InlinedByProfile(t *testing.T) {
	code := build(t, profile(t, hotCalls()))
	for _, p := range inlinedPaths {
		require.NoError(t, p.check(code(p.name)))
	}
}

// hotCalls are what the program's paths call, down to the clock and the cache.
func hotCalls() []string {
	hot := []string{
		"main.read smr.Section.Leave",
		"main.visit smr.Section.Leave",
		"smr.Section.Leave clock.(*Record).LeaveOr",
		"slab.(*store).get slab.(*store).pin",
		"slab.(*store).get slab.(*cache).get",
		"slab.(*store).free slab.(*store).pin",
		"slab.(*store).free slab.(*cache).free",
		"slab.(*store).retire slab.(*store).pin",
		"main.poll stw.(*Domain).Poll",
		"stw.(*Domain).Poll stw.(*Domain).pollSlow",
	}
	for _, c := range []struct{ caller, of, method, clock string }{
		{"main.read", "Reader", "Enter", "Record"},
		{"main.visit", "Domain", "Enter", "Clock"},
		{"main.visit", "Domain", "Pin", "Clock"},
		{"main.readLate", "Reader", "TryEnter", "Record"},
		{"main.report", "Quiescent", "Online", "Record"},
		{"main.report", "Quiescent", "Quiesce", "Record"},
		{"main.report", "Quiescent", "Offline", "Record"},
	} {
		method := "smr.(*" + c.of + ")." + c.method
		hot = append(hot, c.caller+" "+method, method+" clock.(*"+c.clock+")."+c.method)
	}
	return hot
}

// Calls of a Reader's entry, and of Leave, are inlined without a profile, too.
var (
	// The record is idle; the moment of the last section is stored, and only then the current one
	// loaded, and the generation.
	enter = []string{load, `:TESTQ`, load, store, load, load, `:CMPQ`, load}
	// The generation, then the record, and only then the look at waiters.
	leave = []string{load, `:CMPQ`, store, storeNil, loadFlag}
)

var inlinedPaths = []path{
	{`clock.(*Clock).Enter`, []string{preempt, pin, load, store, unpin}, 1, false},
	{`clock.(*Clock).TryEnter`, []string{preempt, pin, load, store, unpin}, 1, false},
	{`clock.(*Clock).Pin`, []string{preempt, pin, load, store}, 1, false},
	// Enter's store comes before the load of the pointer, and Leave's after it was followed.
	{`main.read`, slices.Concat(enter, []string{load, follow}, leave), 3, false},
	{`main.visit`, slices.Concat([]string{`CALL .*Clock\)\.Enter`, load, follow}, leave,
		[]string{`CALL .*Clock\)\.Pin`, load}, leave), 4, false},
	{`main.readLate`, slices.Concat(enter, []string{load, follow}, leave), 3, false},
	// Online, Quiesce, Offline.
	{`main.report`, []string{load, store, fence, sealed,
		load, store, load, store, fence, sealed, load, store, storeNil, fence, loadFlag}, 5, false},
	// The lock, and what the cache does: see their paths.
	{`slab.(*store).get`, []string{pin, load, storeOne, load, store, pop, storeNil, unpin}, 3, false},
	{`slab.(*store).free`, []string{pin, load, storeOne, load, push, store, storeNil, unpin}, 3, false},
	{`slab.(*store).retire`, []string{pin, load, storeOne, load, push, store, storeNil, unpin}, 3, false},
	polls, reads,
}

// pop and push access the object's place in a magazine.
const (
	pop  = `^magazine\.go:MOVQ 0\(\w+\)\(\w+\*8\), \w+$`
	push = `^magazine\.go:MOVQ \w+, 0x8\(\w+\)\(\w+\*8\)$`
)

var paths = []path{
	// A look whether to be preempted. Then wr is loaded, and stored to the record, all of
	// it pinned.
	{`clock.(*Clock).Enter`, []string{preempt, pin, load, store, unpin}, 1, false},
	{`clock.(*Clock).TryEnter`, []string{preempt, pin, load, store, unpin}, 1, false},
	// The same; the section keeps the processor.
	{`clock.(*Clock).Pin`, []string{preempt, pin, load, store}, 1, false},
	{`clock.(*Record).TryEnter`, enter, 1, false},
	// The moment, to the record, and then the looks at what is exceptional and at waiters.
	{`clock.(*Record).TrySlow`, []string{load, store, load, loadFlag, loadFlag}, 1, false},
	// As leave, for a pinned section and for one of a fenced clock.
	{`clock.(*Record).LeaveSlow`, []string{load, store, storeNil, unpin, loadFlag}, 2, false},
	{`clock.(*Record).leaveRare`, []string{load, store, storeNil, fence, loadFlag}, 2, false},
	// No poller fences for them.
	{`clock.(*Record).Online`, []string{load, store, fence, sealed}, 1, false},
	{`clock.(*Record).Quiesce`, []string{load, store, load, store, fence, loadFlag, sealed}, 2, false},
	{`clock.(*Record).Offline`, []string{load, store, storeNil, fence, loadFlag}, 2, false},
	// busy is set before the chunk is loaded, and cleared after the last store
	// to the chunk, all of it pinned. The counters are stored between.
	{`smr.(*Domain).call`, []string{pin, storeOne, load, `call\.go:MOVQ \w+, 0x8\(`, store, store, storeNil, unpin}, -1, false},
	{`main.visitLate`, slices.Concat([]string{`CALL .*Clock\)\.TryEnter`, load, follow}, leave), 2, false},
	{`main.readLate`, slices.Concat([]string{`CALL .*Record\)\.TryEnter`, load, follow}, leave), 2, false},
	// In the caller: enter, load the pointer, follow it, leave.
	{`main.read`, slices.Concat(enter, []string{load, follow}, leave), 3, false},
	// The target is written, then published.
	{`main.publish`, []string{`^main\.go:MOVQ \$0x1, 0\(\w+\)$`, `^plain\.go:MOVQ \w+, 0\(\w+\)$`}, -1, false},

	// busy is looked at and set; then the magazines are loaded and used, and busy is cleared,
	// all of it pinned.
	{`slab.(*store).pin`, []string{pin, load, storeOne}, 1, false},
	{`slab.(*store).get`, []string{`CALL .*store\)\.pin`, `CALL .*cache\)\.get`, storeNil, unpin}, 1, false},
	{`slab.(*cache).get`, []string{load, store, pop}, 1, false},
	{`slab.(*store).free`, []string{`CALL .*store\)\.pin`, `CALL .*cache\)\.free`, storeNil, unpin}, 1, false},
	{`slab.(*cache).free`, []string{load, push, store}, 1, false},
	{`slab.(*store).retire`, []string{`CALL .*store\)\.pin`, load, push, store, storeNil, unpin}, 2, false},
	{`slab.(*cache).swap`, []string{load, push, store, store, pop}, 2, false},
	{`main.swap`, []string{`CALL .*[pP]in`, `CALL .*Swap`, storeNil, unpin}, 1, false},

	polls, reads,
}

var (
	// A safe point is one load, where nothing is asked.
	polls = path{`main.poll`, []string{loadFlag, `:TESTL`, `:CALL .*pollSlow`}, 0, true}
	// A section between safe points is a load of the generation and one of the record; then
	// comes that of the pointer.
	reads = path{`main.worker`, []string{load, load, load, follow}, 0, true}
)
