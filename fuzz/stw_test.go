package fuzz

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Programs of domains that come, poll, block, are interrupted, suspended, stopped and end,
// each a goroutine that does one thing when it is told to, do what is documented. See
// stwProgram for what a program can do, and its check for what must hold.
//
// Its corpus alone catches all the bugs of package stw: cleared-after, enters-alone,
// leader-ends, leader-reads, leave-without-lock, orphans-dropped, quiet-before-clear,
// returns-in-service and sense-before-reset; and of those below it early-run and no-wake
// (see package mutant).
func FuzzStw(f *testing.F) {
	for _, program := range stwPrograms {
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 300 {
			t.Skip("a longer program shows nothing more")
		}
		inBubble(t, func() error { return runStw(program) })
	})
}

// inBubble runs a program in a bubble of testing/synctest. That goroutines are left there
// which wait for one another is as wrong as what run finds.
func inBubble(t *testing.T, run func() error) {
	t.Helper()
	var err error
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = errors.Join(err, fmt.Errorf("panic: %v", v))
			}
		}()
		synctest.Test(t, func(*testing.T) { err = run() })
	}()
	require.NoError(t, err)
}

// stwPrograms are some programs to begin with. In the end of each everybody polls until
// nothing is left to be done.
var stwPrograms = [][]byte{
	{},
	// An interrupt of one that runs, by itself, and of one that is blocked.
	{stwSpawn, 0, stwInterrupt, 0, askAgain, stwPoll, 0, stwPoll, 0, stwBlock, 0, stwInterrupt, 0, askPlain, stwUnblock, 0, stwEnd, 0},
	// A stop that waits for one that runs, and one that is blocked and wants to return.
	{stwRegister, 0, stwSpawn, 1, stwSpawn, 2, stwBlock, 1, stwRunOnAll, 0, handlePlain, stwUnblock, 1, stwTry, 2, handlePlain},
	// One that ends while a stop that counts on it is not told to it yet.
	{stwRegister, 0, stwRegister, 1, stwRunOnAll, 0, handleSetup, stwEnd, 1, stwGate},
	// A stop whose handler takes longer for one, while another wants to lead.
	{stwSpawn, 0, stwSpawn, 1, stwSpawn, 2, stwBlock, 1, stwRunOnAll, 0, handleGated + 1*handlers, stwPoll, 2, stwRunOnAll, 2, handlePlain, stwGate},
	// Barriers, panics, and grace periods in handlers.
	{stwRegister, 0, stwRegister, 1, stwRegister, 2, stwRunOnAll, 0, handleBarrier, stwPoll, 1, stwPoll, 2,
		stwRunOnAll, 1, handlePanic + 2*handlers, stwPoll, 0, stwPoll, 2, stwBlock, 2,
		stwRunOnAll, 0, handleSynchronize + 1*handlers, stwPoll, 1, stwGate},
	{stwRegister, 0, stwRegister, 1, stwAsync, 0, handlePanic, stwPoll, 1, stwPoll, 0, stwAsync, 1, handleMisuse, stwPoll, 0},
	// What is asked of one that ends.
	{stwRegister, 0, stwInterrupt, 0, askPanic, stwInterrupt, 0, askPlain, stwEnd, 0, stwInterrupt, 0, askPlain},
	// Suspended, stopped meanwhile, resumed.
	{stwSpawn, 0, stwSpawn, 1, stwSuspend, 0, stwPoll, 0, stwInterrupt, 0, askPlain, stwRunOnAll, 1, handlePlain, stwResume, 0, stwMisuse, 0},
	{stwSpawn, 0, stwBlock, 0, stwSuspend, 0, stwInterrupt, 0, askPlain, stwResume, 0},
	// The world is stopped; somebody comes; it goes on.
	{stwSpawn, 0, stwBlock, 0, stwStop, stwSpawn, 1, stwInterrupt, 0, askPlain, stwUnblock, 0, stwStart, stwPoll, 1},
	// The world is full; one ends; its slot is free.
	{stwSpawn, 0, stwSpawn, 1, stwSpawn, 2, stwSpawn, 3, stwSpawn, 4, stwEnd, 2, stwRegister, 2, stwClose, stwSpawn, 3},
	{stwSpawn, 0, stwEnd, 0, stwSpawn, 0, stwEnd, 1, stwSpawn, 0, stwEnd, 2, stwSpawn, 0, stwEnd, 3, stwSpawn, 0, stwEnd, 4,
		stwSpawn, 0, stwEnd, 4, stwRegister, 0, stwEnd, 4, stwRegister, 0, stwEnd, 4, stwSpawn, 0, stwRegister, 0, stwSpawn, 0, stwSpawn, 0, stwSpawn, 0},
	// Ragged barriers.
	{stwSpawn, 0, stwSpawn, 1, stwBlock, 1, stwForEach, 0, stwPoll, 0, stwOwnForEach, 0, stwForEach, 1, stwEnd, 0},
	// Grace periods that wait for domains, and sections from outside.
	{stwSpawn, 0, stwCall, stwSynchronize, 0, stwSection, stwSpawn, 1, stwCall, stwSynchronize, 1, stwPoll, 0, stwSection, stwPoll, 0},
	// A grace period that begins while somebody polls who ends another.
	{stwSpawn, 0, stwSpawn, 1, stwSynchronize, 0, stwPoll, 1, stwPoll, 1},
}
