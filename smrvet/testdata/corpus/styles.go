package corpus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// A guard wraps a section, with a name of the house.
type guard struct {
	smr.Section
	start time.Time
	where string
}

func (ix *index) guard(where string) guard {
	return guard{ix.dom.Enter(), time.Now(), where}
}

func (g guard) done() {
	g.Leave()
	if d := time.Since(g.start); d > time.Second {
		fmt.Fprintf(os.Stderr, "%s: %v in a section\n", g.where, d)
	}
}

// An index is a tree of immutable nodes, copied on write.
type index struct {
	dom   *smr.Domain
	mu    sync.RWMutex
	root  smr.Pointer[tree]
	pool  *slab.Pool[tree]
	block *slab.Blocks
	ops   atomic.Uint64
}

type tree struct {
	left, right smr.Pointer[tree]
	key         int64
	value       []byte // from block
}

var errNotFound = errors.New("not found")

func (ix *index) find(s smr.Section, key int64) (t *tree) {
	for t = ix.root.Load(s); t != nil; {
		switch {
		case key < t.key:
			t = t.left.Load(s)
		case key > t.key:
			t = t.right.Load(s)
		default:
			return t
		}
	}
	return nil
}

func (ix *index) get(key int64, dst []byte) (_ []byte, err error) {
	g := ix.guard("get")
	defer g.done()
	t := ix.find(g.Section, key)
	if t == nil {
		return dst, errNotFound
	}
	return append(dst, t.value...), nil
}

// enter returns a section and what ends it.
func (ix *index) enter() (s smr.Section, release func()) {
	s = ix.dom.Enter()
	return s, func() {
		ix.ops.Add(1)
		s.Leave()
	}
}

func (ix *index) contains(key int64) bool {
	s, release := ix.enter()
	defer release()
	return ix.find(s, key) != nil
}

// depth is recursive, in its caller's section.
func depth(s smr.Section, t *tree) int {
	if t == nil {
		return 0
	}
	return 1 + max(depth(s, t.left.Load(s)), depth(s, t.right.Load(s)))
}

func (ix *index) depth() int {
	s := ix.dom.Enter()
	defer s.Leave()
	return depth(s, ix.root.Load(s))
}

// walk calls fn in order, until it returns an error.
func (ix *index) walk(fn func(key int64, value []byte) error) (err error) {
	s := ix.dom.Enter()
	defer s.Leave()
	var visit func(t *tree) error
	visit = func(t *tree) error {
		if t == nil {
			return nil
		}
		if err := visit(t.left.Load(s)); err != nil {
			return err
		}
		if err := fn(t.key, t.value); err != nil {
			return err
		}
		return visit(t.right.Load(s))
	}
	return visit(ix.root.Load(s))
}

func (ix *index) marshal() ([]byte, error) {
	var buf bytes.Buffer
	err := ix.walk(func(key int64, value []byte) error {
		if err := binary.Write(&buf, binary.LittleEndian, key); err != nil {
			return err
		}
		_, err := buf.Write(value)
		return err
	})
	return buf.Bytes(), err
}

// copyAll clones what it keeps.
func (ix *index) copyAll() map[int64][]byte {
	m := make(map[int64][]byte)
	ix.walk(func(key int64, value []byte) error {
		m[key] = bytes.Clone(value)
		return nil
	})
	return m
}

// set replaces the value of a key that is there; readers see the old node or the new one.
func (ix *index) set(key int64, value []byte) error {
	fresh, err := ix.pool.Get()
	if err != nil {
		return err
	}
	block, err := ix.block.Get(len(value))
	if err != nil {
		ix.pool.Free(fresh)
		return err
	}
	copy(block, value)
	ix.mu.Lock()
	defer ix.mu.Unlock()
	at := &ix.root
	for t := at.LoadSerialized(); t != nil; t = at.LoadSerialized() {
		switch {
		case key < t.key:
			at = &t.left
			continue
		case key > t.key:
			at = &t.right
			continue
		}
		fresh.key, fresh.value = key, block
		fresh.left.Init(t.left.LoadSerialized())
		fresh.right.Init(t.right.LoadSerialized())
		at.Store(fresh)
		smr.Call(ix.dom, t, len(t.value), ix.free)
		return nil
	}
	ix.block.Free(block)
	ix.pool.Free(fresh)
	return errNotFound
}

