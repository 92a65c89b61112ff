// Package bufring keeps the last messages of a stream for clients that come late. Messages are in
// pooled buffers, which go back to the pool when no client can be reading them.
package bufring

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
)

// A message is in a buffer of the pool.
type message struct {
	seq  uint64
	buf  bytes.Buffer
	pool *sync.Pool
}

func (m *message) recycle() {
	m.buf.Reset()
	m.pool.Put(m)
}

// ErrGone is returned for messages that were overwritten, or are not there yet.
var ErrGone = errors.New("bufring: no such message")

// A Ring has the last messages.
type Ring struct {
	dom   *smr.Domain
	slots []smr.Pointer[message]
	head  atomic.Uint64 // the sequence number of the next message
	pool  sync.Pool

	mu     sync.Mutex // writers
	closed bool
}

// New returns a ring of n messages.
func New(n int) (*Ring, error) {
	dom, err := smr.New(smr.Options{Name: "bufring", MaxPending: 8 << 20})
	if err != nil {
		return nil, err
	}
	r := &Ring{dom: dom, slots: make([]smr.Pointer[message], n)}
	r.pool.New = func() any { return new(message) }
	for i := range r.slots {
		r.slots[i].GuardedBy(&r.mu)
		r.slots[i].In(dom)
	}
	return r, nil
}

func (r *Ring) slot(seq uint64) *smr.Pointer[message] { return &r.slots[seq%uint64(len(r.slots))] }

// Append adds a message that write writes.
func (r *Ring) Append(ctx context.Context, write func(io.Writer) error) (seq uint64, err error) {
	if err := r.dom.Throttle(ctx); err != nil {
		return 0, err
	}
	m := r.pool.Get().(*message)
	m.pool = &r.pool
	if err := write(&m.buf); err != nil {
		m.recycle() // it was not published
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		m.recycle()
		return 0, smr.ErrClosed
	}
	seq = r.head.Load()
	m.seq = seq
	p := r.slot(seq)
	old := p.LoadSerialized()
	p.Store(m)
	r.head.Store(seq + 1)
	if old != nil {
		smr.Call(r.dom, old, old.buf.Cap(), (*message).recycle)
	}
	return seq, nil
}

// load returns a message to a reader in section s, or nil.
func (r *Ring) load(s smr.Section, seq uint64) *message {
	m := r.slot(seq).Load(s)
	if m == nil || m.seq != seq {
		return nil
	}
	return m
}

// Get appends a copy of a message to dst.
func (r *Ring) Get(seq uint64, dst []byte) ([]byte, error) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return dst, smr.ErrClosed
	}
	m := r.load(s, seq)
	if m == nil {
		s.Leave()
		return dst, ErrGone
	}
	dst = append(dst, m.buf.Bytes()...)
	s.Leave()
	return dst, nil
}

// Since iterates over the messages from a sequence number on, as far as they are there. A message is
// borrowed until the loop's body ends; the body is in a section.
func (r *Ring) Since(seq uint64) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		for {
			next, ok := r.one(seq, yield)
			if !ok {
				return
			}
			seq = next
		}
	}
}

// one yields the first message from seq on, and returns the number of the next.
func (r *Ring) one(seq uint64, yield func(uint64, []byte) bool) (next uint64, ok bool) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return 0, false
	}
	defer s.Leave()
	for ; seq < r.head.Load(); seq++ {
		if m := r.load(s, seq); m != nil {
			return seq + 1, yield(seq, m.buf.Bytes())
		}
	}
	return seq, false
}

// A Lease is messages that are held for a client that reads slowly.
type Lease struct {
	held []smr.Held[message]
}

// Lease holds up to n of the last messages, for as long as the client takes.
func (r *Ring) Lease(n int) (*Lease, error) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	head := r.head.Load()
	first := uint64(0)
	if head > uint64(n) {
		first = head - uint64(n)
	}
	l := new(Lease)
	for seq := first; seq < head; seq++ {
		if m := r.load(s, seq); m != nil {
			l.held = append(l.held, smr.Hold(s, m))
		}
	}
	return l, nil
}

// WriteTo writes the messages, and releases each when it is written.
func (l *Lease) WriteTo(w io.Writer) (n int64, err error) {
	for len(l.held) > 0 {
		h := l.held[0]
		m, err := w.Write(h.Get().buf.Bytes())
		n += int64(m)
		if err != nil {
			return n, err
		}
		h.Release()
		l.held = l.held[1:]
	}
	return n, nil
}

// Close releases what is left.
func (l *Lease) Close() {
	for _, h := range l.held {
		h.Release()
	}
	l.held = nil
}

// Send writes the last n messages to w in another goroutine, which reports its error to done.
func (r *Ring) Send(n int, w io.Writer, done chan<- error) {
	l, err := r.Lease(n)
	if err != nil {
		done <- err
		return
	}
	go func() {
		defer l.Close()
		_, err := l.WriteTo(w)
		done <- err
	}()
}

// Close ends the ring, when all leases are closed.
func (r *Ring) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		for i := range r.slots {
			if m := r.slots[i].LoadSerialized(); m != nil {
				r.slots[i].Clear()
				smr.Call(r.dom, m, m.buf.Cap(), (*message).recycle)
			}
		}
	}
	r.mu.Unlock()
	return r.dom.Close(ctx)
}
