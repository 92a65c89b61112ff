package corpus

import (
	"bufio"
	"container/list"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
	"github.com/gosmr/gosmr/stw"
)

// A router has routes that are replaced as a whole, by their longest prefix.
type router struct {
	dom    *smr.Domain
	routes smr.Pointer[routes]
	write  chan struct{} // the writers' token
	stats  [4]atomic.Uint64
}

type routes struct {
	version int
	byBits  [33][]route
	refs    atomic.Int32
}

type route struct {
	net  netip.Prefix
	next netip.Addr
	dev  *device
}

type device struct {
	name string
	conn net.PacketConn
	out  atomic.Uint64
}

func (r *router) lookup(to netip.Addr) (next netip.Addr, dev *device, ok bool) {
	s := r.dom.Pin()
	t := r.routes.Load(s)
	if t == nil {
		s.Leave()
		return next, nil, false
	}
	for bits := 32; bits >= 0; bits-- {
		for i := range t.byBits[bits] {
			if rt := &t.byBits[bits][i]; rt.net.Contains(to) {
				next, dev, ok = rt.next, rt.dev, true
				s.Leave()
				return next, dev, ok
			}
		}
	}
	s.Leave()
	r.stats[0].Add(1)
	return next, nil, false
}

// forward may not write to the network pinned, so it does that afterwards.
func (r *router) forward(pkt []byte, to netip.Addr) error {
	next, dev, ok := r.lookup(to)
	if !ok {
		return fmt.Errorf("no route to %v", to)
	}
	_, err := dev.conn.WriteTo(pkt, net.UDPAddrFromAddrPort(netip.AddrPortFrom(next, 9)))
	if err == nil {
		dev.out.Add(1)
	}
	return err
}

func (r *router) update(ctx context.Context, change func(*routes) error) (err error) {
	select {
	case r.write <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.write }()
	old := r.routes.LoadSerialized()
	fresh := &routes{version: old.version + 1}
	for bits := range old.byBits {
		fresh.byBits[bits] = slices.Clone(old.byBits[bits])
	}
	if err := change(fresh); err != nil {
		return err
	}
	r.routes.Store(fresh)
	smr.Call(r.dom, old, 4096, func(t *routes) { clear(t.byBits[:]) })
	return nil
}

// version reads without a copy; it is a number.
func (r *router) version() int {
	s := r.dom.Enter()
	defer s.Leave()
	if t := r.routes.Load(s); t != nil {
		return t.version
	}
	return 0
}

// settle waits until all readers have seen an update: outside of any section.
func (r *router) settle(ctx context.Context) error {
	seen := r.version()
	slog.Info("settling", "version", seen)
	return r.dom.Synchronize(ctx)
}

// list formats while the routes stay, and prints then.
func (r *router) list(w io.Writer) error {
	var b strings.Builder
	s := r.dom.Enter()
	if t := r.routes.Load(s); t != nil {
		for bits := range t.byBits {
			for _, rt := range t.byBits[bits] {
				fmt.Fprintf(&b, "%v via %v dev %s\n", rt.net, rt.next, rt.dev.name)
			}
		}
	}
	s.Leave()
	_, err := io.WriteString(w, b.String())
	return err
}

// A broker has topics, each with subscribers in a queue, and messages in blocks.
type broker struct {
	dom    *smr.Domain
	blocks *slab.Blocks
	topics *smrmap.Map[string, *topic]
	mu     sync.Mutex
}

type topic struct {
	mu   sync.Mutex
	msgs *smrq.STailQ[message]
	n    atomic.Int64
}

type message struct {
	seq  int64
	body []byte
	link smrq.Link[message]
}

func (b *broker) topic(name string) (*topic, error) {
	if t, ok := b.topics.Load(name); ok {
		return t, nil // topics are never freed
	}
	t := &topic{msgs: smrq.NewSTailQ(func(m *message) *smrq.Link[message] { return &m.link })}
	t.msgs.GuardedBy(&t.mu)
	actual, _, err := b.topics.LoadOrStore(name, t)
	return actual, err
}

