// Package orderbook keeps the orders of a market. One goroutine matches; any number look at depth and
// quotes, without a lock.
package orderbook

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// A Side is a side of the book.
type Side uint8

// The sides.
const (
	Buy Side = iota
	Sell
)

// other returns the side with which orders match.
func (s Side) other() Side { return 1 - s }

// better reports whether price a comes before b.
func (s Side) better(a, b int64) bool {
	if s == Buy {
		return a > b
	}
	return a < b
}

// An order is in the queue of its level. All but what is left is fixed.
type order struct {
	link  smrq.Link[order]
	level smr.Pointer[level] // the writer's own
	id    uint64
	owner uint32
	side  Side
	left  atomic.Int64
}

// A level has the orders at a price, the oldest first.
type level struct {
	link   smrq.Link[level]
	price  int64
	total  atomic.Int64
	orders smrq.STailQ[order]
}

// A quote is what readers see most: it is replaced with each change.
type quote struct {
	seq              uint64
	bid, bidSize     int64
	offer, offerSize int64
	last, lastTraded int64
}

// A Quote is a copy of the best prices.
type Quote struct {
	Seq             uint64
	Bid, BidSize    int64
	Offer, OffSize  int64
	Last, LastTrade int64
}

// A Trade is a match.
type Trade struct {
	Maker, Taker uint64
	Price, Size  int64
}

// A Book is the book of one instrument.
type Book struct {
	dom    *smr.Domain
	orders *slab.Pool[order]
	quotes *slab.Pool[quote]
	levels [2]*smrq.List[level]
	byID   *smrmap.Map[uint64, *order]
	quote  smr.Pointer[quote]

	mu     sync.Mutex // the matching engine
	seq    uint64
	last   Trade
	closed bool
}

// New returns an empty book.
func New(dom *smr.Domain) (*Book, error) {
	byID, err := smrmap.New[uint64, *order](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, err
	}
	b := &Book{
		dom:    dom,
		orders: slab.New[order](dom, slab.Options{Name: "orders"}),
		quotes: slab.New[quote](dom, slab.Options{Name: "quotes"}),
		byID:   byID,
	}
	for i := range b.levels {
		b.levels[i] = smrq.NewList(func(l *level) *smrq.Link[level] { return &l.link })
		b.levels[i].GuardedBy(&b.mu)
	}
	b.quote.GuardedBy(&b.mu)
	return b, nil
}

// newLevel returns an empty level. Levels are the collector's.
func (b *Book) newLevel(price int64) *level {
	l := &level{price: price}
	l.orders.InitWith(func(o *order) *smrq.Link[order] { return &o.link })
	return l
}

// levelFor returns the level of a price, which it makes if need be.
func (b *Book) levelFor(side Side, price int64) *level {
	q := b.levels[side]
	var before *level
	for l := range q.AllSerialized() {
		if l.price == price {
			return l
		}
		if side.better(price, l.price) {
			break
		}
		before = l
	}
	l := b.newLevel(price)
	if before == nil {
		q.InsertHead(l)
	} else {
		q.InsertAfter(before, l)
	}
	return l
}

// Place matches an order, and puts what is left of it in the book.
func (b *Book) Place(id uint64, owner uint32, side Side, price, size int64) (trades []Trade, err error) {
	if size <= 0 || price <= 0 {
		return nil, errors.New("orderbook: price and size must be positive")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, smr.ErrClosed
	}
	if _, ok := b.byID.Load(id); ok {
		return nil, errors.New("orderbook: the number is taken")
	}
	trades, size = b.match(id, side, price, size)
	if size > 0 {
		err = b.rest(id, owner, side, price, size)
	}
	return trades, errors.Join(err, b.publish())
}

// match fills an order from the other side.
func (b *Book) match(id uint64, side Side, price, size int64) (trades []Trade, left int64) {
	other := b.levels[side.other()]
	for size > 0 {
		l := other.FirstSerialized()
		if l == nil || side.better(l.price, price) && l.price != price {
			break
		}
		for c := l.orders.Cursor(); size > 0 && c.Step(); {
			o := c.Elem()
			n := min(size, o.left.Load())
			trades = append(trades, Trade{o.id, id, l.price, n})
			size -= n
			l.total.Add(-n)
			if o.left.Add(-n) > 0 {
				c.Next()
				continue
			}
			b.byID.Delete(o.id)
			b.orders.Retire(c.Erase())
		}
		if l.orders.Empty() {
			other.Remove(l)
		}
	}
	if n := len(trades); n > 0 {
		b.last = trades[n-1]
	}
	return trades, size
}

