// Package graphdb is a graph in memory, of nodes with properties and edges between them. Searches walk
// it without a lock while edges come and go.
package graphdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// An ID names a node.
type ID uint64

// ErrNoNode is wrapped by the errors for nodes that are not there.
var ErrNoNode = errors.New("graphdb: no such node")

// An edge leads from the node whose list it is in. It is off the Go heap.
type edge struct {
	link   smrq.Link[edge]
	to     ID
	weight int32
	kind   int32
}

// A node has a name, in a block, and its edges.
type node struct {
	id     ID
	name   []byte // a block of the graph
	out    smrq.List[edge]
	degree atomic.Int32
	graph  *Graph

	mu   sync.Mutex // writers of out
	gone bool
}

// nameIn returns the node's name, as a string that is borrowed as the node is.
func (n *node) nameIn() string { return unsafe.String(unsafe.SliceData(n.name), len(n.name)) }

// free runs when no search can be at the node.
func (n *node) free() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for e := n.out.FirstSerialized(); e != nil; e = n.out.FirstSerialized() {
		n.out.Remove(e)
		n.graph.edges.Free(e)
	}
	n.graph.names.Free(n.name)
}

// A Graph has nodes.
type Graph struct {
	dom   *smr.Domain
	nodes *smrmap.Map[ID, *node]
	edges *slab.Pool[edge]
	names *slab.Blocks
	next  atomic.Uint64

	mu     sync.RWMutex // held for writing by Close
	closed bool
}

// New returns an empty graph.
func New(budget *slab.Budget) (*Graph, error) {
	dom, err := smr.New(smr.Options{Name: "graph"})
	if err != nil {
		return nil, err
	}
	nodes, err := smrmap.New[ID, *node](smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Graph{
		dom:   dom,
		nodes: nodes,
		edges: slab.New[edge](dom, slab.Options{Name: "edges", Budget: budget, OffHeapLinks: true}),
		names: slab.NewBlocks(dom, slab.Options{Name: "names", Budget: budget}),
	}, nil
}

// begin begins a change, to be ended by the function that it returns.
func (g *Graph) begin() (end func(), err error) {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return nil, smr.ErrClosed
	}
	return g.mu.RUnlock, nil
}

// AddNode adds a node.
func (g *Graph) AddNode(name string) (ID, error) {
	end, err := g.begin()
	if err != nil {
		return 0, err
	}
	defer end()
	block, err := g.names.Get(len(name))
	if err != nil {
		return 0, err
	}
	copy(block, name)
	n := &node{id: ID(g.next.Add(1)), name: block, graph: g}
	n.out.InitWith(func(e *edge) *smrq.Link[edge] { return &e.link })
	n.out.GuardedBy(&n.mu)
	id := n.id
	if err := g.nodes.Store(id, n); err != nil {
		g.names.Free(block)
		return 0, err
	}
	return id, nil
}

// node returns a node to a reader in section s.
func (g *Graph) node(s smr.Section, id ID) (*node, error) {
	p, ok := g.nodes.LoadIn(s, id)
	if !ok {
		return nil, fmt.Errorf("%w: %d", ErrNoNode, id)
	}
	return *p, nil
}

// Connect adds an edge, or changes its weight: readers see the old edge or the new one.
func (g *Graph) Connect(from, to ID, kind, weight int32) error {
	end, err := g.begin()
	if err != nil {
		return err
	}
	defer end()
	e, err := g.edges.Get() // before the section: it may block
	if err != nil {
		return err
	}
	e.link = smrq.Link[edge]{}
	e.to, e.kind, e.weight = to, kind, weight
	s := g.dom.Enter()
	defer s.Leave()
	n, err := g.node(s, from)
	if err == nil {
		_, err = g.node(s, to)
	}
	if err != nil {
		g.edges.Free(e)
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		g.edges.Free(e)
		return fmt.Errorf("%w: %d", ErrNoNode, from)
	}
	for old := range n.out.AllSerialized() {
		if old.to == to && old.kind == kind {
			n.out.Replace(old, e)
			g.edges.Retire(old)
			return nil
		}
	}
	n.out.InsertHead(e)
	n.degree.Add(1)
	return nil
}

// Disconnect removes an edge.
func (g *Graph) Disconnect(from, to ID, kind int32) (bool, error) {
	end, err := g.begin()
	if err != nil {
		return false, err
	}
	defer end()
	s := g.dom.Enter()
	defer s.Leave()
	n, err := g.node(s, from)
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		return false, nil
	}
	for e := range n.out.AllSerialized() {
		if e.to != to || e.kind != kind {
			continue
		}
		n.out.Remove(e)
		n.degree.Add(-1)
		g.edges.Retire(e)
		return true, nil
	}
	return false, nil
}

