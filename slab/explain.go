package slab

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/pages"
)

// quarantines are those of the process.
var quarantines quarantineList

// list is replaced as a whole, under mu; Explain loads it without.
type quarantineList struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*quarantine]
}

func (l *quarantineList) all() []*quarantine {
	if list := l.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (l *quarantineList) add(q *quarantine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := append(slices.Clone(l.all()), q)
	l.list.Store(&list)
}

func (l *quarantineList) remove(q *quarantine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(l.all()), func(other *quarantine) bool { return other == q })
	l.list.Store(&list)
}

// Explain says what is known about an address that faulted, for crash handlers: of which pool the
// object there is, where it was gotten, where it was given back, and how long ago. It returns "" for
// an address that belongs to no pool's [Quarantine]. It does not block and does not panic.
//
// The address is in the text of the runtime's fatal error. To have it in the process, call
// [debug.SetPanicOnFault] in the goroutine, and pass to [ExplainFault] what recover returns.
//
// [debug.SetPanicOnFault]: https://pkg.go.dev/runtime/debug#SetPanicOnFault
func Explain(addr uintptr) string {
	for _, q := range quarantines.all() {
		if q.has(addr) {
			return q.explain(addr)
		}
	}
	return ""
}

// ExplainFault is [Explain] of the address of a fault: recovered is what recover returned, or an
// error that wraps it. It returns "" for anything else.
func ExplainFault(recovered any) string {
	for err, ok := recovered.(error); ok; err, ok = unwrapped(err) {
		if fault, ok := err.(interface{ Addr() uintptr }); ok {
			return Explain(fault.Addr())
		}
	}
	return ""
}

// explained is Explain for the end of a panic's text.
func explained(p unsafe.Pointer) string {
	if text := Explain(uintptr(p)); text != "" {
		return "\n" + text
	}
	return ""
}

func unwrapped(err error) (error, bool) {
	w, ok := err.(interface{ Unwrap() error })
	if !ok {
		return nil, false
	}
	err = w.Unwrap()
	return err, err != nil
}

// explainTries bounds how often explain tries the lock, which is held for an instant.
const explainTries = 1000

// explain is Explain of an address of the quarantine's.
func (q *quarantine) explain(addr uintptr) string {
	text := fmt.Sprintf("slab: %#x is of pool %s, ", addr, q.name)
	for range explainTries {
		if !q.mu.TryLock() {
			runtime.Gosched()
			continue
		}
		var x sample
		if i := (addr - q.base) / pages.PageSize; i < uintptr(len(q.at)) && q.at[i] != nil {
			x = *q.at[i]
		}
		q.mu.Unlock()
		if x.p == nil {
			return text + "in a page for samples that has had no object yet"
		}
		return text + x.describe(addr, time.Now())
	}
	return text + "which is being changed"
}

// describe says what explain does of an address in the object's pages. x is a copy.
func (x *sample) describe(addr uintptr, now time.Time) string {
	var b strings.Builder
	off := addr - uintptr(x.p)
	if off < x.size {
		fmt.Fprintf(&b, "byte %d of the object of %d bytes at %p", off, x.size, x.p)
	} else {
		fmt.Fprintf(&b, "%d bytes past the end of the object of %d bytes at %p", off-x.size, x.size, x.p)
	}
	how := "freed"
	if x.retired {
		how = "retired"
	}
	switch x.state {
	case sampleInUse:
		b.WriteString(", which is in use")
	case sampleWaiting:
		fmt.Fprintf(&b, ", which was %s %v ago; readers may hold it", how, x.given.age(now))
	case sampleKept:
		fmt.Fprintf(&b, ", which was %s %v ago, and could be held by readers until %v ago", how, x.given.age(now), now.Sub(x.kept).Round(age))
	case sampleOver:
		fmt.Fprintf(&b, ", which was %s %v ago and whose time in quarantine is over", how, x.given.age(now))
	}
	if x.state != sampleInUse {
		fmt.Fprintf(&b, "\n%s%s", how, frames(x.given.stack()))
	}
	fmt.Fprintf(&b, "\ngotten %v ago%s", x.gotten.age(now), frames(x.gotten.stack()))
	return b.String()
}

// A trace is when and by which calls something was done.
type trace struct {
	at  time.Time
	n   int
	pcs [32]uintptr
}

// record records the callers of this package's function that calls the caller.
func (t *trace) record() {
	t.at = time.Now()
	t.n = runtime.Callers(3, t.pcs[:])
}

func (t *trace) stack() []uintptr { return t.pcs[:t.n] }

// age is the unit in which times are told.
const age = time.Millisecond

func (t *trace) age(now time.Time) time.Duration { return now.Sub(t.at).Round(age) }

// maxLeaks bounds how many leaks an error tells of.
const maxLeaks = 5

func frames(pcs []uintptr) string { return callers.Stack(pcs).By() }
