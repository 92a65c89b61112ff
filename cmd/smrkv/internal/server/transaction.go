package server

import (
	"strings"
)

// This file has MULTI and what belongs to it, but for WATCH.

// A transaction is what a connection has queued since MULTI. Its memory is charged to the
// client's queries, as that of an unfinished command is.
type transaction struct {
	queue  []queued
	size   int  // charged
	writes need // of its commands
	slot   int  // of its commands' keys, where there is a cluster
	failed bool // a command was refused: EXEC will not execute any, and none is kept
}

type queued struct {
	cmd  *command
	args [][]byte
}

// queuedOverhead and argOverhead are what a queued command takes beside its bytes.
const (
	queuedOverhead = 96
	argOverhead    = 24
)

const (
	errExecAbort = "EXECABORT Transaction discarded because of previous errors."
	errQueueRoom = "OOM no room in -maxmemory-clients to queue that"
)

func cmdMulti(c *conn, _ [][]byte) {
	if c.tx != nil {
		c.error("ERR MULTI calls can not be nested")
		return
	}
	c.tx = &transaction{slot: noSlot}
	c.shared.queued.Store(1)
	c.ok()
}

func cmdDiscard(c *conn, _ [][]byte) {
	if c.tx == nil {
		c.error("ERR DISCARD without MULTI")
		return
	}
	c.discard()
	c.ok()
}

// discard ends the transaction, if there is one, and forgets what is watched.
func (c *conn) discard() {
	if c.tx != nil {
		c.mem.Queries.Release(c.tx.size)
		c.tx = nil
		c.shared.queued.Store(0)
	}
	c.unwatch()
}

// reject replies with an error before the command is executed or queued. Its
// transaction can't be executed any more.
func (c *conn) reject(cmd *command, text string) {
	c.tally.leave(&c.srv.stats)
	if cmd != nil {
		c.srv.stats.commandsOf[cmd.id].rejected.Add(1)
	}
	if cmd != nil && cmd.name == "exec" {
		c.abort(text)
		return
	}
	if c.tx != nil {
		c.tx.fail(c)
	}
	c.error(text)
}

// abort ends the transaction without executing any of it.
func (c *conn) abort(why string) {
	c.discard()
	c.error("EXECABORT Transaction discarded because of: " + strings.TrimPrefix(why, "ERR "))
}

func (t *transaction) fail(c *conn) {
	t.failed = true
	t.queue = nil
	c.mem.Queries.Release(t.size)
	t.size = 0
}

// enqueue keeps a command for EXEC.
func (c *conn) enqueue(cmd *command, args [][]byte) {
	t := c.tx
	if failure := cmd.checkSubcommand(args); failure != "" {
		c.reject(cmd, failure)
		return
	}
	if cmd.flags&denyOOM != 0 && !c.srv.evicts() && c.srv.overLimit() {
		c.reject(cmd, errOOM)
		return
	}
	if t.failed || c.watch != nil && c.watch.dirty.Load() { // EXEC will not execute it
		c.simple("QUEUED")
		return
	}
	if len(args) > manyWords {
		c.takesLong()
	}
	if c.srv.opts.Cluster != nil {
		t.slot = bothSlots(t.slot, slotOf(cmd, args))
	}
	bytes := 0
	for _, arg := range args {
		bytes += len(arg)
	}
	size := goSize(bytes) + goSize(argOverhead*len(args)) + queuedOverhead
	if !c.mem.Queries.Try(size) {
		c.reject(cmd, errQueueRoom)
		return
	}
	t.size += size
	if cmd.flags&denyOOM != 0 {
		for _, arg := range args[1:] {
			t.writes.count(len(arg))
		}
		t.writes.total += entryOverhead
	}
	// The arguments are the parser's: they are copied.
	all, copies := make([]byte, 0, bytes), make([][]byte, len(args))
	for i, arg := range args {
		from := len(all)
		all = append(all, arg...)
		copies[i] = all[from:len(all):len(all)]
	}
	t.queue = append(t.queue, queued{cmd, copies})
	c.shared.queued.Store(int64(len(t.queue)) + 1)
	c.simple("QUEUED")
}

// cmdExec executes what is queued, alone: see gate. A command that fails does not keep the
// others from being executed.
func cmdExec(c *conn, _ [][]byte) {
	t := c.tx
	switch {
	case t == nil:
		c.error("ERR EXEC without MULTI")
		return
	case t.slot == manySlots:
		c.discard()
		c.error(errCrossSlot)
		return
	case t.failed:
		c.discard()
		c.error(errExecAbort)
		return
	case c.watch != nil && c.watch.dirty.Load(): // no need to stop others for that
	case !c.spare(t.writes):
		c.abort(errOOM)
		return
	}
	executed := false
	c.alone(func() {
		if c.changed() {
			c.nullArray()
			return
		}
		c.unwatch() // what is written now is no change
		c.array(len(t.queue))
		for _, q := range t.queue {
			c.room(smallReply)
			c.run(q.cmd, q.args)
		}
		executed = true
	})
	if executed && c.shared.flags.Load()&flagTracking != 0 {
		for _, q := range t.queue {
			c.invalidate(q.cmd, q.args)
		}
	}
	c.discard()
}