func (ix *index) free(t *tree) {
	ix.block.Free(t.value)
	t.value = nil
	ix.pool.Free(t)
}

// trySet is for a program that ends.
func (ix *index) clear() {
	ix.mu.Lock()
	root := ix.root.Swap(nil)
	ix.mu.Unlock()
	if root == nil {
		return
	}
	if !smr.TryCall(ix.dom, root, 1<<10, ix.freeAll) {
		ix.freeAll(root) // no readers any more
	}
}

func (ix *index) freeAll(t *tree) {
	for _, child := range [...]*tree{t.left.LoadUnserialized(), t.right.LoadUnserialized()} {
		if child != nil {
			ix.freeAll(child)
		}
	}
	ix.free(t)
}

// A reader keeps its Reader in a pool.
var readers = sync.Pool{}

func (ix *index) pooled(key int64) (n int) {
	r, _ := readers.Get().(*smr.Reader)
	if r == nil {
		r = ix.dom.NewReader()
	}
	defer readers.Put(r)
	s := r.Enter()
	if t := ix.find(s, key); t != nil {
		n = len(t.value)
	}
	s.Leave()
	return n
}

// source is an interface that hides sections.
type source interface {
	io.Closer
	next() (key int64, value []byte, ok bool)
}

type cursor struct {
	ix    *index
	s     smr.Section
	stack []*tree
	open  bool
}

func (ix *index) cursor() source {
	c := &cursor{ix: ix, s: ix.dom.Enter(), open: true}
	c.descend(ix.root.Load(c.s))
	return c
}

func (c *cursor) descend(t *tree) {
	for ; t != nil; t = t.left.Load(c.s) {
		c.stack = append(c.stack, t)
	}
}

func (c *cursor) next() (key int64, value []byte, ok bool) {
	if len(c.stack) == 0 {
		return 0, nil, false
	}
	t := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	c.descend(t.right.Load(c.s))
	return t.key, t.value, true
}

func (c *cursor) Close() error {
	if !c.open {
		return os.ErrClosed
	}
	c.open, c.stack = false, nil
	c.s.Leave()
	return nil
}

func (ix *index) total() (n int, err error) {
	src := ix.cursor()
	defer func() { err = errors.Join(err, src.Close()) }()
	for {
		_, v, ok := src.next()
		if !ok {
			return n, nil
		}
		n += len(v)
	}
}

// both needs sections of two domains, and leaves them in any order.
func both(a, b *index, key int64) (x, y int) {
	sa, sb := a.dom.Enter(), b.dom.Enter()
	if t := a.find(sa, key); t != nil {
		x = len(t.value)
	}
	if t := b.find(sb, key); t != nil {
		y = len(t.value)
	}
	sa.Leave()
	sb.Leave()
	return x, y
}

// many opens a section for each of several domains.
func many(ixs []*index, key int64) (found []int) {
	open := make([]smr.Section, 0, len(ixs))
	defer func() {
		for _, s := range open {
			s.Leave()
		}
	}()
	for i, ix := range ixs {
		s := ix.dom.Enter()
		open = append(open, s)
		if ix.find(s, key) != nil {
			found = append(found, i)
		}
	}
	return found
}

// retry enters anew as long as the structure is being rebuilt.
func (ix *index) retry(ctx context.Context, key int64) (n int, err error) {
outer:
	for attempt := 0; ; attempt++ {
		s, ok := ix.dom.TryEnter()
		switch {
		case !ok:
			return 0, smr.ErrClosed
		case ix.root.Load(s) == nil && attempt < 3:
			s.Leave()
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Millisecond << attempt):
				continue outer
			}
		}
		t := ix.find(s, key)
		if t == nil {
			s.Leave()
			break
		}
		n = len(t.value)
		s.Leave()
		return n, nil
	}
	return 0, errNotFound
}

// tryEnter hides the section's kind.
func (ix *index) tryEnter(pin bool) (s smr.Section, ok bool) {
	if pin {
		return ix.dom.Pin(), true
	}
	return ix.dom.TryEnter()
}

