// Package dnscache answers names from zones that are loaded as a whole, and from answers that were asked
// of others before. Records of a zone are one block; an answer is copied out of it.
package dnscache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// ErrNoName is returned for names that do not exist.
var ErrNoName = errors.New("dnscache: no such name")

// A Record is an address of a name.
type Record struct {
	Name string
	Addr netip.Addr
	TTL  time.Duration
}

// A raw record borrows from a zone or an answer.
type raw struct {
	name []byte
	addr []byte
	ttl  uint32
}

func (r raw) record() (Record, bool) {
	a, ok := netip.AddrFromSlice(r.addr)
	return Record{string(r.name), a, time.Duration(r.ttl) * time.Second}, ok
}

func appendRecord(dst []byte, r Record) []byte {
	dst = append(dst, byte(len(r.Name)))
	dst = append(dst, r.Name...)
	addr := r.Addr.AsSlice()
	dst = append(dst, byte(len(addr)))
	dst = append(dst, addr...)
	return binary.BigEndian.AppendUint32(dst, uint32(r.TTL/time.Second))
}

// next splits the first record off.
func next(b []byte) (r raw, rest []byte) {
	n := int(b[0])
	r.name, b = b[1:1+n], b[1+n:]
	n = int(b[0])
	r.addr, b = b[1:1+n], b[1+n:]
	r.ttl = binary.BigEndian.Uint32(b)
	return r, b[4:]
}

// records iterates over records, which are parts of b.
func records(b []byte) iter.Seq[raw] {
	return func(yield func(raw) bool) {
		for len(b) > 0 {
			var r raw
			if r, b = next(b); !yield(r) {
				return
			}
		}
	}
}

// A zone is a version of a zone's records.
type zone struct {
	serial  uint32
	records []byte // a block
}

// A Resolver asks others.
type Resolver func(ctx context.Context, name string) ([]Record, error)

// A Cache has zones and answers.
type Cache struct {
	dom     *smr.Domain
	blocks  *slab.Blocks
	zones   *smrmap.Map[string, zone]
	answers *smrmap.Bytes
	resolve Resolver
	now     func() time.Time

	mu sync.Mutex // those who load zones
}

// New returns an empty cache.
func New(limit int64, resolve Resolver, now func() time.Time) (*Cache, error) {
	dom, err := smr.New(smr.Options{Name: "dns"})
	if err != nil {
		return nil, err
	}
	budget := slab.NewBudget(limit)
	c := &Cache{dom: dom, resolve: resolve, now: now}
	if c.zones, err = smrmap.New[string, zone](smrmap.Options{Domain: dom, Budget: budget}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	c.answers, err = smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget, Now: now})
	if err != nil {
		return nil, errors.Join(err, c.zones.Close(context.Background()), dom.Close(context.Background()))
	}
	c.blocks = slab.NewBlocks(dom, slab.Options{Name: "zones", Budget: budget})
	return c, nil
}