// RemoveNode removes a node and its edges. Edges to it lead nowhere.
func (g *Graph) RemoveNode(id ID) error {
	end, err := g.begin()
	if err != nil {
		return err
	}
	defer end()
	n, ok := g.nodes.LoadAndDelete(id)
	if !ok {
		return fmt.Errorf("%w: %d", ErrNoNode, id)
	}
	g.retire(n)
	return nil
}

func (g *Graph) retire(n *node) {
	n.mu.Lock()
	n.gone = true // nobody adds or retires edges from here on: they go with the node
	n.mu.Unlock()
	smr.Call(g.dom, n, cap(n.name)+64*int(n.degree.Load()), (*node).free)
}

// neighbors iterates over the nodes to which edges of a kind lead, with the edges. Both are borrowed in
// section s.
func (g *Graph) neighbors(s smr.Section, n *node, kind int32) iter.Seq2[*edge, *node] {
	return func(yield func(*edge, *node) bool) {
		for e := range n.out.All(s) {
			if kind != 0 && e.kind != kind {
				continue
			}
			to, err := g.node(s, e.to)
			if err != nil {
				continue // it was removed
			}
			if !yield(e, to) {
				return
			}
		}
	}
}

// Name returns the name of a node.
func (g *Graph) Name(id ID) (string, error) {
	s, ok := g.dom.TryEnter()
	if !ok {
		return "", smr.ErrClosed
	}
	defer s.Leave()
	n, err := g.node(s, id)
	if err != nil {
		return "", err
	}
	return strings.Clone(n.nameIn()), nil
}

// Path returns the names on a shortest path, by the number of edges of a kind; nil if there is none.
func (g *Graph) Path(from, to ID, kind int32) (names []string, err error) {
	s, ok := g.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	first, err := g.node(s, from)
	if err != nil {
		return nil, err
	}
	before := map[ID]*node{from: nil} // nodes are borrowed until the end of the search
	queue := []*node{first}
	var last *node
search:
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n.id == to {
			last = n
			break
		}
		for _, m := range g.neighbors(s, n, kind) {
			if _, seen := before[m.id]; seen {
				continue
			}
			before[m.id] = n
			if m.id == to {
				last = m
				break search
			}
			queue = append(queue, m)
		}
	}
	for n := last; n != nil; n = before[n.id] {
		names = append([]string{strings.Clone(n.nameIn())}, names...)
	}
	return names, nil
}

// Strongest returns the name of the neighbor by the heaviest edge, and the edge's weight.
func (g *Graph) Strongest(id ID) (name string, weight int32, err error) {
	s, ok := g.dom.TryEnter()
	if !ok {
		return "", 0, smr.ErrClosed
	}
	n, err := g.node(s, id)
	if err != nil {
		s.Leave()
		return "", 0, err
	}
	var best string // borrowed
	for e, m := range g.neighbors(s, n, 0) {
		if e.weight > weight {
			best, weight = m.nameIn(), e.weight
		}
	}
	name = strings.Clone(best)
	s.Leave()
	return name, weight, nil
}

// Search calls visit with nodes in the order of their distance, until that is above depth or visit
// returns false. It holds the nodes that it has yet to visit, and enters a section for each of them, so
// that visit may be slow.
func (g *Graph) Search(from ID, depth int, visit func(id ID, name string) bool) error {
	type todo struct {
		held  smr.Held[node]
		depth int
	}
	var queue []todo
	defer func() {
		for _, t := range queue {
			t.held.Release()
		}
	}()
	s, ok := g.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	n, err := g.node(s, from)
	if err == nil {
		queue = append(queue, todo{smr.Hold(s, n), 0})
	}
	s.Leave()
	seen := map[ID]bool{from: true}
	for err == nil && len(queue) > 0 {
		t := queue[0]
		n := t.held.Get()
		if !visit(n.id, string(n.name)) {
			break
		}
		if t.depth < depth {
			s, ok := g.dom.TryEnter()
			if !ok {
				return smr.ErrClosed
			}
			for _, m := range g.neighbors(s, n, 0) {
				if !seen[m.id] {
					seen[m.id] = true
					queue = append(queue, todo{smr.Hold(s, m), t.depth + 1})
				}
			}
			s.Leave()
		}
		queue = queue[1:]
		t.held.Release()
	}
	return err
}

// Degrees returns how many edges each node has.
func (g *Graph) Degrees() map[ID]int {
	degrees := make(map[ID]int)
	s, ok := g.dom.TryEnter()
	if !ok {
		return nil
	}
	defer s.Leave()
	for id, n := range g.nodes.All() {
		degrees[id] = int(n.degree.Load())
	}
	return degrees
}

// Close removes all nodes.
func (g *Graph) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	for id := range g.nodes.Keys() {
		if n, ok := g.nodes.LoadAndDelete(id); ok {
			g.retire(n)
		}
	}
	g.mu.Unlock()
	return errors.Join(g.nodes.Close(ctx), g.dom.Close(ctx), g.edges.Close(ctx), g.names.Close(ctx))
}
