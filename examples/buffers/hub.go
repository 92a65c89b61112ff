package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// ErrClosed is returned by Subscribe and Send after Close.
var ErrClosed = errors.New("the hub is closed")

// A Hub sends each message to all subscribers, out of one buffer, off the Go heap. The buffer is used
// again when the last of them has written it.
type Hub struct {
	dom    *smr.Domain
	blocks *slab.Blocks

	mu     sync.Mutex
	subs   map[*Subscriber]bool // guarded by mu
	closed bool                 // guarded by mu

	missed pcpu.Counter
}

// A message is a buffer, held for one subscriber, which releases it.
type message struct {
	held smr.Held[byte]
	n    int
}

func (m message) bytes() []byte { return unsafe.Slice(m.held.Get(), m.n) }

// A Subscriber has a queue of messages.
type Subscriber struct {
	hub      *Hub
	messages chan message // closed, under hub.mu, when the subscriber leaves hub.subs
}

// NewHub returns a hub whose buffers take at most so many bytes.
func NewHub(budget int64) (*Hub, error) {
	dom, err := smr.New(smr.Options{Name: "buffers"})
	if err != nil {
		return nil, err
	}
	blocks := slab.NewBlocks(dom, slab.Options{Name: "messages", Budget: slab.NewBudget(budget)})
	return &Hub{dom: dom, blocks: blocks, subs: make(map[*Subscriber]bool)}, nil
}

// Send has fill write a message of n bytes, and sends it. A subscriber whose queue is full misses it.
// The error wraps slab.ErrNoMemory if all buffers are in use, by subscribers that are slow.
func (h *Hub) Send(ctx context.Context, n int, fill func(b []byte) error) error {
	b, err := h.get(ctx, n)
	if err != nil {
		return err
	}
	if err := fill(b); err != nil {
		h.blocks.Free(b) // no reader has seen it
		return err
	}
	return h.publish(b)
}

func (h *Hub) get(ctx context.Context, n int) ([]byte, error) {
	b, err := h.blocks.Get(n)
	if errors.Is(err, slab.ErrNoMemory) {
		h.blocks.Trim() // what was retired comes back a grace period later, if it is not held
		if err := h.dom.Synchronize(ctx); err != nil {
			return nil, err
		}
		b, err = h.blocks.Get(n)
	}
	return b, err
}

// publish holds b for each subscriber, and retires it at once: it is used again after the last Release.
func (h *Hub) publish(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		h.blocks.Free(b)
		return ErrClosed
	}
	s := h.dom.Enter()
	defer s.Leave()
	held := smr.Hold(s, unsafe.SliceData(b)) // a block is held by its first byte
	for sub := range h.subs {
		m := message{held.Clone(), len(b)} // one slot for all, with a count
		select {
		case sub.messages <- m:
		default:
			m.held.Release()
			h.missed.Add(1)
		}
	}
	held.Release()
	h.blocks.Retire(b)
	return nil
}

// Subscribe adds a subscriber with a queue for so many messages. Call its Run.
func (h *Hub) Subscribe(queue int) (*Subscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	sub := &Subscriber{h, make(chan message, queue)}
	h.subs[sub] = true
	return sub, nil
}

// Run writes messages to w, until w fails or the hub is closed and the queue empty. No section is open
// meanwhile: w may be slow.
func (sub *Subscriber) Run(w io.Writer) (err error) {
	for m := range sub.messages {
		if err == nil {
			if _, err = w.Write(m.bytes()); err != nil {
				sub.hub.unsubscribe(sub) // the rest of the queue is released
			}
		}
		m.held.Release()
	}
	return err
}

func (h *Hub) unsubscribe(sub *Subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[sub] {
		delete(h.subs, sub)
		close(sub.messages)
	}
}

// Close ends the hub when all queues are written. If ctx ends first, have the writers fail, and call
// Close again.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	for sub := range h.subs {
		delete(h.subs, sub)
		close(sub.messages)
	}
	h.mu.Unlock()
	return errors.Join(h.blocks.Close(ctx), h.dom.Close(ctx)) // each waits for what is held
}
