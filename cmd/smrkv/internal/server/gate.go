package server

import (
	"sync"
	"time"
)

// A gate lets commands run side by side, or one of them alone: EXEC and the commands on
// two keys that must be one step (MSETNX, RENAME, COPY).
//
// Each event loop has a shard of its own, so that what every batch of commands takes is
// a lock that no other processor writes to. A command that takes long, or waits for
// memory, takes slow in place of its shard; the background work that deletes keys (active
// expiry, eviction ahead of need) does as well.
//
//	command          its loop's shard, shared; once for a batch
//	long command     slow, shared
//	EXEC             slow, then every shard in order, exclusively
//
// So EXEC waits for a long command before it stops the loops, which serve others
// meanwhile, and a loop stands still no longer than the batches of the others and the
// transaction take.
//
// # Order
//
// A command holds one share at most. EXEC gives its own back before it takes all, in the
// order above. A holder may wait for locks, but not for one whose holder waits for the
// gate: slow comes before evictor.mu, expirer.mu and what makes room in the map. Holders of
// slow may wait for grace periods. No holder waits for a client, nor for what clients hold
// of the buffers' budget: see conn.pause. Who waits here may be disconnected, as the largest
// client: what it holds does not count from then on, and goes when its turn comes.
type gate struct {
	slow   sync.RWMutex
	shards []gateShard
}

// A gateShard is as wide as what processors fetch at once, two cache lines: what one loop
// writes to is not in the way of another.
type gateShard struct {
	sync.RWMutex
	_ [gateWidth - 24]byte // an RWMutex has 24 bytes
}

const gateWidth = 128

func newGate(shards int) gate { return gate{shards: make([]gateShard, shards)} }

// lock waits until nobody else holds anything. It calls mayBlock before it waits for a
// command that takes long, or for another EXEC.
func (g *gate) lock(mayBlock func()) {
	lockSlowly(&g.slow, mayBlock)
	for i := range g.shards {
		g.shards[i].Lock()
	}
}

func (g *gate) unlock() {
	for i := range g.shards {
		g.shards[i].Unlock()
	}
	g.slow.Unlock()
}

// pass waits until each command that runs now has ended, or paused. It stops one loop at
// a time. A command may move from its shard to slow, not back: so that comes last. mayBlock
// is called as by lock.
func (g *gate) pass(mayBlock func()) {
	for i := range g.shards {
		passOne(&g.shards[i].RWMutex, func() {}) // it ends soon
	}
	passOne(&g.slow, mayBlock)
}

func passOne(l *sync.RWMutex, mayBlock func()) {
	lockSlowly(l, mayBlock)
	defer l.Unlock()
}

func lockSlowly(l *sync.RWMutex, mayBlock func()) {
	if !l.TryLock() {
		mayBlock()
		l.Lock()
	}
}

// A hold is what a connection holds of the gate.
type hold int

const (
	holdNone hold = iota
	holdShard
	holdSlow
	holdAll
)

// take takes h, which is holdShard or holdSlow. Nothing must be held.
func (c *conn) take(h hold) {
	if h == holdSlow {
		c.srv.gate.slow.RLock()
	} else {
		c.shard().RLock()
	}
	c.hold = h
}

func (c *conn) shard() *gateShard {
	shards := c.srv.gate.shards
	return &shards[c.id%uint64(len(shards))] // as loops.take chooses the loop
}

// begin is called before a command is executed.
func (c *conn) begin() {
	if c.hold == holdNone {
		c.take(holdShard)
	}
}

// done gives back what the connection holds, at the end of a batch or of a long command.
func (c *conn) done() {
	c.drop()
	c.paused = holdNone
}

func (c *conn) drop() {
	switch c.hold {
	case holdShard:
		c.shard().RUnlock()
	case holdSlow:
		c.srv.gate.slow.RUnlock()
	}
	c.hold = holdNone
}

// pause gives the gate back before the connection waits for its client, or for others'.
// An EXEC may come in between: what the command has seen before, and what it sees after
// resume, is not one state. It does nothing between commands, or within EXEC, where
// nothing may wait for a client.
func (c *conn) pause() {
	if c.hold == holdShard || c.hold == holdSlow {
		h := c.hold
		c.drop()
		c.paused = h
	}
}

// resume takes again what pause gave back.
func (c *conn) resume() {
	if h := c.paused; h != holdNone {
		c.paused = holdNone
		c.take(h)
	}
}

// takesLong is called before a command computes or waits for long. It lets the loop go on
// with other connections, and EXEC wait without them.
func (c *conn) takesLong() {
	c.wire.mayBlock()
	if c.hold == holdShard {
		c.drop()
		c.take(holdSlow)
	}
}

// alone calls fn while no other command runs, and no key is evicted, nor expires: time
// stands still. What fn replies is kept until others run again. It does nothing if the client
// was disconnected while it waited.
func (c *conn) alone(fn func()) {
	if c.hold == holdAll { // within EXEC
		fn()
		return
	}
	before := c.hold
	c.drop()
	c.srv.gate.lock(c.wire.mayBlock)
	c.hold, c.out.holding = holdAll, true
	c.srv.frozen.Store(c.srv.opts.Now().UnixMicro())
	if !c.shared.killed.Load() { // while it waited
		fn()
	}
	c.srv.frozen.Store(0)
	c.hold = holdNone
	c.srv.gate.unlock()
	for _, f := range c.after {
		f()
	}
	c.after = nil
	c.writeHeld()
	if before != holdNone {
		c.take(before)
	}
}

// background calls fn, which deletes keys, while no EXEC runs.
func (s *Server) background(fn func()) {
	s.gate.slow.RLock()
	defer s.gate.slow.RUnlock()
	fn()
}

// tryBackground is background for who serves a loop: it does nothing if fn would have to
// wait for an EXEC, which may be waiting for a long command.
func (s *Server) tryBackground(fn func()) (done bool) {
	if !s.gate.slow.TryRLock() {
		return false
	}
	defer s.gate.slow.RUnlock()
	fn()
	return true
}

// clock tells the time, for expiry: that at which EXEC began, as long as it runs.
func (s *Server) clock() time.Time {
	if at := s.frozen.Load(); at != 0 {
		return time.UnixMicro(at)
	}
	return s.opts.Now()
}
