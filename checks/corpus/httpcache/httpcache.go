// Package httpcache is a response cache for a proxy, within a budget of memory.
package httpcache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// ErrMiss is returned for what is not cached.
var ErrMiss = errors.New("httpcache: miss")

// headerLen is what lies before the body of an entry: the status and the lengths of type and tag.
const headerLen = 6

// slowBody is the size from which a body is sent from where it lies, instead of being copied.
const slowBody = 16 << 10

// A Response is what is cached.
type Response struct {
	Status int
	Type   string
	ETag   string
	Body   []byte
}

// An entry is an encoded response, which it borrows from.
type entry struct {
	status    int
	typ, etag []byte
	body      []byte
}

func decode(b []byte) (e entry, err error) {
	if len(b) < headerLen {
		return e, io.ErrUnexpectedEOF
	}
	nt, ne := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[4:]))
	if len(b) < headerLen+nt+ne {
		return e, io.ErrUnexpectedEOF
	}
	e.status = int(binary.LittleEndian.Uint16(b))
	b = b[headerLen:]
	e.typ, b = b[:nt], b[nt:]
	e.etag, e.body = b[:ne], b[ne:]
	return e, nil
}

func encode(dst []byte, r *Response) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(r.Status))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(r.Type)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(r.ETag)))
	dst = append(dst, r.Type...)
	dst = append(dst, r.ETag...)
	return append(dst, r.Body...)
}

// A Cache caches responses by their keys.
type Cache struct {
	dom    *smr.Domain
	items  *smrmap.Bytes
	bufs   sync.Pool
	now    func() time.Time
	hits   atomic.Int64
	misses atomic.Int64

	stop chan struct{}
	wg   sync.WaitGroup
}

// New returns a cache of limit bytes. now may be nil.
func New(limit int64, now func() time.Time) (*Cache, error) {
	if now == nil {
		now = time.Now
	}
	dom, err := smr.New(smr.Options{Name: "httpcache"})
	if err != nil {
		return nil, err
	}
	items, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: slab.NewBudget(limit), Now: now})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	c := &Cache{dom: dom, items: items, now: now, stop: make(chan struct{})}
	c.bufs.New = func() any { return new(bytes.Buffer) }
	return c, nil
}

// Put caches a response for a while.
func (c *Cache) Put(ctx context.Context, key string, r *Response, maxAge time.Duration) error {
	if len(r.Type) > 1<<10 || len(r.ETag) > 1<<10 {
		return fmt.Errorf("httpcache: header of %q is too long", key)
	}
	buf := c.bufs.Get().(*bytes.Buffer)
	defer c.bufs.Put(buf)
	buf.Reset()
	buf.Grow(headerLen + len(r.Type) + len(r.ETag) + len(r.Body))
	it := smrmap.Item{Value: encode(buf.AvailableBuffer(), r), Expires: c.now().Add(maxAge).UnixMilli()}
	return c.items.StoreEvicting(ctx, []byte(key), it)
}

// Get returns a copy of a response.
func (c *Cache) Get(key string) (*Response, error) {
	s := c.items.Enter()
	defer s.Leave()
	e, err := c.lookup(s, key)
	if err != nil {
		return nil, err
	}
	return &Response{e.status, string(e.typ), string(e.etag), bytes.Clone(e.body)}, nil
}

// lookup returns the entry of a key, which is borrowed until s is left.
func (c *Cache) lookup(s smr.Section, key string) (entry, error) {
	it, ok := c.items.LoadIn(s, []byte(key))
	if !ok {
		c.misses.Add(1)
		return entry{}, ErrMiss
	}
	c.hits.Add(1)
	return decode(it.Value)
}

// Fresh reports whether a client that has etag needs no body.
func (c *Cache) Fresh(key, etag string) (fresh bool) {
	c.items.View([]byte(key), func(it smrmap.Item) {
		e, err := decode(it.Value)
		if err != nil {
			return
		}
		fresh = string(e.etag) == etag
	})
	return fresh
}

// WriteTo writes a response to a client, who may be slow.
func (c *Cache) WriteTo(w io.Writer, key string) (status int, err error) {
	var small [512]byte
	s := c.items.Enter()
	e, err := c.lookup(s, key)
	if err != nil {
		s.Leave()
		return 0, err
	}
	status = e.status
	if len(e.body) < slowBody {
		head := append(small[:0], e.typ...)
		head = append(head, '\n')
		out := append(head, e.body...)
		s.Leave()
		_, err = w.Write(out)
		return status, err
	}
	h, ok := c.items.Hold(s, []byte(key))
	s.Leave()
	if !ok {
		return 0, ErrMiss // it has expired in between
	}
	defer h.Release()
	if e, err = decode(h.Get().Value); err != nil {
		return 0, err
	}
	if _, err = fmt.Fprintf(w, "%s\n", e.typ); err != nil {
		return e.status, err
	}
	_, err = w.Write(e.body)
	return e.status, err
}

// Touch extends the life of a response, and reports whether it is there.
func (c *Cache) Touch(key string, maxAge time.Duration) (bool, error) {
	until := c.now().Add(maxAge).UnixMilli()
	return c.items.Compute([]byte(key), func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
		if !loaded || old.Expires >= until {
			return old, smrmap.CancelOp
		}
		return smrmap.Item{Expires: until}, smrmap.ExpireOp
	})
}

// Purge deletes what has a prefix, and returns how many entries that were.
func (c *Cache) Purge(prefix string) (n int) {
	var keys []string
	for key := range c.items.Keys() {
		if bytes.HasPrefix(key, []byte(prefix)) {
			keys = append(keys, string(key))
		}
	}
	for _, key := range keys {
		if c.items.Delete([]byte(key)) {
			n++
		}
	}
	return n
}

// Largest returns the key of the largest response of a type.
func (c *Cache) Largest(typ string) (key string, size int) {
	for k, it := range c.items.All() {
		e, err := decode(it.Value)
		if err != nil || !strings.EqualFold(string(e.typ), typ) {
			continue
		}
		if len(e.body) > size {
			key, size = string(k), len(e.body)
		}
	}
	return key, size
}

// Run deletes what has expired, in the background, until Close.
func (c *Cache) Run(every time.Duration) {
	c.wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		cursor := uint64(0)
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				cursor = c.items.Sweep(cursor, 1000).Next
			}
		}
	})
}

// Close ends the cache.
func (c *Cache) Close(ctx context.Context) error {
	close(c.stop)
	c.wg.Wait()
	return errors.Join(c.items.Close(ctx), c.dom.Close(ctx))
}
