package server

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/smrmap"
)

// A conn is a client. Its fields belong to the goroutine that serves it, except
// for the transport's methods that say so, and for shared, which other
// connections ask for.
type conn struct {
	srv  *Server
	id   uint64
	wire transport

	db  *database     // selected
	mem buffer.Client // what is charged for it
	in  resp.Parser
	out output

	authenticated bool
	closing       bool // after the replies so far are written
	broken        bool // a write failed: nobody will read any more
	wanted        wanted

	tally   tally
	sample  uint32 // commands, to time some of them
	written int    // bytes stored since the last look at memory
	want    int    // room that copyBulk found missing
	fresh   bool   // what is written has made a key
	digits  [20]byte

	hold, paused hold         // of the gate
	tx           *transaction // nil: not after MULTI
	watch        *watcher     // nil: nothing is watched
	sub          *subscriber  // nil: it never was one
	after        []func()     // what EXEC leaves for when others run again

	draft   *smrmap.Draft // what has arrived of a large value to store; nil: none
	draftOf *smrmap.Bytes // for which map

	shared sharedState
}

// sharedState is what CLIENT LIST and others' CLIENT KILL see of a connection.
type sharedState struct {
	since   time.Time
	idle    atomic.Int64 // since when, in Unix nanoseconds; 0: it is being served
	command atomic.Pointer[command]
	name    atomic.Pointer[string]
	library atomic.Pointer[library]
	flags   atomic.Uint32
	db      atomic.Int32 // its index
	queued  atomic.Int64 // commands since MULTI, plus one; 0: not after MULTI
	killed  atomic.Bool  // by kill

	subscribed [topicKinds]atomic.Int32 // to so many
}

// loadOrZero returns what p points to; the zero T if that is nothing.
func loadOrZero[T any](p *atomic.Pointer[T]) (v T) {
	if at := p.Load(); at != nil {
		v = *at
	}
	return v
}

// A library is what the client says it is, by CLIENT SETINFO.
type library struct{ name, version string }

// The flags of a connection.
const (
	flagNoEvict uint32 = 1 << iota
	flagRESP3

	flagTracking // and its modes
	flagOptIn
	flagOptOut
	flagNoLoop
	flagCaching // CLIENT CACHING was the last command, or is in force in a transaction
)

// protocol returns what the client speaks.
func (c *conn) protocol() resp.Protocol {
	if c.shared.flags.Load()&flagRESP3 != 0 {
		return resp.RESP3
	}
	return resp.RESP2
}

func (c *conn) setFlag(flags uint32, on bool) {
	if on {
		c.shared.flags.Or(flags)
	} else {
		c.shared.flags.And(^flags)
	}
}

// A transport is a connection's way to the client.
type transport interface {
	// read reads what there is. It may wait for it, or return errNothing.
	read(*resp.Parser) (int, error)

	// write writes all of p, or fails: after Options.WriteTimeout if the client
	// does not read.
	write(p []byte) error

	// writeParts is write of three parts, in one piece if it can be.
	writeParts(head, body, tail []byte) error

	// now returns the time in Unix nanoseconds, or that of a moment ago.
	now() int64

	// mayBlock is called by the connection's goroutine before it waits for
	// anything but its client, or computes for long.
	mayBlock()

	close()

	// The rest may be called by any goroutine, also after close.
	endInput() // what has arrived can be read, then comes the end
	kill()     // reads and writes fail
	wake()     // finish is called soon, for messages; it does not wait
	local() net.Addr
	remote() net.Addr
}

// errNothing is returned by a read that found nothing to read.
var errNothing = errors.New("server: nothing to read")

func newConn(s *Server, id uint64) *conn {
	c := &conn{srv: s, id: id, db: &s.dbs[0], sample: uint32(id)}
	c.mem.Init(s.buffers, c.kill)
	c.in.Init(&c.mem.Queries, s.pool)
	c.in.PlaceLarge(s.opts.largeValue, c)
	c.setAuthenticated(s.settings.password.Load() == nil)
	c.shared.since = time.Now()
	c.shared.idle.Store(c.shared.since.UnixNano())
	return c
}

