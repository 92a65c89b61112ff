// Package server is a RESP2 server on smrmap.Bytes: it speaks the protocol of
// Redis, and implements its commands on strings.
//
// A few event loops serve the connections: see loop. Where there is no epoll, a
// goroutine serves each. Both do this with one:
//
//	        ┌───────────────────────────── nothing complete is left: flush ─┐
//	        ▼                                                               │
//	read into the query buffer ─▶ parse in place ─▶ execute ─▶ append the reply
//	                                    ▲                           │
//	                                    └───────────────────────────┘
//
// # Sections
//
// GET and its like enter a section for each command, copy the value from the map
// into the reply buffer, and leave. A section for a whole pipeline would save
// 5 ns of each command, and would have to be left wherever the reply buffer may
// be flushed: no section is open while a connection reads, writes, waits for
// memory or for anything else, so a client can't hold back the store's memory,
// however slow it is.
//
// # Transactions
//
// Commands of different connections run side by side, each holding a share of the
// server's gate; EXEC, and commands on two keys that must be one step, hold all of it.
// Nobody waits for a client while holding it. See gate, and watches for WATCH.
//
// # Memory
//
// What a client makes the server hold is bounded. The query buffer grows as
// bytes arrive, not as they are announced; beyond 16 KiB, and while it waits for the
// rest of a command, it is charged to a budget that all connections share. The reply
// buffer is 16 KiB; when it is full it is written, and when the client does not read,
// its commands wait with it. A larger reply needs a larger buffer for one write,
// charged to the same budget; a large value is lent from the store: see large.go. Where that is at its end the largest clients are
// disconnected. See package buffer. A connection whose client is silent between
// commands holds no buffer.
//
// # Panics
//
// A panic in a connection's goroutine ends the program. It may have come with a
// section open or a bucket of the map locked; a server that went on would stop
// freeing memory, or stop answering for some keys, and nobody would know why.
package server

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// ErrClosed is returned by Serve after Shutdown.
var ErrClosed = errors.New("server: shut down")

// A Server is a store and the connections to it. It is made by New and ended by
// Shutdown; all its methods may be called by any number of goroutines.
type Server struct {
	opts     Options
	settings settings
	commands *commands
	stats    stats
	started  time.Time
	runID    string

	dom    *smr.Domain
	memory *slab.Budget
	dbs    []database
	dbMu   sync.Mutex // held to give one a map
	evict  evictor
	expire expirer
	reaper reaper
	loops  loops

	gate       gate
	frozen     atomic.Int64 // the time in Unix microseconds, while a command runs alone; 0: it goes on
	watches    watches
	slow       slowLog
	timeAll    atomic.Int32 // each call, if not 0: see forSlow; read for each command
	topics     topics
	httpWarned warnTimer
	tlsWarned  warnTimer

	buffers *buffer.Budget // of what clients send and do not read, and copies of values
	pool    *buffer.Pool

	// ctx ends when connections must not wait for anything any more.
	ctx    context.Context
	cancel context.CancelFunc

	lastID   atomic.Uint64 // of connections
	count    atomic.Int64  // of connections, including those that are about to be in conns
	draining atomic.Bool   // changed under mu
	drainBy  atomic.Int64  // when reading ends, in Unix nanoseconds

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[uint64]*conn
	running   sync.WaitGroup // Serve calls and connections; added to under mu unless draining
}

// New returns a server with an empty store.
func New(o Options) (*Server, error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	dom, err := smr.New(smr.Options{Name: "smrkv", MaxPending: maxPending(o.MaxMemory)})
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts:      o,
		commands:  newCommands(),
		started:   time.Now(),
		runID:     newRunID(),
		dom:       dom,
		memory:    slab.NewBudget(o.MaxMemory),
		dbs:       make([]database, o.Databases),
		pool:      buffer.NewPool(dom),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[uint64]*conn),
	}
	s.settings.init(&o)
	s.memory.SetSpare(spareMemory(o.MaxMemory))
	s.buffers = buffer.NewBudget(s.clientMemory())
	s.stats.init(len(s.commands.list))
	s.gate = newGate(o.IOThreads)
	s.watches.init()
	s.slow.init()
	for i := range s.dbs {
		s.dbs[i].index = i
	}
	if _, err = s.open(0); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background())) // nothing is pending
	}
	s.setPolicy(o.Policy)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.drainBy.Store(math.MaxInt64)
	s.expire.srv = s
	s.reaper.init(s)
	if err := s.topics.init(dom); err != nil {
		return nil, errors.Join(err, s.Shutdown(context.Background()))
	}
	if o.streams {
		o.IOThreads = 0
	}
	if err := s.loops.start(o.IOThreads); err != nil {
		return nil, errors.Join(err, s.Shutdown(context.Background()))
	}
	s.reaper.reset()
	return s, nil
}

// maxPending returns how many bytes may wait to be freed before writers do. They
// count as used, so of little memory they must be a small part.
func maxPending(maxMemory int64) int64 {
	const least, most = 1 << 20, 64 << 20
	if maxMemory == 0 {
		return most
	}
	return max(least, min(maxMemory/16, most))
}

// expired is a context for waits that shall not wait.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// now returns the time in Unix milliseconds.
func (s *Server) now() int64 { return s.clock().UnixMilli() }
