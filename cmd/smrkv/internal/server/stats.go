package server

import (
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
)

// stats are the server's counters. They only grow, for metrics; RESETSTAT moves
// what INFO subtracts.
type stats struct {
	connections    atomic.Int64 // accepted, refused ones included
	rejected       atomic.Int64
	protocolErrors atomic.Int64
	http           atomic.Int64 // connections that were used for HTTP, and ended
	outputLimit    atomic.Int64 // subscribers disconnected since they were too slow

	commands pcpu.Counter
	errors   pcpu.Counter
	hits     pcpu.Counter
	misses   pcpu.Counter
	netIn    pcpu.Counter
	netOut   pcpu.Counter

	published pcpu.Counter // messages
	received  pcpu.Counter // the same, once for each subscriber that accepted it

	commandsOf []commandStats // by command.id
	errorsOf   errorStats

	base baseline
}

func (st *stats) init(commands int) {
	st.commandsOf = make([]commandStats, commands)
}

// A tally is what a connection has counted and not added to the stats yet, so
// that a pipeline of commands costs one addition and not one each.
type tally struct {
	commands, errors, hits, misses, netIn, netOut int64

	// Calls of one command in a row.
	command *command
	calls   int64
}

func (t *tally) count(cmd *command, st *stats) {
	t.commands++
	if t.command != cmd {
		t.foldCalls(st)
		t.command = cmd
	}
	t.calls++
}

func (t *tally) foldCalls(st *stats) {
	if t.calls > 0 {
		st.commandsOf[t.command.id].calls.Add(t.calls)
		t.calls = 0
	}
}

// leave says that what follows is not of the command that was counted last.
func (t *tally) leave(st *stats) {
	t.foldCalls(st)
	t.command = nil
}

func (t *tally) fold(st *stats) {
	t.foldCalls(st)
	fold := func(n *int64, c *pcpu.Counter) {
		if *n != 0 {
			c.Add(*n)
			*n = 0
		}
	}
	fold(&t.commands, &st.commands)
	fold(&t.errors, &st.errors)
	fold(&t.hits, &st.hits)
	fold(&t.misses, &st.misses)
	fold(&t.netIn, &st.netIn)
	fold(&t.netOut, &st.netOut)
}