func (b *broker) publish(ctx context.Context, name string, body []byte) (int64, error) {
	t, err := b.topic(name)
	if err != nil {
		return 0, err
	}
	if err := b.dom.Throttle(ctx); err != nil {
		return 0, err
	}
	block, err := b.blocks.Get(len(body))
	if err != nil {
		return 0, err
	}
	copy(block, body)
	m := &message{body: block}
	t.mu.Lock()
	m.seq = t.n.Add(1)
	t.msgs.InsertTail(m)
	t.mu.Unlock()
	return m.seq, nil
}

// trim removes the oldest messages.
func (b *broker) trim(t *topic, keep int64) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.n.Load() - keep
	for m := t.msgs.FirstSerialized(); m != nil && m.seq <= last; m = t.msgs.FirstSerialized() {
		t.msgs.Remove(m)
		smr.Call(b.dom, m, len(m.body), b.free)
		n++
	}
	return n
}

func (b *broker) free(m *message) {
	body := m.body
	m.body = nil
	b.blocks.Free(body)
}

// replay sends what comes after seq: it copies some, leaves, and writes.
func (b *broker) replay(w *bufio.Writer, t *topic, seq int64) (int64, error) {
	batch := make([][]byte, 0, 16)
	for {
		batch = batch[:0]
		s := b.dom.Enter()
		for m := range t.msgs.All(s) {
			if m.seq <= seq {
				continue
			}
			batch = append(batch, slices.Clone(m.body))
			seq = m.seq
			if len(batch) == cap(batch) {
				break
			}
		}
		s.Leave()
		if len(batch) == 0 {
			return seq, w.Flush()
		}
		for _, body := range batch {
			if _, err := w.Write(body); err != nil {
				return seq, err
			}
		}
	}
}

// head returns a digest of the first message.
func (b *broker) head(t *topic) (digest string, ok bool) {
	b.dom.Read(func(s smr.Section) {
		m := t.msgs.First(s)
		if m == nil {
			return
		}
		digest, ok = hex.EncodeToString(m.body[:min(8, len(m.body))]), true
	})
	return digest, ok
}

// lag follows from two sections, of which only numbers remain.
func (b *broker) lag(t *topic) (lag int64) {
	s := b.dom.Enter()
	if m := t.msgs.First(s); m != nil {
		lag = t.n.Load() - m.seq
	}
	s.Leave()
	return lag
}

// A fileCache has open files that are closed when no reader can use them.
type fileCache struct {
	dom   *smr.Domain
	files *smrmap.Map[string, *openFile]
	mu    sync.Mutex
	order *list.List
	max   int
}

type openFile struct {
	f    *os.File
	elem *list.Element
}

func (c *fileCache) read(name string, off int64, dst []byte) (int, error) {
	s := c.dom.Enter()
	defer s.Leave()
	if of, ok := c.files.Load(name); ok {
		return of.f.ReadAt(dst, off)
	}
	of, err := c.open(name)
	if err != nil {
		return 0, err
	}
	return of.f.ReadAt(dst, off)
}

// open is called in a section, which keeps what it returns.
func (c *fileCache) open(name string) (*openFile, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := &openFile{f: f}
	actual, loaded, err := c.files.LoadOrStore(name, of)
	if err != nil {
		f.Close()
		return nil, err
	}
	if loaded {
		f.Close()
		return actual, nil
	}
	of.elem = c.order.PushFront(name)
	for c.order.Len() > c.max {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		if old, ok := c.files.LoadAndDelete(oldest.Value.(string)); ok {
			smr.Call(c.dom, old, 4096, func(of *openFile) { of.f.Close() })
		}
	}
	return of, nil
}

func (c *fileCache) drop(ctx context.Context) (err error) {
	for name := range c.files.Keys() {
		if of, ok := c.files.LoadAndDelete(name); ok {
			smr.Call(c.dom, of, smr.Expedite, func(of *openFile) { of.f.Close() })
		}
	}
	return c.dom.Barrier(ctx)
}

// A sampler takes a random element, in whichever section its caller has.
type sampler struct{ nodes []smr.Pointer[sample] }

type sample struct {
	weight float64
	tags   []string
}

func (sm *sampler) pick(s smr.Section) *sample {
	if len(sm.nodes) == 0 {
		return nil
	}
	return sm.nodes[rand.IntN(len(sm.nodes))].Load(s)
}