func (ix *index) quick(key int64) (ok bool) {
	s, entered := ix.tryEnter(true)
	if !entered {
		return false
	}
	ok = ix.find(s, key) != nil
	s.Leave()
	return ok
}

// must panics if what it is given is wrong, in a section that a deferred call leaves.
func (ix *index) must(key int64) int64 {
	s := ix.dom.Enter()
	defer s.Leave()
	t := ix.find(s, key)
	if t == nil {
		panic(fmt.Sprintf("no %d", key))
	}
	return t.key
}

func (ix *index) recovered(key int64) (k int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return ix.must(key), nil
}

// unsafeView reads words in place.
func (ix *index) firstWord(key int64) (w uint64) {
	s := ix.dom.Enter()
	defer s.Leave()
	if t := ix.find(s, key); t != nil && len(t.value) >= 8 {
		p := (*uint64)(unsafe.Pointer(unsafe.SliceData(t.value)))
		w = *p
	}
	return w
}

// lower makes strings of what is borrowed.
func (ix *index) lower(key int64) string {
	s := ix.dom.Enter()
	defer s.Leave()
	t := ix.find(s, key)
	if t == nil {
		return ""
	}
	return strings.ToLower(string(t.value))
}

// events is fed by callbacks.
func (ix *index) notify(done chan<- struct{}) {
	ix.dom.CallFunc(0, func() { close(done) })
	ix.dom.Flush()
}

func (ix *index) later(keys []int64) {
	kept := append([]int64(nil), keys...)
	ix.dom.CallFunc(8*len(kept), func() {
		sort.Slice(kept, func(i, j int) bool { return kept[i] < kept[j] })
	})
}

// batch unlinks with no wait, and waits once for all.
func (ix *index) batch(ctx context.Context, ts []*smr.Pointer[tree]) error {
	var dead []*tree
	ix.mu.Lock()
	for _, p := range ts {
		if t := p.LoadSerialized(); t != nil {
			p.Store(nil)
			dead = append(dead, t)
		}
	}
	ix.mu.Unlock()
	goal := ix.dom.DeferredAdvance()
	if err := ix.dom.Wait(ctx, goal); err != nil {
		for _, t := range dead {
			smr.Call(ix.dom, t, 64, ix.free)
		}
		return err
	}
	for _, t := range dead {
		ix.free(t)
	}
	return nil
}

// share uses a share of a pool, and falls back.
func (ix *index) share(old *tree) *tree {
	l := ix.pool.Pin()
	fresh := l.Swap(old)
	l.Unpin()
	if fresh == nil {
		var err error
		if fresh, err = ix.pool.Get(); err != nil {
			return nil
		}
		ix.pool.Retire(old)
	}
	return fresh
}

// stream keeps what it sends, and not its section.
func (ix *index) stream(w io.Writer, key int64) error {
	s := ix.dom.Enter()
	t := ix.find(s, key)
	if t == nil {
		s.Leave()
		return errNotFound
	}
	h := smr.Hold(s, t)
	s.Leave()
	copies := make(chan smr.Held[tree], 1)
	copies <- h.Clone()
	errs := make(chan error, 1)
	go func() {
		h := <-copies
		defer h.Release()
		_, err := w.Write(h.Get().value)
		errs <- err
	}()
	h.Release()
	return <-errs
}

