// Package flowtab is the connection table of a NAT gateway. Packets find their flow without a lock;
// flows lie off the Go heap, in chains of a hash table.
package flowtab

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// A Key is the five-tuple of a flow.
type Key struct {
	Src, Dst         [4]byte
	SrcPort, DstPort uint16
	Proto            uint8
}

// A Translation is what becomes of a flow's packets.
type Translation struct {
	Addr [4]byte
	Port uint16
}

// A State is the state of a flow.
type State uint32

// The states.
const (
	Opening State = iota
	Established
	Closing
)

// A flow is an entry. Key and translation do not change; the rest is atomic.
type flow struct {
	link    smrq.Link[flow]
	key     Key
	to      Translation
	state   atomic.Uint32
	seen    atomic.Int64
	packets atomic.Uint64
	bytes   atomic.Uint64
}

func flowLink(f *flow) *smrq.Link[flow] { return &f.link }

type bucket struct {
	mu    sync.Mutex
	flows smrq.SList[flow]
}

// A Table has flows.
type Table struct {
	dom     *smr.Domain
	pool    *slab.Pool[flow]
	seed    maphash.Seed
	buckets []bucket
	n       atomic.Int64
	max     int64
}

// ErrFull is returned when there are too many flows.
var ErrFull = errors.New("flowtab: too many flows")

// New returns a table of 1<<bits chains.
func New(dom *smr.Domain, bits int, limit int64) *Table {
	t := &Table{
		dom:     dom,
		pool:    slab.New[flow](dom, slab.Options{Name: "flows", OffHeapLinks: true}),
		seed:    maphash.MakeSeed(),
		buckets: make([]bucket, 1<<bits),
		max:     limit,
	}
	for i := range t.buckets {
		b := &t.buckets[i]
		b.flows.InitWith(flowLink)
		b.flows.GuardedBy(&b.mu)
	}
	return t
}

func (t *Table) bucket(k Key) *bucket {
	return &t.buckets[maphash.Comparable(t.seed, k)&uint64(len(t.buckets)-1)]
}

// find returns the flow of a key to a reader in section s, or nil.
func (b *bucket) find(s smr.Section, k Key) *flow {
	for f := b.flows.First(s); f != nil; f = b.flows.Next(s, f) {
		if f.key == k {
			return f
		}
	}
	return nil
}

// Packet counts a packet, and returns what becomes of it.
func (t *Table) Packet(k Key, size int, now time.Time) (to Translation, ok bool) {
	b := t.bucket(k)
	s := t.dom.Pin()
	if f := b.find(s, k); f != nil {
		f.seen.Store(now.UnixNano())
		f.packets.Add(1)
		f.bytes.Add(uint64(size))
		to, ok = f.to, true
	}
	s.Leave()
	return to, ok
}

// Insert adds a flow unless it is there.
func (t *Table) Insert(k Key, to Translation, now time.Time) error {
	if t.n.Load() >= t.max {
		return ErrFull
	}
	f, err := t.pool.Get()
	if err != nil {
		return err
	}
	f.link = smrq.Link[flow]{}
	f.key, f.to = k, to
	f.state.Store(uint32(Opening))
	f.seen.Store(now.UnixNano())
	f.packets.Store(0)
	f.bytes.Store(0)
	b := t.bucket(k)
	b.mu.Lock()
	for other := range b.flows.AllSerialized() {
		if other.key == k {
			b.mu.Unlock()
			t.pool.Free(f)
			return nil
		}
	}
	b.flows.InsertHead(f)
	b.mu.Unlock()
	t.n.Add(1)
	return nil
}

// SetState changes the state of a flow.
func (t *Table) SetState(k Key, from, to State) bool {
	s := t.dom.Enter()
	defer s.Leave()
	f := t.bucket(k).find(s, k)
	return f != nil && f.state.CompareAndSwap(uint32(from), uint32(to))
}

// Remove removes a flow.
func (t *Table) Remove(k Key) bool {
	b := t.bucket(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := b.flows.Cursor(); c.Step(); {
		if c.Elem().key != k {
			c.Next()
			continue
		}
		t.pool.Retire(c.Erase())
		t.n.Add(-1)
		return true
	}
	return false
}

// Expire removes the flows that were idle since before, and those that are closing.
func (t *Table) Expire(before time.Time) (removed int) {
	idle := before.UnixNano()
	for i := range t.buckets {
		b := &t.buckets[i]
		if b.flows.Empty() {
			continue
		}
		b.mu.Lock()
		for c := b.flows.Cursor(); c.Step(); {
			f := c.Elem()
			if f.seen.Load() >= idle && State(f.state.Load()) != Closing {
				c.Next()
				continue
			}
			t.pool.Retire(c.Erase())
			removed++
		}
		b.mu.Unlock()
	}
	t.n.Add(int64(-removed))
	return removed
}

// A Flow is a copy of what is known of a flow.
type Flow struct {
	Key     Key
	To      Translation
	State   State
	Packets uint64
	Bytes   uint64
}

func (f *flow) snapshot() Flow {
	return Flow{f.key, f.to, State(f.state.Load()), f.packets.Load(), f.bytes.Load()}
}

// flows iterates over the entries in section s.
func (t *Table) flows(s smr.Section) iter.Seq[*flow] {
	return func(yield func(*flow) bool) {
		for i := range t.buckets {
			for f := range t.buckets[i].flows.All(s) {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// Top returns the n flows with the most bytes.
func (t *Table) Top(n int) []Flow {
	top := make([]Flow, 0, n+1)
	s := t.dom.Enter()
	defer s.Leave()
	for f := range t.flows(s) {
		size := f.bytes.Load()
		at := len(top)
		for at > 0 && top[at-1].Bytes < size {
			at--
		}
		if at == n {
			continue
		}
		top = append(top, Flow{})
		copy(top[at+1:], top[at:])
		top[at] = f.snapshot()
		top = top[:min(len(top), n)]
	}
	return top
}

// All iterates over copies of the flows. It opens a section for each chain, so the loop may be slow.
func (t *Table) All() iter.Seq[Flow] {
	return func(yield func(Flow) bool) {
		var chain []Flow
		for i := range t.buckets {
			chain = chain[:0]
			t.dom.Read(func(s smr.Section) {
				for f := range t.buckets[i].flows.All(s) {
					chain = append(chain, f.snapshot())
				}
			})
			for _, f := range chain {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// Len returns the number of flows.
func (t *Table) Len() int { return int(t.n.Load()) }

// Close removes all flows.
func (t *Table) Close(ctx context.Context) error {
	for i := range t.buckets {
		b := &t.buckets[i]
		b.mu.Lock()
		for c := b.flows.Cursor(); c.Step(); {
			t.pool.Retire(c.Erase())
		}
		b.mu.Unlock()
	}
	return t.pool.Close(ctx)
}
