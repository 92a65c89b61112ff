// Package routes is a table of IPv4 routes: a binary trie off the Go heap, in which a lookup finds the
// longest prefix while routes come and go.
package routes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"sync"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A Hop is where packets go.
type Hop struct {
	Gateway   [4]byte
	Interface uint16
	Metric    uint16
}

// String returns the hop's gateway and interface.
func (h Hop) String() string {
	return fmt.Sprintf("%v dev %d", netip.AddrFrom4(h.Gateway), h.Interface)
}

// A node is one prefix. Its children are the prefixes that are a bit longer. A hop is an object of its
// own, so that it can be replaced.
type node struct {
	child [2]smr.Pointer[node]
	hop   smr.Pointer[Hop]
}

// A Table has routes.
type Table struct {
	dom   *smr.Domain
	nodes *slab.Pool[node]
	hops  *slab.Pool[Hop]
	root  smr.Pointer[node]

	mu sync.Mutex
	n  int
}

// New returns an empty table.
func New(dom *smr.Domain, budget *slab.Budget) (*Table, error) {
	t := &Table{
		dom:   dom,
		nodes: slab.New[node](dom, slab.Options{Name: "route nodes", Budget: budget, OffHeapLinks: true}),
		hops:  slab.New[Hop](dom, slab.Options{Name: "hops", Budget: budget}),
	}
	root, err := t.newNode()
	if err != nil {
		return nil, errors.Join(err, t.Close(context.Background()))
	}
	t.root.Init(root)
	return t, nil
}

// newNode returns a node without children.
func (t *Table) newNode() (*node, error) {
	n, err := t.nodes.Get()
	if err != nil {
		return nil, err
	}
	n.child[0].Init(nil)
	n.child[1].Init(nil)
	n.hop.Init(nil)
	return n, nil
}

func bit(addr uint32, i int) int { return int(addr >> (31 - i) & 1) }

func key(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// Add adds a route, or replaces it.
func (t *Table) Add(p netip.Prefix, h Hop) error {
	if !p.Addr().Is4() {
		return fmt.Errorf("routes: %v is not a prefix of IPv4", p)
	}
	p = p.Masked()
	addr := key(p.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.root.LoadSerialized()
	if n == nil {
		return slab.ErrClosed
	}
	hop, err := t.hops.Get()
	if err != nil {
		return err
	}
	*hop = h
	for i := range p.Bits() {
		next := n.child[bit(addr, i)].LoadSerialized()
		if next == nil {
			if next, err = t.newNode(); err != nil {
				t.hops.Free(hop)
				return err
			}
			n.child[bit(addr, i)].Store(next)
		}
		n = next
	}
	old := n.hop.LoadSerialized()
	n.hop.Store(hop)
	if old != nil {
		t.hops.Retire(old)
	} else {
		t.n++
	}
	return nil
}

// Remove removes a route, and reports whether there was one. The nodes that lead nowhere go with it.
func (t *Table) Remove(p netip.Prefix) bool {
	p = p.Masked()
	addr := key(p.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	var path [33]*node
	n := t.root.LoadSerialized()
	if n == nil {
		return false
	}
	path[0] = n
	for i := range p.Bits() {
		if n = n.child[bit(addr, i)].LoadSerialized(); n == nil {
			return false
		}
		path[i+1] = n
	}
	hop := n.hop.LoadSerialized()
	if hop == nil {
		return false
	}
	n.hop.Clear()
	t.hops.Retire(hop)
	t.n--
	for i := p.Bits(); i > 0; i-- {
		n := path[i]
		if n.hop.LoadSerialized() != nil || n.child[0].LoadSerialized() != nil || n.child[1].LoadSerialized() != nil {
			break
		}
		path[i-1].child[bit(addr, i-1)].Clear()
		t.nodes.Retire(n)
	}
	return true
}

// find returns the hop of the longest prefix of addr to a reader in section s, or nil.
func (t *Table) find(s smr.Section, addr uint32) (best *Hop, bits int) {
	n := t.root.Load(s)
	if n == nil {
		return nil, 0 // the table was closed
	}
	for i := 0; ; i++ {
		if h := n.hop.Load(s); h != nil {
			best, bits = h, i
		}
		if i == 32 {
			return best, bits
		}
		if n = n.child[bit(addr, i)].Load(s); n == nil {
			return best, bits
		}
	}
}

// Lookup returns the hop for an address. It is called for each packet.
func (t *Table) Lookup(a netip.Addr) (h Hop, ok bool) {
	s := t.dom.Pin()
	if p, _ := t.find(s, key(a)); p != nil {
		h, ok = *p, true
	}
	s.Leave()
	return h, ok
}

// LookupAll looks up a batch of addresses, for a worker with a reader of its own.
func (t *Table) LookupAll(r *smr.Reader, addrs []netip.Addr, out []Hop) (missed int) {
	s := r.Enter()
	defer s.Leave()
	for i, a := range addrs {
		h, _ := t.find(s, key(a))
		if h == nil {
			missed++
			out[i] = Hop{}
			continue
		}
		out[i] = *h
	}
	return missed
}

// Forward calls send with the hop of an address, borrowed until send returns.
func (t *Table) Forward(a netip.Addr, send func(*Hop) error) error {
	s := t.dom.Enter()
	defer s.Leave()
	h, bits := t.find(s, key(a))
	switch {
	case h == nil:
		return fmt.Errorf("routes: no route to %v", a)
	case bits == 0 && h.Metric == 0:
		return errors.New("routes: the default route is off")
	}
	return send(h)
}

// All iterates over the routes in section s. The hops are borrowed.
func (t *Table) All(s smr.Section) iter.Seq2[netip.Prefix, *Hop] {
	return func(yield func(netip.Prefix, *Hop) bool) {
		if root := t.root.Load(s); root != nil {
			t.walk(s, root, 0, 0, yield)
		}
	}
}

func (t *Table) walk(s smr.Section, n *node, addr uint32, bits int, yield func(netip.Prefix, *Hop) bool) bool {
	if h := n.hop.Load(s); h != nil {
		a := netip.AddrFrom4([4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)})
		if !yield(netip.PrefixFrom(a, bits), h) {
			return false
		}
	}
	for b := range n.child {
		c := n.child[b].Load(s)
		if c == nil {
			continue
		}
		if !t.walk(s, c, addr|uint32(b)<<(31-bits), bits+1, yield) {
			return false
		}
	}
	return true
}

// Via returns the prefixes whose packets leave by an interface.
func (t *Table) Via(ifc uint16) []netip.Prefix {
	s := t.dom.Enter()
	defer s.Leave()
	var prefixes []netip.Prefix
	for p, h := range t.All(s) {
		if h.Interface == ifc {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

// Len returns the number of routes.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// Close removes all routes.
func (t *Table) Close(ctx context.Context) error {
	t.mu.Lock()
	if root := t.root.LoadSerialized(); root != nil {
		t.root.Clear()
		t.retire(root)
	}
	t.mu.Unlock()
	return errors.Join(t.nodes.Close(ctx), t.hops.Close(ctx))
}

// retire retires a node and all below it, to which no new reader comes.
func (t *Table) retire(n *node) {
	for i := range n.child {
		if c := n.child[i].LoadSerialized(); c != nil {
			t.retire(c)
		}
	}
	if h := n.hop.LoadSerialized(); h != nil {
		t.hops.Retire(h)
	}
	t.nodes.Retire(n)
}
