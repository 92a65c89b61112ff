//go:build invariants

package smrmap

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/leave"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/smr"
)

// Under -tags invariants a reader borrows a copy. As its section ends, or the step of its walk, the
// copy is compared with the entry, to find a write; then it can't be touched any more, or is
// poisoned: so a use after that is found, although nothing has reused the entry.

// A loan is a copy of what a reader borrows.
type loan struct {
	entry []byte // the original
	copy  []byte
	paged bool // the copy is from pages.Lend
	zero  func()
	key   func() string
	stack []uintptr // of the call that lent it
}

// outstanding is how many bytes are lent. Above mostLent readers borrow the entry itself.
var outstanding atomic.Int64

const (
	mostLent  = 64 << 20
	loanBytes = 4 << 10 // what a loan counts for at least
)

func (l *loan) charge() int64 { return max(int64(len(l.entry)), loanBytes) }

// newLoan returns a loan of an entry whose copy is still to be made, or nil if too much is lent.
func newLoan(entry []byte, key func() string) *loan {
	if len(entry) == 0 {
		return nil
	}
	l := &loan{entry: entry, key: key}
	if outstanding.Add(l.charge()) > mostLent {
		outstanding.Add(-l.charge())
		return nil
	}
	pcs := make([]uintptr, 16)
	l.stack = pcs[:runtime.Callers(3, pcs)]
	return l
}

// lend returns a loan of bytes, or nil if too much is lent.
func lend(entry []byte, key func() string) *loan {
	l := newLoan(entry, key)
	if l == nil {
		return nil
	}
	var p unsafe.Pointer
	if !leave.Pinned() {
		p = pages.Lend(len(entry))
	}
	if l.paged = p != nil; !l.paged {
		p = unsafe.Pointer(unsafe.SliceData(make([]uint64, (len(entry)+7)/8)))
	}
	l.copy = unsafe.Slice((*byte)(p), len(entry))
	copy(l.copy, entry)
	return l
}

// end takes the copy back, and says if that was written to.
func (l *loan) end() (found string) {
	outstanding.Add(-l.charge())
	written := !bytes.Equal(l.entry, l.copy)
	if l.zero != nil {
		l.zero()
	} else {
		for i := range l.copy {
			l.copy[i] = poison
		}
	}
	if l.paged {
		pages.Recall(unsafe.Pointer(unsafe.SliceData(l.copy)), len(l.copy), leave.Pinned())
	}
	if !written {
		return ""
	}
	key := l.key()
	return fmt.Sprintf("smrmap: the value of key %s was written to while it was borrowed. Change a copy, and Store that. It was lent%s", key[:min(len(key), 100)], callers.Stack(l.stack).By())
}

// poison fills copies that were taken back.
const poison = 0xdb

// lendValue returns what LoadIn lends of value v, in section s. Where entries are on the Go heap the
// copy is the collector's, and is zeroed: poison would be bad pointers.
func lendValue[K comparable, V any](m *Map[K, V], s smr.Section, k K, v *V) *V {
	entry := unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
	key := func() string { return fmt.Sprint(k) }
	var l *loan
	if m.pool != nil {
		l = lend(entry, key)
	} else if l = newLoan(entry, key); l != nil {
		c := new(V)
		*c = *v
		l.copy = unsafe.Slice((*byte)(unsafe.Pointer(c)), len(entry))
		l.zero = func() { *c = *new(V) }
	}
	if l == nil {
		return v
	}
	leave.At(s, l.end)
	return (*V)(unsafe.Pointer(unsafe.SliceData(l.copy)))
}

// lendItem is lendValue of an entry of Bytes.
func lendItem(s smr.Section, e *header, it Item) Item {
	l := lend(it.Value, e.name())
	if l == nil {
		return it
	}
	leave.At(s, l.end)
	return Item{l.copy[:len(l.copy):len(l.copy)], it.Expires}
}

// name returns a function that names the entry's key, while the entry is there.
func (e *header) name() func() string {
	return func() string { return fmt.Sprintf("%q", e.key()[:min(e.keyLen, 100)]) }
}

// yieldTo is a step of a walk: it lends the entry until yield returns.
func yieldTo(e *header, it Item, yield func([]byte, Item) bool) bool {
	all := unsafe.Slice(unsafe.SliceData(e.key()), e.keyLen+e.valueLen)
	l := lend(all, e.name())
	if l == nil {
		return yield(e.key(), it)
	}
	defer func() {
		if found := l.end(); found != "" {
			panic(found)
		}
	}()
	return yield(l.copy[:e.keyLen:e.keyLen], Item{l.copy[e.keyLen:len(all):len(all)], it.Expires})
}

func show(e *header, it Item, fn func([]byte, Item)) {
	yieldTo(e, it, func(key []byte, it Item) bool {
		fn(key, it)
		return true
	})
}
