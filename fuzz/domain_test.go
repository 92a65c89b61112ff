package fuzz

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Programs of sections of all kinds, holds, deferred calls, goals, waits and misuse, on one domain whose
// time the program makes, do what is documented: no callback runs while a section is open that was
// open at its Call, each runs exactly once and in time, and every wait ends when it may and not
// before. See domainProgram for what a program can do, and its check for what must hold.
//
// Its corpus alone catches the bugs barrier-forgets-holds, barrier-is-synchronize,
// barrier-without-drain, clone-outside, close-forgets-holds, double-leave, early-run, foreign-goal,
// future-goal, held-before-reached, hold-second-look, hold-told-by-none, no-end-kick, no-sealed-look,
// no-throttle, no-wake, panic-loses-rest and uncommitted-goal (see package mutant). The other bugs
// of package smr need two goroutines in the middle of something at the same time.
func FuzzDomain(f *testing.F) {
	for _, program := range domainPrograms {
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 600 {
			t.Skip("a longer program shows nothing more")
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = runDomain(program) })
		require.NoError(t, err)
	})
}

// domainPrograms are seeds. The first byte configures the domain: see configOf.
var domainPrograms = [][]byte{
	{},
	// A call under a section: it runs only after Leave, and then without time passing if it is
	// flushed.
	{0, domEnter, 0, domCall, 10, domFlush, domSleep, 8, domEnter, 0, domLeave, 0},
	{3, domCall, 1, domCall, 2, domCallFunc, 3, domSleep, 9, domEnter, 1, domExpedite, domLeave, 0, domSleep, 7},
	// Each of the waits, with a section open, ended and not.
	{1, domEnter, 0, domCall, 20, domWaitFor, waitBarrier, domWaitFor, waitSynchronize, domWaitEnded, waitBarrier,
		domWaitEnded, waitSynchronize, domLeave, 0, domWaitFor, waitBarrier},
	{0, domCall, 20, domWaitFor, waitBarrier, domCall, 5, domWaitFor, waitSynchronize, domWaitEnded, waitClose},
	// A barrier, of whose two calls the second is held back longer.
	{1, domEnter, 0, domCall, 1, domFlush, domEnter, 0, domCall, 2, domWaitFor, waitBarrier, domLeave, 0, domLeave, 1},
	// Goals: deferred, committed, of another domain, from the future.
	{2, domEnter, 0, domDefer, domPoll, 0, 0, domCommit, 0, 0, domPoll, 0, 0, domWaitFor, waitGoal, 0, 0,
		domLeave, 0, domPoll, 0, 0, domWaitEnded, waitGoal, 1, 0, domPoll, 1, 0, domPoll, 2, 0, domWaitFor, waitGoal, 2, 0},
	{0, domAdvance, domAdvance, domAdvance, domPoll, 0, 2, domPoll, 1, 0, domPoll, 1, 1, domPoll, 2, 200},
	// Two wait for one section; the first gives up.
	{0, domEnter, 0, domAdvance, domWaitFor, waitGoal, 0, 0, domWaitFor, waitSynchronize, domCancel, 0, domLeave, 0},
	// More is pending than may be.
	{4, domEnter, 0, domCall, 90, domCall, 90, domWaitFor, waitThrottle, domWaitEnded, waitThrottle, domLeave, 0, domWaitFor, waitThrottle},
	// Callbacks that panic, exit, call, and wait.
	{3, domPanicking, domCall, 1, domExiting, domCall, 1, domChain, 3, domWaiting, waitBarrier, domWaiting, waitClose, domSleep, 9},
	// Quiescent readers.
	{0, domQuiescent, 0, domCall, 3, domFlush, domQuiescent, 1, domQuiescent, 3, domQuiescent, 2, domLeave, 0, domCall, 1, domSleep, 8},
	// Closing under sections, with calls pending and chains; and what is refused then.
	{3, domEnter, 0, domEnter, 1, domChain, 5, domWaitFor, waitClose, domCall, 1, domEnter, 2, domPin, 1, domQuiescent, 0,
		domWaitFor, waitBarrier, domWaitFor, waitThrottle, domWaitFor, waitClose, domCancel, 0, domLeave, 0, domLeave, 1},
	// Holds of what is retired later and of what was retired before; released while sections are open
	// and after; of several, one is released; clones.
	{0, domEnter, 0, domHold, 0, 10, domLeave, 0, domFlush, domSleep, 9, domRelease, 0, domRelease, 0, domClone, 0},
	{1, domEnter, 0, domCall, 20, domCall, 30, domHold, 0, 1, domHold, 0, 3, domHold, 0, 1, domLeave, 0, domSleep, 9,
		domRelease, 0, domSleep, 9, domClone, 2, domRelease, 1, domRelease, 2, domSleep, 9, domRelease, 3},
	{2, domQuiescent, 0, domQuiescent, 3, domCall, 5, domHold, 0, 1, domRelease, 0, domHold, 0, 1, domFlush, domQuiescent, 1,
		domHold, 0, 1, domCall, 4, domSleep, 8, domRelease, 1},
	// What waits for holds, and what does not. More is held than may be pending.
	{4, domEnter, 0, domHold, 0, 90, domHold, 0, 94, domCall, 1, domLeave, 0, domWaitFor, waitSynchronize, domWaitFor, waitBarrier,
		domWaitFor, waitThrottle, domWaitEnded, waitBarrier, domSleep, 9, domRelease, 0, domSleep, 3, domRelease, 1},
	// Closing under holds, one of which is taken then, and of which one is of an object in use.
	{0, domEnter, 0, domHold, 0, 2, domEnter, 0, domWaitFor, waitClose, domHold, 1, 0, domLeave, 0, domLeave, 1, domWaitEnded, waitClose,
		domRelease, 0, domClone, 1, domRelease, 1, domSleep, 9, domRelease, 2},
	// Misuse.
	{0, domEnter, 1, domCloseReader, 0, domLeave, 0, domEnter, 1, domLeave, 0, domCloseReader, 0, domMisuse, 0, domMisuse, 1, domMisuse, 2,
		domMisuse, 3, domMisuse, 4, domMisuse, 5, domMisuse, 6, domMisuse, 7, domMisuse, 8, domRead, 0, domRead, 1, domLeave, 1},
}