// Load makes records the contents of a zone.
func (c *Cache) Load(name string, serial uint32, list []Record) error {
	var data []byte
	for _, r := range list {
		if len(r.Name) > 255 || !strings.HasSuffix(r.Name, name) {
			return fmt.Errorf("dnscache: %q does not belong to %q", r.Name, name)
		}
		data = appendRecord(data, r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old, loaded := c.zones.Load(name)
	if loaded && serial <= old.serial {
		return nil
	}
	block, err := c.blocks.Get(len(data))
	if err != nil {
		return err
	}
	copy(block, data)
	if err := c.zones.Store(name, zone{serial, block}); err != nil {
		c.blocks.Free(block)
		return err
	}
	if loaded {
		c.blocks.Retire(old.records)
	}
	return nil
}

// Unload drops a zone.
func (c *Cache) Unload(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.zones.LoadAndDelete(name)
	if ok {
		c.blocks.Retire(old.records)
	}
	return ok
}

// zone returns the zone of a name to a reader in section s: that of the longest suffix.
func (c *Cache) zone(s smr.Section, name string) *zone {
	for {
		if z, ok := c.zones.LoadIn(s, name); ok {
			return z
		}
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		name = rest
	}
}

// local answers from the zones. found is false if no zone has the name in it.
func (c *Cache) local(name string) (answer []Record, found bool) {
	s, ok := c.dom.TryEnter()
	if !ok {
		return nil, false
	}
	defer s.Leave()
	z := c.zone(s, name)
	if z == nil {
		return nil, false
	}
	for r := range records(z.records) {
		if string(r.name) != name {
			continue
		}
		if rec, ok := r.record(); ok {
			answer = append(answer, rec)
		}
	}
	return answer, true
}

// cached answers from what was asked before.
func (c *Cache) cached(name string) (answer []Record, found bool) {
	found = c.answers.View([]byte(name), func(it smrmap.Item) {
		for r := range records(it.Value) {
			rec, ok := r.record()
			if !ok {
				continue
			}
			if it.Expires != 0 {
				rec.TTL = time.UnixMilli(it.Expires).Sub(c.now()).Truncate(time.Second)
			}
			answer = append(answer, rec)
		}
	})
	return answer, found
}

// Lookup answers a name.
func (c *Cache) Lookup(ctx context.Context, name string) ([]Record, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	answer, found := c.local(name)
	if !found {
		answer, found = c.cached(name)
	}
	if !found {
		var err error
		if answer, err = c.ask(ctx, name); err != nil {
			return nil, err
		}
	}
	if len(answer) == 0 {
		return nil, ErrNoName
	}
	return answer, nil
}

// ask asks others, with no section open, and remembers the answer, also that there is none.
func (c *Cache) ask(ctx context.Context, name string) ([]Record, error) {
	answer, err := c.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	ttl := time.Minute
	var data []byte
	for _, r := range answer {
		ttl = min(ttl, r.TTL)
		data = appendRecord(data, r)
	}
	it := smrmap.Item{Value: data, Expires: c.now().Add(ttl).UnixMilli()}
	actual, loaded, err := c.answers.LoadOrStore([]byte(name), it, nil)
	switch {
	case errors.Is(err, slab.ErrNoMemory):
		c.answers.EvictBytes(64 << 10)
		return answer, nil
	case err != nil || !loaded:
		return answer, nil
	}
	answer = answer[:0]
	for r := range records(actual) { // of who has asked at the same time
		if rec, ok := r.record(); ok {
			answer = append(answer, rec)
		}
	}
	return answer, nil
}

// Names returns the names of a zone that has serial, without duplicates.
func (c *Cache) Names(zoneName string) (names []string, serial uint32) {
	s := c.zones.Enter()
	defer s.Leave()
	z, ok := c.zones.LoadIn(s, zoneName)
	if !ok {
		return nil, 0
	}
	var last []byte
	for r := range records(z.records) {
		if bytes.Equal(r.name, last) {
			continue
		}
		last = r.name
		names = append(names, string(r.name))
	}
	return names, z.serial
}

// Transfer calls send with the records of a zone as they are now, a few at a time. send may be slow: it
// gets copies.
func (c *Cache) Transfer(zoneName string, send func([]Record) error) error {
	s, ok := c.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	z, ok := c.zones.LoadIn(s, zoneName)
	if !ok {
		s.Leave()
		return ErrNoName
	}
	data := bytes.Clone(z.records)
	s.Leave()
	batch := make([]Record, 0, 16)
	for r := range records(data) {
		rec, ok := r.record()
		if !ok {
			continue
		}
		if batch = append(batch, rec); len(batch) < cap(batch) {
			continue
		}
		if err := send(batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if len(batch) == 0 {
		return nil
	}
	return send(batch)
}

// Close ends the cache.
func (c *Cache) Close(ctx context.Context) error {
	for name := range c.zones.Keys() {
		c.Unload(name)
	}
	return errors.Join(c.zones.Close(ctx), c.answers.Close(ctx), c.blocks.Close(ctx), c.dom.Close(ctx))
}