// rest puts an order in the book.
func (b *Book) rest(id uint64, owner uint32, side Side, price, size int64) error {
	o, err := b.orders.Get()
	if err != nil {
		return err
	}
	o.link = smrq.Link[order]{}
	o.id, o.owner, o.side = id, owner, side
	o.left.Store(size)
	l := b.levelFor(side, price)
	o.level.Init(l)
	if err := b.byID.Store(id, o); err != nil {
		if l.orders.Empty() {
			b.levels[side].Remove(l)
		}
		b.orders.Free(o)
		return err
	}
	l.orders.InsertTail(o)
	l.total.Add(size)
	return nil
}

// Cancel takes an order of its owner out of the book, and returns what was left of it.
func (b *Book) Cancel(id uint64, owner uint32) (left int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.byID.Load(id) // only the engine retires orders, and that is us
	if !ok || o.owner != owner {
		return 0, errors.New("orderbook: no such order")
	}
	left = o.left.Load()
	l := o.level.LoadSerialized()
	b.byID.Delete(id)
	l.orders.Remove(o)
	l.total.Add(-left)
	if l.orders.Empty() {
		b.levels[o.side].Remove(l)
	}
	b.orders.Retire(o)
	return left, b.publish()
}

// publish publishes the best prices. It takes the new quote and retires the old one in one go, where
// this processor's share has one.
func (b *Book) publish() error {
	b.seq++
	next := quote{seq: b.seq, last: b.last.Price, lastTraded: b.last.Size}
	if l := b.levels[Buy].FirstSerialized(); l != nil {
		next.bid, next.bidSize = l.price, l.total.Load()
	}
	if l := b.levels[Sell].FirstSerialized(); l != nil {
		next.offer, next.offerSize = l.price, l.total.Load()
	}
	old := b.quote.LoadSerialized()
	local := b.quotes.Pin()
	if q := local.Swap(old); q != nil {
		*q = next
		b.quote.Store(q)
		local.Unpin()
		return nil
	}
	local.Unpin()
	q, err := b.quotes.Get()
	if err != nil {
		return err
	}
	*q = next
	b.quote.Store(q)
	if old != nil {
		b.quotes.Retire(old)
	}
	return nil
}

// Quote returns the best prices.
func (b *Book) Quote() (q Quote, ok bool) {
	s := b.dom.Pin()
	if p := b.quote.Load(s); p != nil {
		q, ok = Quote{p.seq, p.bid, p.bidSize, p.offer, p.offerSize, p.last, p.lastTraded}, true
	}
	s.Leave()
	return q, ok
}

// Depth iterates over prices and sizes of a side, the best first, in section s.
func (b *Book) Depth(s smr.Section, side Side) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		for l := range b.levels[side].All(s) {
			total := l.total.Load()
			if total <= 0 {
				continue
			}
			if !yield(l.price, total) {
				return
			}
		}
	}
}

// Cost returns what it costs to buy, or what one gets for, so many at the present depth.
func (b *Book) Cost(side Side, size int64) (cost int64, enough bool) {
	s, ok := b.dom.TryEnter()
	if !ok {
		return 0, false
	}
	defer s.Leave()
	for price, total := range b.Depth(s, side.other()) {
		n := min(size, total)
		cost += n * price
		if size -= n; size == 0 {
			return cost, true
		}
	}
	return cost, false
}

// Mine returns the numbers of an owner's orders, and how much is left of them.
func (b *Book) Mine(owner uint32) map[uint64]int64 {
	mine := make(map[uint64]int64)
	s, ok := b.dom.TryEnter()
	if !ok {
		return nil
	}
	defer s.Leave()
	for _, side := range b.levels {
		for l := range side.All(s) {
			for o := range l.orders.All(s) {
				if o.owner == owner {
					mine[o.id] = o.left.Load()
				}
			}
		}
	}
	return mine
}

// Close empties the book.
func (b *Book) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	for _, side := range b.levels {
		for c := side.Cursor(); c.Step(); {
			l := c.Erase()
			for oc := l.orders.Cursor(); oc.Step(); {
				o := oc.Erase()
				b.byID.Delete(o.id)
				b.orders.Retire(o)
			}
		}
	}
	if q := b.quote.LoadSerialized(); q != nil {
		b.quote.Clear()
		b.quotes.Retire(q)
	}
	b.mu.Unlock()
	return errors.Join(b.byID.Close(ctx), b.orders.Close(ctx), b.quotes.Close(ctx))
}
