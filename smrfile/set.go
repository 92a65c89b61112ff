package smrfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/gosmr/gosmr/smr"
)

// A Set is a list of files that readers see as a whole: the segments of a store, say. A section has one
// version of it, for the cost of a load, whatever files there are; and a Replace makes the next. A file
// that was dropped is closed, once, when the last version that has it has no reader any more, by a
// section or a hold. All methods are safe for concurrent use. Make it with [NewSet].
//
// The files belong to the set from the Replace that adds them on: leave their Close to it.
type Set[K comparable] struct {
	dom *smr.Domain

	// cur is the version that readers find, never nil. It is stored with mu held.
	cur smr.Pointer[version[K]]

	mu      sync.Mutex // guards all below; held for no system call
	members map[*File]*member
	closed  bool
	bound   int64         // of waiting
	waiting int64         // bytes of files that were dropped and have not ended
	unended int           // such files
	changed chan struct{} // closed when one ends; nil if no goroutine waits
	errs    []error       // of ends, at most maxErrs
}

// maxErrs bounds how many errors Set.Close returns.
const maxErrs = 10

// A member is a file of a set.
type member struct {
	versions int   // live ones that have it
	size     int64 // when it was dropped
	drop     Drop
}

// A version is a list of files that does not change. It ends by the callback of an smr.Call.
type version[K comparable] struct {
	set   *Set[K]
	list  []Entry[K]
	index map[K]int
}

// An Entry is a file of a Set, with its key.
type Entry[K comparable] struct {
	Key  K
	File *File
}

// A Drop says what becomes of files that are dropped from a Set, after their readers have left.
type Drop int

const (
	CloseDropped  Drop = iota // they are closed
	RemoveDropped             // and removed from their directories
)

// NewSet returns an empty set. Its files, and sections, are of domain d. It panics if d is nil.
func NewSet[K comparable](d *smr.Domain) *Set[K] {
	if d == nil {
		panic("smrfile: nil domain")
	}
	set := &Set[K]{dom: d, members: make(map[*File]*member), bound: math.MaxInt64}
	set.cur.In(d)
	set.cur.GuardedBy(&set.mu)
	set.cur.Init(set.versionOf(nil))
	return set
}

func (set *Set[K]) versionOf(list []Entry[K]) *version[K] {
	v := &version[K]{set: set, list: list, index: make(map[K]int, len(list))}
	for i, e := range list {
		v.index[e.Key] = i
	}
	return v
}

// Domain returns the domain of the set and its files.
func (set *Set[K]) Domain() *smr.Domain { return set.dom }

// Enter enters a section of the domain.
func (set *Set[K]) Enter() smr.Section { return set.dom.Enter() }

// Load returns the present version, for section s: its files are open until s is left. Of a closed set
// it is empty. Cost: a load.
func (set *Set[K]) Load(s smr.Section) View[K] { return View[K]{set.cur.Load(s)} }

// A View is a version of a Set: see [Set.Load]. The zero View is empty.
type View[K comparable] struct{ v *version[K] }

// Len returns the number of files.
func (v View[K]) Len() int {
	if v.v == nil {
		return 0
	}
	return len(v.v.list)
}

// At returns the file at place i, with its key.
func (v View[K]) At(i int) (K, *File) {
	e := v.v.list[i]
	return e.Key, e.File
}

// File returns the file of that key, nil if there is none.
func (v View[K]) File(k K) *File {
	if v.v != nil {
		if i, ok := v.v.index[k]; ok {
			return v.v.list[i].File
		}
	}
	return nil
}