func (sm *sampler) weights(dom *smr.Domain, n int) (sum float64) {
	for range n {
		s := dom.Enter()
		a, b := sm.pick(s), sm.pick(s)
		switch {
		case a == nil && b == nil:
		case a == nil:
			sum += b.weight
		case b == nil:
			sum += a.weight
		default:
			sum += max(a.weight, b.weight)
		}
		s.Leave()
	}
	return sum
}

// tags are strings of the Go heap, which outlive what had them.
func (sm *sampler) tags(dom *smr.Domain) (tags []string) {
	s := dom.Enter()
	defer s.Leave()
	if x := sm.pick(s); x != nil {
		tags = append(tags, x.tags...)
	}
	return tags
}

// A vm has workers of a world, which read a heap between polls.
type vm struct {
	w    *stw.World
	dom  *smr.Domain
	code smr.Pointer[program]
	gcs  atomic.Int64
}

type program struct{ ops []byte }

func (m *vm) work(d *stw.Domain, steps int) (sum int) {
	for range steps {
		if p := m.code.Load(d.SectionOf(m.dom)); p != nil {
			for _, op := range p.ops {
				sum += int(op)
			}
		}
		d.Poll()
	}
	return sum
}

func (m *vm) collect(d *stw.Domain) {
	m.w.RunOnAll(d, func(d *stw.Domain, st *stw.Stop) {
		if st.Leader() == d {
			m.gcs.Add(1)
		}
		st.Barrier(nil)
	}, stw.StopOptions{})
}

func (m *vm) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := m.w.Spawn(func(d *stw.Domain) {
			defer c.Close()
			var line []byte
			in := bufio.NewReader(c)
			for {
				var err error
				d.Blocking(func() { line, err = in.ReadBytes('\n') })
				if err != nil {
					return
				}
				n := m.work(d, len(line))
				d.Blocking(func() { _, err = fmt.Fprintln(c, n) })
				if err != nil {
					return
				}
			}
		}); err != nil {
			c.Close()
			return err
		}
	}
}

// A lease holds an object for a client that may be slow, until it ends or its time is over.
type lease struct {
	h     smr.Held[routes]
	timer *time.Timer
	once  sync.Once
}

func (r *router) lease(d time.Duration) (*lease, error) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	t := r.routes.Load(s)
	if t == nil {
		return nil, os.ErrNotExist
	}
	l := &lease{h: smr.Hold(s, t)}
	l.timer = time.AfterFunc(d, l.end)
	return l, nil
}

func (l *lease) end() { l.once.Do(l.h.Release) }

func (l *lease) stop() {
	if l.timer.Stop() {
		l.end()
	}
}

// diff compares what is held with what is current.
func (r *router) diff(l *lease) (n int, err error) {
	if !l.h.Active() {
		return 0, os.ErrDeadlineExceeded
	}
	old := l.h.Get()
	s := r.dom.Enter()
	defer s.Leave()
	cur := r.routes.Load(s)
	if cur == nil {
		return 0, os.ErrNotExist
	}
	for bits := range cur.byBits {
		if len(cur.byBits[bits]) != len(old.byBits[bits]) {
			n++
		}
	}
	return n, nil
}

// counted gives up references by callbacks that free nothing.
func (r *router) counted(t *routes, n int) {
	t.refs.Add(int32(n))
	for range n {
		smr.Call(r.dom, t, 0, func(t *routes) { t.refs.Add(-1) })
	}
}

// swapAll exchanges two pointers under their lock.
func swapAll(mu sync.Locker, a, b *smr.Pointer[routes]) {
	mu.Lock()
	defer mu.Unlock()
	x, y := a.LoadSerialized(), b.LoadSerialized()
	a.StoreRelaxed(y)
	b.StoreRelaxed(x)
}

// closing is how a program ends.
func closing(ctx context.Context, r *router, b *broker, c *fileCache) error {
	err := errors.Join(c.drop(ctx), b.topics.Close(ctx), b.blocks.Close(ctx))
	if t := r.routes.Swap(nil); t != nil {
		smr.Call(r.dom, t, 4096, func(*routes) {})
	}
	return errors.Join(err, r.dom.Close(ctx))
}