// serve reads once and executes the commands that are complete. The replies are
// for finish to write, after other connections have been served.
func (c *conn) serve() {
	n, err := c.wire.read(&c.in)
	if n == 0 {
		c.noInput(err)
		return
	}
	c.shared.idle.Store(0)
	c.tally.netIn += int64(n)
	c.in.Filled(n)
	c.in.Unauthenticated = c.mustAuthenticate() // the password may have been taken away
	c.deliver()                                 // what was published before a command was sent comes before its reply
	c.batch()
	c.in.Release()
}

// finish writes the replies, and gives back what they needed. It reports false
// when the connection has come to its end.
func (c *conn) finish() bool {
	c.tally.fold(&c.srv.stats) // before the client can ask
	c.deliver()
	c.flush()
	c.out.release(c)
	if c.written > 0 {
		c.settle()
	}
	now := c.wire.now()
	c.shared.idle.Store(now)
	c.srv.opts.step()
	return !c.closing && !c.broken && !c.shared.killed.Load() && now < c.srv.drainBy.Load()
}

// noInput looks at why a read has failed.
func (c *conn) noInput(err error) {
	switch {
	case err == nil || errors.Is(err, errNothing):
		c.in.Release()
	case errors.Is(err, resp.ErrNoRoom):
		c.srv.opts.Log.Warn("client cut off: the query buffers are full", "client", c.wire.remote(), "buffered", c.in.Buffered())
		c.fail(err)
	default:
		c.closing = true
	}
}

// kill ends the connection. It may be called by any goroutine. No command is begun
// any more, though some may have arrived, and those that take long end early.
func (c *conn) kill() {
	c.shared.killed.Store(true)
	c.wire.kill()
}

// goOn reports whether it makes sense to go on with a command that takes long.
func (c *conn) goOn() bool { return !c.shared.killed.Load() && c.srv.ctx.Err() == nil }

// batch executes the commands that have arrived.
func (c *conn) batch() {
	defer c.done()
	for !c.closing && !c.broken && !c.shared.killed.Load() {
		args, err := c.in.Next()
		if err != nil {
			c.fail(err)
			return
		}
		if args == nil {
			return
		}
		c.begin()
		if c.wanted == wantsAll {
			c.execute(args)
		} else {
			c.quietly(func() { c.execute(args) })
		}
		if c.draft != nil {
			c.dropDraft()
		}
		c.deliver()
		if c.hold != holdShard { // it took long, or ran alone
			c.done()
		}
		if c.written >= writtenAtOnce {
			c.done()
			c.flush()
			c.settle()
		}
	}
}

// fail answers a protocol error, after which there is nothing to be read.
func (c *conn) fail(err error) {
	c.srv.stats.protocolErrors.Add(1)
	c.tally.leave(&c.srv.stats)
	if c.wanted == wantsAll {
		c.error("ERR " + err.Error())
	}
	c.closing = true
	if errors.Is(err, resp.ErrNoRoom) {
		c.mem.Evict()
	}
}

// writtenAtOnce is how many bytes a connection stores before it looks whether
// memory must be given back first.
const writtenAtOnce = 64 << 10

// settle, between commands, lets the store's memory keep up with what this connection has written:
// it waits when too much is pending, and evicts when too little is free.
func (c *conn) settle() {
	written := c.written
	c.written = 0
	c.throttle()
	c.srv.evictAhead(c.data(), written)
}

// end gives back what the connection holds.
func (c *conn) end() {
	c.discard()
	if c.sub != nil {
		c.sub.close()
		c.leaveAll()
	}
	c.wire.close()
	c.in.Close()
	c.dropDraft()
	c.out.release(c)
	c.tally.fold(&c.srv.stats)
	c.srv.forget(c)
}

// An output is where replies are collected.
type output struct {
	b   []byte         // what is to be written
	buf *buffer.Buffer // whose memory that is; nil: none

	silent bool // nobody wants b: it is dropped, not written

	// While a command runs alone nothing is written, since that may wait for the client.
	holding bool
	held    []heldOutput // what is to be written before b
}

// release gives the buffer back. Nothing may be in it.
func (o *output) release(c *conn) {
	if o.buf == nil {
		return
	}
	if size := cap(o.buf.B); size > buffer.Base {
		c.mem.Replies.Release(size)
	}
	c.srv.pool.Put(o.buf)
	o.b, o.buf = nil, nil
}
