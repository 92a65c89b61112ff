// Package metrics collects counters and histograms. Series are found by name and labels without a lock;
// those that nobody has written to for a while are dropped, and their cells used for others.
package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

const bounds = 16 // of a histogram: powers of two

// A cell has the numbers of a series, off the Go heap.
type cell struct {
	count   atomic.Uint64
	sum     atomic.Uint64
	touched atomic.Int64
	buckets [bounds]atomic.Uint64
}

func (c *cell) add(v uint64, now int64) {
	c.count.Add(1)
	c.sum.Add(v)
	i := 0
	for i < bounds-1 && v >= 1<<i {
		i++
	}
	c.buckets[i].Add(1)
	if c.touched.Load() < now {
		c.touched.Store(now)
	}
}

func (c *cell) reset(now int64) {
	c.count.Store(0)
	c.sum.Store(0)
	c.touched.Store(now)
	for i := range c.buckets {
		c.buckets[i].Store(0)
	}
}

// quantile returns the bound below which a part of the values is.
func (c *cell) quantile(q float64) uint64 {
	want := uint64(q * float64(c.count.Load()))
	seen := uint64(0)
	for i := range c.buckets {
		if seen += c.buckets[i].Load(); seen > want {
			return 1 << i
		}
	}
	return 1 << (bounds - 1)
}

// A series is what the map has: it points to its cell.
type series struct {
	name, labels string
	cell         *cell
}

// A Registry has series.
type Registry struct {
	dom    *smr.Domain
	cells  *slab.Pool[cell]
	series *smrmap.Map[string, series]
	now    func() time.Time

	mu     sync.Mutex // those who add and drop series
	closed bool
}

// New returns an empty registry. now may be nil.
func New(now func() time.Time) (*Registry, error) {
	if now == nil {
		now = time.Now
	}
	dom, err := smr.New(smr.Options{Name: "metrics", SampleSections: 10000})
	if err != nil {
		return nil, err
	}
	r := &Registry{dom: dom, cells: slab.New[cell](dom, slab.Options{Name: "cells"}), now: now}
	if r.series, err = smrmap.New[string, series](smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return r, nil
}

// cell returns the cell of a series, which it makes if need be. It is valid until s is left.
func (r *Registry) cell(s smr.Section, name, labels string) (*cell, error) {
	var buf [128]byte
	key := append(buf[:0], name...)
	key = append(key, '{')
	key = append(key, labels...)
	if p, ok := r.series.LoadIn(s, string(key)); ok {
		return p.cell, nil
	}
	return r.add(s, string(key), name, labels)
}

// add adds a series. The section covers its cell, should it be dropped at once.
func (r *Registry) add(s smr.Section, key, name, labels string) (*cell, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, smr.ErrClosed
	}
	if p, ok := r.series.LoadIn(s, key); ok {
		return p.cell, nil // another goroutine was faster
	}
	c, err := r.cells.Get()
	if err != nil {
		return nil, err
	}
	c.reset(r.now().UnixNano())
	err = r.series.Store(key, series{strings.Clone(name), strings.Clone(labels), c})
	if err != nil {
		r.cells.Free(c)
		return nil, err
	}
	return c, nil
}

// Add adds a value to a series.
func (r *Registry) Add(name, labels string, v uint64) error {
	s, ok := r.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	c, err := r.cell(s, name, labels)
	if err != nil {
		return err
	}
	c.add(v, r.now().UnixNano())
	return nil
}

// A Worker adds values for one goroutine.
type Worker struct {
	r      *Registry
	reader *smr.Reader
	lost   int
}

// Worker returns a worker, to be closed by its goroutine.
func (r *Registry) Worker() *Worker { return &Worker{r: r, reader: r.dom.NewReader()} }

// Close ends the worker, and returns how many values it has lost.
func (w *Worker) Close() int {
	w.reader.Close()
	return w.lost
}

// Add is Registry.Add.
func (w *Worker) Add(name, labels string, v uint64) {
	s, ok := w.reader.TryEnter()
	if !ok {
		w.lost++
		return
	}
	if c, err := w.r.cell(s, name, labels); err != nil {
		w.lost++
	} else {
		c.add(v, w.r.now().UnixNano())
	}
	s.Leave()
}

// Time adds how long fn takes, in microseconds. No section is open meanwhile.
func (w *Worker) Time(name, labels string, fn func()) {
	start := w.r.now()
	defer func() { w.Add(name, labels, uint64(w.r.now().Sub(start).Microseconds())) }()
	fn()
}

// A Sample is a copy of a series.
type Sample struct {
	Name, Labels string
	Count, Sum   uint64
	P50, P99     uint64
}

func (c *cell) sample(name, labels string) Sample {
	return Sample{name, labels, c.count.Load(), c.sum.Load(), c.quantile(0.5), c.quantile(0.99)}
}

// cellsOf iterates over the series of a name. Cells are borrowed: the caller is in a section.
func (r *Registry) cellsOf(name string) iter.Seq2[string, *cell] {
	r.dom.CheckEntered()
	return func(yield func(string, *cell) bool) {
		for key, sr := range r.series.All() {
			if sr.name != name {
				continue
			}
			if !yield(key, sr.cell) {
				return
			}
		}
	}
}

// Sum returns the sum over all series of a name.
func (r *Registry) Sum(name string) (sum uint64) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	for _, c := range r.cellsOf(name) {
		sum += c.sum.Load()
	}
	return sum
}

// Get returns a sample of a series.
func (r *Registry) Get(name, labels string) (sm Sample, ok bool) {
	r.series.View(name+"{"+labels, func(sr *series) {
		sm, ok = sr.cell.sample(sr.name, sr.labels), true
	})
	return sm, ok
}

// Samples returns samples of all series, sorted.
func (r *Registry) Samples() []Sample {
	var all []Sample
	s, ok := r.dom.TryEnter()
	if !ok {
		return nil
	}
	for _, sr := range r.series.All() {
		all = append(all, sr.cell.sample(sr.name, sr.labels))
	}
	s.Leave()
	slices.SortFunc(all, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels, b.Labels))
	})
	return all
}

// WriteTo writes all series as text.
func (r *Registry) WriteTo(w io.Writer) (n int64, err error) {
	for _, sm := range r.Samples() {
		m, err := fmt.Fprintf(w, "%s{%s} count=%d sum=%d p99=%d\n", sm.Name, sm.Labels, sm.Count, sm.Sum, sm.P99)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Drop drops the series that were not written to for a while.
func (r *Registry) Drop(unused time.Duration) (n int) {
	before := r.now().Add(-unused).UnixNano()
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, sr := range r.series.All() { // nobody else drops what it finds
		if sr.cell.touched.Load() >= before {
			continue
		}
		if r.series.Delete(key) {
			r.cells.Retire(sr.cell)
			n++
		}
	}
	return n
}

// Close drops all series.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for key, sr := range r.series.All() {
		if r.series.Delete(key) {
			r.cells.Retire(sr.cell)
		}
	}
	r.mu.Unlock() // readers wait for it, and Close for readers
	return errors.Join(r.series.Close(ctx), r.dom.Close(ctx), r.cells.Close(ctx))
}
