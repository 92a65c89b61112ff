// Package cowtree is a copy-on-write B-tree in a mapped file, from 64-bit keys to 64-bit values. Readers
// walk the version that was current when they began; pages of old versions are used again when no
// reader has them.
package cowtree

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"sort"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

const (
	pageSize = 1024
	head     = 16                        // kind (2), entries (2), unused
	entry    = 16                        // key, and value or page
	fanout   = (pageSize - head) / entry // entries of a page
	leaf     = 1
	inner    = 2
)

// ErrCorrupt is wrapped by the errors for pages that make no sense.
var ErrCorrupt = errors.New("cowtree: corrupt page")

// A page is a page of the file, borrowed, or a copy of one.
type page []byte

func (p page) kind() int        { return int(binary.LittleEndian.Uint16(p)) }
func (p page) len() int         { return int(binary.LittleEndian.Uint16(p[2:])) }
func (p page) key(i int) uint64 { return binary.LittleEndian.Uint64(p[head+i*entry:]) }
func (p page) val(i int) uint64 { return binary.LittleEndian.Uint64(p[head+i*entry+8:]) }
func (p page) setLen(kind, n int) {
	binary.LittleEndian.PutUint16(p, uint16(kind))
	binary.LittleEndian.PutUint16(p[2:], uint16(n))
}

func (p page) set(i int, key, val uint64) {
	binary.LittleEndian.PutUint64(p[head+i*entry:], key)
	binary.LittleEndian.PutUint64(p[head+i*entry+8:], val)
}

// seek returns the place of the first entry whose key is not below key.
func (p page) seek(key uint64) int {
	return sort.Search(p.len(), func(i int) bool { return p.key(i) >= key })
}

// child returns the place of the child that may have key.
func (p page) child(key uint64) int {
	return max(sort.Search(p.len(), func(i int) bool { return p.key(i) > key })-1, 0)
}

// A version is a root, and the pages that the next version does not have. Earlier versions may have
// them: they are free when this version and all before it have no reader.
type version struct {
	tree  *Tree
	root  uint64
	count int
	stale []uint64
	over  bool
}

// free runs when no reader has the version any more.
func (v *version) free() {
	t := v.tree
	t.freeMu.Lock()
	defer t.freeMu.Unlock()
	v.over = true
	for len(t.retired) > 0 && t.retired[0].over {
		t.free = append(t.free, t.retired[0].stale...)
		t.retired = t.retired[1:]
	}
}

// A Tree is a B-tree in a file.
type Tree struct {
	dom     *smr.Domain
	file    *smrfile.File
	current smr.Pointer[version]

	mu      sync.Mutex // writers
	used    uint64     // pages of the file that were ever used; guarded by mu
	written []uint64   // pages of the version that is being made

	freeMu  sync.Mutex
	free    []uint64
	retired []*version // the oldest first
}

// Create makes a tree in a new file.
func Create(dom *smr.Domain, path string) (*Tree, error) {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, err
	}
	f, err := smrfile.Open(dom, path, smrfile.Options{Write: true, Reserve: 64 << 20})
	if err != nil {
		return nil, err
	}
	t := &Tree{dom: dom, file: f}
	t.current.GuardedBy(&t.mu)
	root := make(page, pageSize)
	root.setLen(leaf, 0)
	n, err := t.write(root)
	if err != nil {
		return nil, errors.Join(err, f.Remove(context.Background()))
	}
	t.current.Init(&version{tree: t, root: n})
	return t, nil
}

// page returns page n, borrowed in section s.
func (t *Tree) page(s smr.Section, n uint64) (page, error) {
	b, err := t.file.View(s, int64(n)*pageSize, pageSize)
	if err != nil {
		return nil, err
	}
	p := page(b)
	if k := p.kind(); k != leaf && k != inner || p.len() > fanout {
		return nil, fmt.Errorf("%w: %d", ErrCorrupt, n)
	}
	return p, nil
}

// copyOf returns a copy of page n, for a writer.
func (t *Tree) copyOf(n uint64) (page, error) {
	p := make(page, pageSize)
	if _, err := t.file.ReadAt(p, int64(n)*pageSize); err != nil {
		return nil, err
	}
	return p, nil
}

// write writes a page to where no reader is, and returns where.
func (t *Tree) write(p page) (uint64, error) {
	var n uint64
	t.freeMu.Lock()
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	}
	t.freeMu.Unlock()
	if n == 0 {
		n = t.used + 1 // page 0 is not used
		if size := int64(n+1) * pageSize; t.file.Size() < size {
			if err := t.file.Grow(max(size, 2*t.file.Size())); err != nil {
				return 0, err
			}
		}
		t.used = n
	}
	t.written = append(t.written, n)
	_, err := t.file.WriteAt(p, int64(n)*pageSize)
	return n, err
}

// Get returns the value of a key.
func (t *Tree) Get(key uint64) (value uint64, ok bool, err error) {
	s := t.dom.Enter()
	defer s.Leave()
	n := t.current.Load(s).root
	for {
		p, err := t.page(s, n)
		if err != nil {
			return 0, false, err
		}
		if p.kind() == inner {
			n = p.val(p.child(key))
			continue
		}
		i := p.seek(key)
		if i == p.len() || p.key(i) != key {
			return 0, false, nil
		}
		return p.val(i), true, nil
	}
}

