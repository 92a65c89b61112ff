// Package connpool keeps connections to servers for later use. Idle ones are in a stack without a lock;
// a health check walks it beside those who take from it.
package connpool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// ErrClosed is returned once the pool was closed.
var ErrClosed = errors.New("connpool: closed")

// A Conn is a connection to be put back.
type Conn struct {
	net.Conn
	addr string
	used time.Time
	bad  atomic.Bool
}

// Fail marks the connection as not to be used again.
func (c *Conn) Fail() { c.bad.Store(true) }

func (c *Conn) end() { c.Conn.Close() }

// A node is an idle connection.
type node struct {
	next smr.Pointer[node]
	conn *Conn
	pool *slab.Pool[node]
}

// recycle runs when no reader can be at the node.
func (n *node) recycle() {
	pool := n.pool
	n.conn, n.pool = nil, nil
	n.next.Init(nil)
	pool.Free(n)
}

// A stack has the idle connections to one address.
type stack struct {
	top smr.Pointer[node]
	n   atomic.Int64
}

// Options configure a Pool.
type Options struct {
	Dial    func(ctx context.Context, addr string) (net.Conn, error)
	MaxIdle int
	IdleFor time.Duration
}

// A Pool has connections to many addresses.
type Pool struct {
	o      Options
	dom    *smr.Domain
	nodes  *slab.Pool[node]
	stacks *smrmap.Map[string, *stack]
	closed atomic.Bool

	mu    sync.Mutex
	late  []func() // what was given up while the domain was closing
	ended bool     // no section is open, nor will be

	Dials, Reuses atomic.Int64
}

// New returns a pool without connections.
func New(o Options) (*Pool, error) {
	dom, err := smr.New(smr.Options{Name: "connpool"})
	if err != nil {
		return nil, err
	}
	stacks, err := smrmap.New[string, *stack](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Pool{o: o, dom: dom, nodes: slab.New[node](dom, slab.Options{}), stacks: stacks}, nil
}

// stack returns the stack of an address. Stacks stay, so it may be used outside of sections.
func (p *Pool) stack(addr string) (*stack, error) {
	if st, ok := p.stacks.Load(addr); ok {
		return st, nil
	}
	st, _, err := p.stacks.LoadOrStore(addr, new(stack))
	return st, err
}

// push adds a node, unless the domain is closed.
func (st *stack) push(dom *smr.Domain, n *node) bool {
	s, ok := dom.TryEnter()
	if !ok {
		return false
	}
	defer s.Leave()
	for {
		top := st.top.Load(s)
		n.next.Init(top)
		if st.top.CompareAndSwap(top, n) {
			st.n.Add(1)
			return true
		}
	}
}

// pop takes a connection, or returns nil.
func (p *Pool) pop(st *stack) *Conn {
	s, ok := p.dom.TryEnter()
	if !ok {
		return nil
	}
	defer s.Leave()
retry:
	n := st.top.Load(s)
	if n == nil {
		return nil
	}
	if !st.top.CompareAndSwap(n, n.next.Load(s)) {
		goto retry
	}
	st.n.Add(-1)
	c := n.conn // ours: nobody else has taken the node
	retire(p, n, (*node).recycle)
	return c
}

// Get returns an idle connection, or dials one.
func (p *Pool) Get(ctx context.Context, addr string) (*Conn, error) {
	st, err := p.stack(addr)
	if err != nil {
		return nil, ErrClosed
	}
	for {
		c := p.pop(st)
		if c == nil {
			break
		}
		if c.bad.Load() || p.o.IdleFor > 0 && time.Since(c.used) > p.o.IdleFor {
			p.discard(c)
			continue
		}
		p.Reuses.Add(1)
		return c, nil
	}
	conn, err := p.o.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connpool: %w", err)
	}
	p.Dials.Add(1)
	return &Conn{Conn: conn, addr: addr}, nil
}

// discard closes a connection which a health check may be looking at.
func (p *Pool) discard(c *Conn) {
	retire(p, c, (*Conn).end)
}

// retire ends x when no walk can be at it. A domain that is closing takes no calls, and may still have
// readers: then the end of Close does it.
func retire[T any](p *Pool, x *T, end func(*T)) {
	if smr.TryCall(p.dom, x, 0, end) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		end(x)
		return
	}
	p.late = append(p.late, func() { end(x) })
}

// Put gives a connection back. The caller does not use it any more.
func (p *Pool) Put(c *Conn) {
	st, err := p.stack(c.addr)
	if err != nil || p.closed.Load() || c.bad.Load() || st.n.Load() >= int64(p.o.MaxIdle) {
		p.discard(c)
		return
	}
	n, err := p.nodes.Get()
	if err != nil {
		p.discard(c)
		return
	}
	c.used = time.Now()
	n.conn, n.pool = c, p.nodes
	if !st.push(p.dom, n) {
		n.recycle() // nobody has seen it
		p.discard(c)
		return
	}
	if p.closed.Load() {
		p.drain(st) // Close may have passed it before
	}
}

// Do calls fn with a connection, and keeps it if fn returns no error.
func (p *Pool) Do(ctx context.Context, addr string, fn func(net.Conn) error) (err error) {
	c, err := p.Get(ctx, addr)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.Fail()
		}
		p.Put(c)
	}()
	return fn(c)
}

// Check calls alive for the idle connections of an address, and marks those that are not.
func (p *Pool) Check(addr string, alive func(net.Conn) bool) (failed int) {
	st, ok := p.stacks.Load(addr)
	if !ok {
		return 0
	}
	s, ok := p.dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	for n := st.top.Load(s); n != nil; n = n.next.Load(s) {
		if c := n.conn; !c.bad.Load() && !alive(c) {
			c.Fail()
			failed++
		}
	}
	return failed
}

// Idle returns how many connections are idle.
func (p *Pool) Idle() (n int) {
	for _, st := range p.stacks.All() {
		n += int(st.n.Load())
	}
	return n
}

// drain closes the idle connections of a stack.
func (p *Pool) drain(st *stack) {
	for c := p.pop(st); c != nil; c = p.pop(st) {
		p.discard(c)
	}
}

// Close closes the idle connections. Those in use may be put back later; there must be no Get.
func (p *Pool) Close(ctx context.Context) error {
	p.closed.Store(true)
	for _, st := range p.stacks.All() {
		p.drain(st)
	}
	if err := errors.Join(p.stacks.Close(ctx), p.dom.Close(ctx)); err != nil {
		return err
	}
	p.mu.Lock()
	late := p.late
	p.late, p.ended = nil, true
	p.mu.Unlock()
	for _, end := range late {
		end()
	}
	return p.nodes.Close(ctx)
}
