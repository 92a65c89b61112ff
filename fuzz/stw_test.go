package fuzz

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Programs of domains that start, poll, block, are interrupted, suspended and stopped, and end,
// each a goroutine that does one thing at a time when told to, do what is documented. See
// stwProgram for what a program can do, and its check for what must hold.
//
// Its corpus alone catches all the bugs of package stw: cleared-after, enters-alone, leader-ends,
// leader-reads, leave-without-lock, orphans-dropped, quiet-before-clear, returns-in-service and
// sense-before-reset; and, of the packages below, early-run and no-wake (see package mutant).
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

// inBubble runs a program in a bubble of testing/synctest. Goroutines that remain there, waiting
// for one another, are an error like one that run returns.
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

// stwPrograms are seeds. At the end of each all domains poll until no operation is left.
var stwPrograms = [][]byte{
	{},
	// Interrupts of a running domain, one of them by itself, and of a blocked one.
	{stwSpawn, 0, stwInterrupt, 0, askAgain, stwPoll, 0, stwPoll, 0, stwBlock, 0, stwInterrupt, 0, askPlain, stwUnblock, 0, stwEnd, 0},
	// A stop that waits for a running domain, and a blocked one that wants to return.
	{stwRegister, 0, stwSpawn, 1, stwSpawn, 2, stwBlock, 1, stwRunOnAll, 0, handlePlain, stwUnblock, 1, stwTry, 2, handlePlain},
	// A domain that ends while a stop counts on it that has not told it yet.
	{stwRegister, 0, stwRegister, 1, stwRunOnAll, 0, handleSetup, stwEnd, 1, stwGate},
	// A stop whose handler takes longer on one domain, while another wants to lead.
	{stwSpawn, 0, stwSpawn, 1, stwSpawn, 2, stwBlock, 1, stwRunOnAll, 0, handleGated + 1*handlers, stwPoll, 2, stwRunOnAll, 2, handlePlain, stwGate},
	// Barriers, panics, and grace periods in handlers.
	{stwRegister, 0, stwRegister, 1, stwRegister, 2, stwRunOnAll, 0, handleBarrier, stwPoll, 1, stwPoll, 2,
		stwRunOnAll, 1, handlePanic + 2*handlers, stwPoll, 0, stwPoll, 2, stwBlock, 2,
		stwRunOnAll, 0, handleSynchronize + 1*handlers, stwPoll, 1, stwGate},
	{stwRegister, 0, stwRegister, 1, stwAsync, 0, handlePanic, stwPoll, 1, stwPoll, 0, stwAsync, 1, handleMisuse, stwPoll, 0},
	// Requests to a domain that ends.
	{stwRegister, 0, stwInterrupt, 0, askPanic, stwInterrupt, 0, askPlain, stwEnd, 0, stwInterrupt, 0, askPlain},
	// Suspended, stopped meanwhile, resumed.
	{stwSpawn, 0, stwSpawn, 1, stwSuspend, 0, stwPoll, 0, stwInterrupt, 0, askPlain, stwRunOnAll, 1, handlePlain, stwResume, 0, stwMisuse, 0},
	{stwSpawn, 0, stwBlock, 0, stwSuspend, 0, stwInterrupt, 0, askPlain, stwResume, 0},
	// The world is stopped; a domain starts; the world goes on.
	{stwSpawn, 0, stwBlock, 0, stwStop, stwSpawn, 1, stwInterrupt, 0, askPlain, stwUnblock, 0, stwStart, stwPoll, 1},
	// The world is full; one ends; its slot is free.
	{stwSpawn, 0, stwSpawn, 1, stwSpawn, 2, stwSpawn, 3, stwSpawn, 4, stwEnd, 2, stwRegister, 2, stwClose, stwSpawn, 3},
	{stwSpawn, 0, stwEnd, 0, stwSpawn, 0, stwEnd, 1, stwSpawn, 0, stwEnd, 2, stwSpawn, 0, stwEnd, 3, stwSpawn, 0, stwEnd, 4,
		stwSpawn, 0, stwEnd, 4, stwRegister, 0, stwEnd, 4, stwRegister, 0, stwEnd, 4, stwSpawn, 0, stwRegister, 0, stwSpawn, 0, stwSpawn, 0, stwSpawn, 0},
	// Ragged barriers.
	{stwSpawn, 0, stwSpawn, 1, stwBlock, 1, stwForEach, 0, stwPoll, 0, stwOwnForEach, 0, stwForEach, 1, stwEnd, 0},
	// Grace periods that wait for domains, and sections from outside.
	{stwSpawn, 0, stwCall, stwSynchronize, 0, stwSection, stwSpawn, 1, stwCall, stwSynchronize, 1, stwPoll, 0, stwSection, stwPoll, 0},
	// Waits that are given up: for a domain that does not poll, and for a turn to lead.
	{stwSpawn, 0, stwSpawn, 1, stwStop, stwGiveUp, stwPoll, 0, stwForEach, 1, stwPoll, 1, stwGiveUp, stwPoll, 0, stwSuspend, 0, stwGiveUp, stwPoll, 0},
	{stwSpawn, 0, stwSpawn, 1, stwSpawn, 2, stwBlock, 1, stwRunOnAll, 0, handlePlain, stwRunOnAll, 1, handlePlain, stwStop, stwGiveUp, stwPoll, 2,
		stwAsync, 0, handlePlain, stwRunOnAll, 2, handlePlain, stwGiveUp, stwUnblock, 1, stwPoll, 1},
	// A grace period that begins while a domain polls that ends another.
	{stwSpawn, 0, stwSpawn, 1, stwSynchronize, 0, stwPoll, 1, stwPoll, 1},
}