// A split is a page that became two.
type split struct {
	page  uint64
	key   uint64
	right uint64 // 0: it did not become two
}

// Put sets the value of a key.
func (t *Tree) Put(key, value uint64) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written = t.written[:0]
	defer func() {
		if err != nil { // no version has these pages
			t.freeMu.Lock()
			t.free = append(t.free, t.written...)
			t.freeMu.Unlock()
		}
	}()
	old := t.current.LoadSerialized()
	next := &version{tree: t, count: old.count}
	var stale []uint64
	sp, err := t.put(old.root, key, value, next, &stale)
	if err != nil {
		return err
	}
	next.root = sp.page
	if sp.right != 0 {
		top := make(page, pageSize)
		top.setLen(inner, 2)
		top.set(0, 0, sp.page)
		top.set(1, sp.key, sp.right)
		if next.root, err = t.write(top); err != nil {
			return err
		}
	}
	t.current.Store(next)
	old.stale = stale // readers do not look at that
	t.freeMu.Lock()
	t.retired = append(t.retired, old)
	t.freeMu.Unlock()
	smr.Call(t.dom, old, len(stale)*pageSize, (*version).free)
	return nil
}

func (t *Tree) put(n, key, value uint64, next *version, stale *[]uint64) (split, error) {
	p, err := t.copyOf(n)
	if err != nil {
		return split{}, err
	}
	*stale = append(*stale, n)
	if p.kind() == leaf {
		i := p.seek(key)
		if i < p.len() && p.key(i) == key {
			p.set(i, key, value)
			at, err := t.write(p)
			return split{page: at}, err
		}
		next.count++
		return t.insert(p, i, key, value)
	}
	i := p.child(key)
	sp, err := t.put(p.val(i), key, value, next, stale)
	if err != nil {
		return split{}, err
	}
	p.set(i, p.key(i), sp.page)
	if sp.right == 0 {
		at, err := t.write(p)
		return split{page: at}, err
	}
	return t.insert(p, i+1, sp.key, sp.right)
}

// insert inserts an entry into a copy of a page, and writes that.
func (t *Tree) insert(p page, i int, key, val uint64) (split, error) {
	n := p.len()
	if n < fanout {
		copy(p[head+(i+1)*entry:], p[head+i*entry:head+n*entry])
		p.set(i, key, val)
		p.setLen(p.kind(), n+1)
		at, err := t.write(p)
		return split{page: at}, err
	}
	half := n / 2
	right := make(page, pageSize)
	copy(right[head:], p[head+half*entry:head+n*entry])
	right.setLen(p.kind(), n-half)
	p.setLen(p.kind(), half)
	var l, r split
	var err error
	if i <= half {
		if l, err = t.insert(p, i, key, val); err != nil {
			return split{}, err
		}
		r.page, err = t.write(right)
	} else {
		if l.page, err = t.write(p); err != nil {
			return split{}, err
		}
		r, err = t.insert(right, i-half, key, val)
	}
	return split{l.page, right.key(0), r.page}, err
}

// A Snapshot is a version that is kept for long, for a backup or a report.
type Snapshot struct {
	held smr.Held[version]
}

// Snapshot returns the current version. The caller closes it.
func (t *Tree) Snapshot() *Snapshot {
	s := t.dom.Enter()
	defer s.Leave()
	return &Snapshot{smr.Hold(s, t.current.Load(s))}
}

// Len returns the number of keys.
func (sn *Snapshot) Len() int { return sn.held.Get().count }

// Close ends the snapshot.
func (sn *Snapshot) Close() { sn.held.Release() }

// Range iterates over the keys from lo to hi. A section is open while it runs, not between two pages.
func (sn *Snapshot) Range(lo, hi uint64, errp *error) iter.Seq2[uint64, uint64] {
	v := sn.held.Get()
	return func(yield func(uint64, uint64) bool) {
		_, *errp = v.tree.walk(v.root, lo, hi, yield)
	}
}

func (t *Tree) walk(n, lo, hi uint64, yield func(uint64, uint64) bool) (more bool, err error) {
	var copied [pageSize]byte // its pages stay, as the version is held; the view does not
	s := t.dom.Enter()
	p, err := t.page(s, n)
	if err != nil {
		s.Leave()
		return false, err
	}
	copy(copied[:], p)
	s.Leave()
	p = copied[:]
	if p.kind() == leaf {
		for i := p.seek(lo); i < p.len() && p.key(i) <= hi; i++ {
			if !yield(p.key(i), p.val(i)) {
				return false, nil
			}
		}
		return true, nil
	}
	for i := p.child(lo); i < p.len() && p.key(i) <= hi; i++ {
		if more, err := t.walk(p.val(i), lo, hi, yield); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Pages returns how many pages were ever used, and how many of them are free.
func (t *Tree) Pages() (used, free int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freeMu.Lock()
	defer t.freeMu.Unlock()
	return int(t.used), len(t.free)
}

// Close closes the file.
func (t *Tree) Close(ctx context.Context) error {
	return errors.Join(t.dom.Barrier(ctx), t.file.Sync(), t.file.Close(ctx))
}