// A pipeline has workers with a Reader each.
func (ix *index) pipeline(ctx context.Context, keys <-chan int64) <-chan int {
	sizes := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := ix.dom.NewReader()
			defer r.Close()
			for key := range keys {
				s := r.Enter()
				n := -1
				if t := ix.find(s, key); t != nil {
					n = len(t.value)
				}
				s.Leave()
				select {
				case sizes <- n:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	go func() {
		wg.Wait()
		close(sizes)
	}()
	return sizes
}

// A registry has callbacks in a queue, called in a section that they may block in.
type registry struct {
	dom  *smr.Domain
	mu   sync.Mutex
	subs *smrq.List[sub]
}

type sub struct {
	fn   func(ev string)
	dead atomic.Bool
	link smrq.Link[sub]
}

func (r *registry) subscribe(fn func(string)) (cancel func()) {
	e := &sub{fn: fn}
	r.mu.Lock()
	r.subs.InsertHead(e)
	r.mu.Unlock()
	var once sync.Once
	return func() {
		once.Do(func() {
			e.dead.Store(true)
			r.mu.Lock()
			r.subs.Remove(e)
			r.mu.Unlock()
			smr.Call(r.dom, e, int(unsafe.Sizeof(*e)), func(*sub) {})
		})
	}
}

func (r *registry) publish(ev string) (n int) {
	s := r.dom.Enter()
	defer s.Leave()
	for e := range r.subs.All(s) {
		if e.dead.Load() {
			continue
		}
		e.fn(ev)
		n++
	}
	return n
}

func (r *registry) functions() (fns []func(string)) {
	s := r.dom.Enter()
	for e := r.subs.First(s); e != nil; e = r.subs.Next(s, e) {
		fns = append(fns, e.fn)
	}
	s.Leave()
	return fns
}

// hot reads a few words, pinned.
func hot(dom *smr.Domain, counters []*smr.Pointer[atomic.Int64]) (sum int64) {
	for _, p := range counters {
		s := dom.Pin()
		if c := p.Load(s); c != nil {
			sum += c.Load()
		}
		s.Leave()
	}
	return sum
}

// sized reports how much of a map a prefix takes.
func sized(m *smrmap.Bytes, prefix []byte) (keys, bytesOf int) {
	for k, it := range m.All() {
		if !bytes.HasPrefix(k, prefix) {
			continue
		}
		keys++
		bytesOf += len(k) + len(it.Value)
	}
	return keys, bytesOf
}

func firstWith(m *smrmap.Bytes, prefix string) (string, bool) {
	for k := range m.Keys() {
		if strings.HasPrefix(string(k), prefix) {
			return string(k), true
		}
	}
	return "", false
}

func deleteAll(m *smrmap.Bytes, prefix []byte) (n int) {
	var doomed [][]byte
	for k := range m.Keys() {
		if bytes.HasPrefix(k, prefix) {
			doomed = append(doomed, append([]byte(nil), k...))
		}
	}
	for _, k := range doomed {
		if m.Delete(k) {
			n++
		}
	}
	return n
}

// A typed map decodes values in place.
type typed[V any] struct {
	m      *smrmap.Bytes
	decode func([]byte) (V, error)
}

func (t typed[V]) get(key string) (v V, err error) {
	s := t.m.Enter()
	defer s.Leave()
	it, ok := t.m.LoadIn(s, []byte(key))
	if !ok {
		return v, errNotFound
	}
	return t.decode(it.Value)
}

func (t typed[V]) view(key string, use func(V)) error {
	var err error
	if !t.m.View([]byte(key), func(it smrmap.Item) {
		var v V
		if v, err = t.decode(it.Value); err == nil {
			use(v)
		}
	}) {
		return errNotFound
	}
	return err
}

func TestIndex(t *testing.T) {
	for name, value := range map[string]string{"empty": "", "one": "1"} {
		t.Run(name, func(t *testing.T) {
			ix := &index{dom: testDomain(t)}
			ix.root.In(ix.dom)
			s := testEnter(t, ix.dom)
			if ix.find(s, 1) != nil {
				t.Fatalf("found, before %q", value)
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	ix := &index{dom: smr.Default()}
	b.Run("enter", func(b *testing.B) {
		for b.Loop() {
			s := ix.dom.Enter()
			_ = ix.find(s, 1)
			s.Leave()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			r := ix.dom.NewReader()
			defer r.Close()
			for pb.Next() {
				s := r.Enter()
				_ = ix.find(s, 1)
				s.Leave()
			}
		})
	})
	b.Run("one section", func(b *testing.B) {
		s := ix.dom.Enter()
		defer s.Leave()
		for range b.N {
			_ = ix.find(s, 1)
		}
	})
}

func ExampleDomain() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	defer dom.Close(context.Background())
	var greeting smr.Pointer[string]
	hello := "hello"
	greeting.Init(&hello)
	s := dom.Enter()
	fmt.Println(*greeting.Load(s))
	s.Leave()
	// Output: hello
}
