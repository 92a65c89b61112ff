package fuzz

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Programs of advances, goals of all sorts, sections and waits, on a clock that starts anywhere in
// its range and goes all the way around, do what a clock would whose moments are unbounded numbers.
// See clockProgram for what a program can do, and clockModel for the model.
//
// Its corpus alone catches the bugs double-leave, foreign-goal, future-goal, no-end-kick,
// no-sealed-look, no-wake, stale-is-idle and uncommitted-goal (see package mutant). The other bugs
// of package clock need two goroutines in the middle of something at the same time.
func FuzzClock(f *testing.F) {
	for _, program := range clockPrograms {
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1000 {
			t.Skip("a longer program shows nothing more")
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = runClock(program) })
		require.NoError(t, err)
	})
}

// clockPrograms are seeds. A program begins with where the clock starts: see clockProgram.begin.
var clockPrograms = [][]byte{
	{},
	// Just below the wrap: advance past it under an open section, poll, leave, poll.
	{startBelowWrap, 2, opEnter, 0, opAdvance, opAdvance, opAdvance, opPoll, known, 0, opPoll, known, 2,
		opLeave, 0, opPoll, known, 0, opPoll, known, 2},
	// Just below the sign bit: a deferred goal, waited for in vain, then committed by Wait.
	{startBelowSign, 1, opDefer, opPoll, known, 0, opEnter, 1, opWait, known, 0, opAdvance, opWait, known, 1,
		opLeave, 0, opWait, known, 0},
	// Waiters: the first gives up, the other goes on.
	{startBelowWrap, 1, opEnter, 0, opAdvance, opAwait, known, 0, opAwait, known, 0, opCancel, 0, opLeave, 0},
	// Goals that the clock never issued.
	{startAnywhere, 1, 2, 3, 4, 5, 6, 7, 8, opAdvance, opPoll, foreign, 0, opWait, foreign, 1, opPoll, near, 2,
		opWait, near, 2, opPoll, mutated, 63, opPoll, mutated, 0, opWait, zero, opCommit, foreign, 0, opCommit, near, 5},
	{startDefault, opAdvance, opAdvance, opAdvance, opPoll, known, 2, opPoll, foreign, 1, opWait, foreign, 0},
	// As far ahead as a clock may get; then the goal is a deferred one.
	{startDefault, opEnter, 0, opJump, 43, opAdvance, opPoll, known, 0, opCommit, known, 0, opAwait, known, 0,
		opLeave, 0, opPoll, known, 0},
	// All the way around: the first goal is from the future then, and in the end from now.
	{startDefault, opAdvance, opJump, 43, opPoll, near, 5, opPoll, known, 0, opJump, 43, opPoll, near, 5, opPoll, known, 0,
		opJump, 43, opPoll, near, 5, opPoll, known, 0, opJump, 43, opPoll, near, 5, opPoll, known, 0},
	// A reader that is late by a moment, and one by more than half the range.
	{startBelowWrap, 1, opLoad, 0, opAdvance, opPoll, known, 0, opLate, 0, opAdvance, opPoll, known, 1, opLeave, 0, opPoll, known, 1,
		opLoad, 1, opJump, 43, opPoll, near, 5, opJump, 43, opPoll, near, 5, opAdvance, opPoll, near, 5, opLate, 1, opAdvance, opPoll, near, 5},
	// Quiescent readers.
	{startBelowSign, 2, opQuiescent, 0, opQuiescent, 3, opAdvance, opAwait, known, 0, opQuiescent, 1, opLeave, 0,
		opPoll, known, 0, opQuiescent, 2, opLeave, 0},
	// Misuse.
	{startDefault, opEnter, 0, opLeave, 0, opEnter, 0, opLeave, 0, opLeave, 1, opClose, 0, opEnter, 1, opClose, 0, opSeal, 255, opEnter, 0,
		opEnter, 2, opPin, opQuiescent, 0, opAdvance, opPoll, known, 0},
}