// All iterates over the files in their order.
func (v View[K]) All() iter.Seq2[K, *File] {
	return func(yield func(K, *File) bool) {
		for i := range v.Len() {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// A HeldView is a version that is held: see [Set.Hold].
type HeldView[K comparable] struct {
	View[K]
	h smr.Held[version[K]]
}

// Hold keeps the present version after s was left, until Release: for iterators. Its files stay open, also
// those that are dropped meanwhile, so that short sections can be entered for each step; it holds back
// nothing else. Cost: that of [smr.Hold].
func (set *Set[K]) Hold(s smr.Section) HeldView[K] {
	v := set.cur.Load(s)
	return HeldView[K]{View[K]{v}, smr.Hold(s, v)}
}

// Release ends the hold. It panics if that was done before.
func (v HeldView[K]) Release() { v.h.Release() }

// SetMaxWaiting bounds the bytes of files that were dropped and not ended yet, as readers have them: while
// there are as many, a Replace that drops files waits. At first there is no bound, nor with 0.
func (set *Set[K]) SetMaxWaiting(bytes int64) {
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.bound = bytes; bytes <= 0 {
		set.bound = math.MaxInt64
	}
	set.wakeLocked()
}

// Waiting returns how many bytes of files were dropped and have not ended yet.
func (set *Set[K]) Waiting() int64 {
	set.mu.Lock()
	defer set.mu.Unlock()
	return set.waiting
}

// Replace makes the next version: without the files whose keys drop has, and with those of add. These
// take the place of the first that is dropped, or come last. It waits for no reader, but for what waits
// for readers if that is too much (see SetMaxWaiting), until ctx ends.
//
// While too much waits it must not be called in a section or a callback of the domain, nor by a
// goroutine that holds a version: it may be what Replace waits for.
//
// Replace changes nothing if it fails: with what ctx.Err says; [smr.ErrInCallback]; [io/fs.ErrClosed]; or because a key to drop is
// not there, a key or file to add is there already, or the file is of another domain. What goes wrong
// when a file ends is logged (log/slog), and returned by Close.
func (set *Set[K]) Replace(ctx context.Context, add []Entry[K], drop []K, what Drop) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	err := set.waitLocked(ctx, func() bool { return set.closed || len(drop) == 0 || set.waiting < set.bound })
	if err != nil {
		return fmt.Errorf("smrfile: Replace: %d bytes of %d files that were dropped have readers: %w", set.waiting, set.unended, err)
	}
	if set.closed {
		return fmt.Errorf("smrfile: Replace in a Set: %w", fs.ErrClosed)
	}
	old := set.cur.LoadSerialized()
	list, dropped, err := old.replaced(add, drop)
	if err != nil {
		return fmt.Errorf("smrfile: Replace: %w", err)
	}
	set.publishLocked(list, dropped, what)
	return nil
}

// replaced returns the next version's list, and the files that it has no more.
func (v *version[K]) replaced(add []Entry[K], drop []K) (list []Entry[K], dropped []*File, err error) {
	gone := make(map[K]bool, len(drop))
	place := len(v.list)
	for _, k := range drop {
		i, ok := v.index[k]
		if !ok || gone[k] {
			return nil, nil, fmt.Errorf("no file of key %v to drop", k)
		}
		gone[k] = true
		place = min(place, i)
		dropped = append(dropped, v.list[i].File)
	}
	list = make([]Entry[K], 0, len(v.list)+len(add))
	list = append(list, v.list[:place]...)
	keys := make(map[K]bool, len(add))
	for _, e := range add {
		_, there := v.index[e.Key]
		switch {
		case there && !gone[e.Key] || keys[e.Key]:
			return nil, nil, fmt.Errorf("key %v is there already", e.Key)
		case e.File == nil:
			return nil, nil, fmt.Errorf("key %v without a file", e.Key)
		case e.File.open.Err() != nil:
			return nil, nil, fmt.Errorf("file %s: %w", e.File.path, fs.ErrClosed)
		case e.File.dom != v.set.dom:
			return nil, nil, fmt.Errorf("file %s is of domain %s", e.File.path, e.File.dom.Name())
		case v.set.members[e.File] != nil || slices.ContainsFunc(list, func(o Entry[K]) bool { return o.File == e.File }):
			return nil, nil, fmt.Errorf("file %s is, or was, in the set", e.File.path)
		}
		keys[e.Key] = true
		list = append(list, e)
	}
	for _, e := range v.list[place:] {
		if !gone[e.Key] {
			list = append(list, e)
		}
	}
	return list, dropped, nil
}

// publishLocked makes list what readers find.
func (set *Set[K]) publishLocked(list []Entry[K], dropped []*File, what Drop) {
	old := set.cur.LoadSerialized()
	for _, e := range list {
		m := set.members[e.File]
		if m == nil {
			m = &member{}
			set.members[e.File] = m
		}
		m.versions++
	}
	for _, f := range dropped {
		m := set.members[f]
		m.size, m.drop = f.Size(), what
		set.waiting += m.size
		set.unended++
	}
	set.cur.Store(set.versionOf(list))
	if smr.TryCall(set.dom, old, 0, (*version[K]).end) {
		return
	}
	go func() { // the domain is closed: see File.publish
		if set.dom.Close(context.Background()) == nil {
			old.end()
		}
	}()
}

// end closes the files that no other version has. No reader has this one.
func (v *version[K]) end() {
	set := v.set
	var last []*File
	var members []*member
	set.mu.Lock()
	for _, e := range v.list {
		m := set.members[e.File]
		if m.versions--; m.versions == 0 {
			last, members = append(last, e.File), append(members, m)
		}
	}
	set.mu.Unlock()
	for i, f := range last {
		m := members[i]
		ended := func(err error) { set.ended(f, m, err) }
		if !f.beginClose(m.drop == RemoveDropped, ended) {
			ended(f.fail("close", fs.ErrClosed)) // by other code
		}
	}
}

// ended notes that a file has ended.
func (set *Set[K]) ended(f *File, m *member, err error) {
	set.mu.Lock()
	defer set.mu.Unlock()
	delete(set.members, f)
	set.waiting -= m.size
	set.unended--
	if err != nil && len(set.errs) < maxErrs {
		set.errs = append(set.errs, err)
	}
	set.wakeLocked()
}

func (set *Set[K]) wakeLocked() {
	if set.changed != nil {
		close(set.changed)
		set.changed = nil
	}
}

// waitLocked waits until is reports true, with mu unlocked meanwhile.
func (set *Set[K]) waitLocked(ctx context.Context, is func() bool) error {
	for !is() {
		if set.changed == nil {
			set.changed = make(chan struct{})
		}
		if err := set.awaitLocked(ctx, set.changed); err != nil && !is() {
			return err
		}
	}
	return nil
}

// awaitLocked waits for a change, with mu unlocked meanwhile.
func (set *Set[K]) awaitLocked(ctx context.Context, changed <-chan struct{}) error {
	set.mu.Unlock()
	defer set.mu.Lock() // also where mayWait panics
	if err := mayWait(set.dom); err != nil {
		return err
	}
	set.dom.Flush()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
	}
	if err := set.dom.Synchronize(ctx); err != nil && !errors.Is(err, smr.ErrClosed) {
		return err // it names the oldest section
	}
	return ctx.Err()
}

// Close empties the set and closes its files, once: after it Load returns an empty View, and Replace and
// Close return [io/fs.ErrClosed]. It waits until the files have ended, also those that were dropped before,
// and returns their errors. If ctx ends first it also says how many have readers; they end behind it. Close
// must not be called in a section of the domain, which it would wait for, nor in a callback.
func (set *Set[K]) Close(ctx context.Context) error {
	set.dom.CheckMayWait("smrfile: Close of a Set")
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.closed {
		return fmt.Errorf("smrfile: Close of a Set: %w", fs.ErrClosed)
	}
	set.closed = true
	var dropped []*File
	for _, e := range set.cur.LoadSerialized().list {
		dropped = append(dropped, e.File)
	}
	set.publishLocked(nil, dropped, CloseDropped)
	set.wakeLocked()
	err := set.waitLocked(ctx, func() bool { return set.unended == 0 })
	if err != nil {
		err = fmt.Errorf("smrfile: Close of a Set, which is closed: %d files (%d bytes) have readers, and end when these have left: %w",
			set.unended, set.waiting, err)
	}
	return errors.Join(slices.Insert(slices.Clone(set.errs), 0, err)...)
}
