// Package fate knows, for -tags invariants, which objects were given away: those that wait for the
// callback of an smr.Call, and those that package slab has back, by Free or Retire. So an object is
// found that is given away twice, in whichever ways. It also knows which are held, by smr.Hold, which
// keeps them from a Call's callback and from Retire, and from no Free.
//
// A Call, or Hold, and a Free of one object may come at once. Each first notes its own and then looks
// at the other's, so that at least one of them finds the other.
package fate

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/pinned"
)

// A Shared is embedded in what several calls are made with at a time, though they have a size.
type Shared struct{}

func (*Shared) shared() {}

// A Call is a deferred call whose callback has not begun.
type Call struct {
	Object any            // a pointer to it
	Fn     unsafe.Pointer // the callback
	Frees  bool           // it is said to free the object's memory
	Domain string
	At     callers.Stack
}

func (c *Call) address() unsafe.Pointer { return reflect.ValueOf(c.Object).UnsafePointer() }

// calls has those that are pending, by their objects' addresses. Objects of no size are left out,
// as they all may have one address.
var calls struct {
	mu pinned.Lock // pinned goroutines may take it
	of map[unsafe.Pointer][]*Call
}

// Add notes a call. If the object, as one of that type, waits already for another that frees it, as
// c does, Add notes nothing and returns that. A field and its struct may share an address: they
// differ in their types.
func Add(c *Call) (other *Call) {
	t := reflect.TypeOf(c.Object)
	if t.Elem().Size() == 0 {
		return nil
	}
	if _, ok := c.Object.(interface{ shared() }); ok {
		c.Frees = false
	}
	calls.mu.Lock()
	defer calls.mu.Unlock()
	p := c.address()
	for _, o := range calls.of[p] {
		if c.Frees && o.Frees && reflect.TypeOf(o.Object) == t {
			return o
		}
	}
	if calls.of == nil {
		calls.of = make(map[unsafe.Pointer][]*Call)
	}
	calls.of[p] = append(calls.of[p], c)
	return nil
}

// Begin forgets a call of fn with the object at p: its callback begins.
func Begin(p, fn unsafe.Pointer) { remove(p, func(c *Call) bool { return c.Fn == fn }) }

// Refuse forgets c, which was not taken.
func Refuse(c *Call) { remove(c.address(), func(o *Call) bool { return o == c }) }

// remove forgets the first call with the object at p that is says is it.
func remove(p unsafe.Pointer, is func(*Call) bool) {
	calls.mu.Lock()
	defer calls.mu.Unlock()
	all := calls.of[p]
	switch i := slices.IndexFunc(all, is); {
	case i < 0:
	case len(all) == 1:
		delete(calls.of, p)
	default:
		calls.of[p] = slices.Delete(all, i, i+1)
	}
}

// Of returns a call that an object at p waits for, or nil.
func Of(p unsafe.Pointer) *Call {
	calls.mu.Lock()
	defer calls.mu.Unlock()
	if all := calls.of[p]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// Free is what becomes of an object that its pool may give out again.
const Free = "free"

// A Back is an object that was given back to its pool, and is not given out.
type Back struct {
	Pool   string
	Became string // Free, or "retired"
	At     callers.Stack
}

// backs has those objects, by their addresses. They stay alive, so that no other object gets their
// address before the pool says that they are gone.
//
// Rejected: to ask the pools, by weak pointers. To follow one may block, and Call must not.
var backs struct {
	mu pinned.Lock
	of map[unsafe.Pointer]Back
}

// GiveBack notes an object that its pool has back.
func GiveBack(p unsafe.Pointer, b Back) {
	backs.mu.Lock()
	defer backs.mu.Unlock()
	if backs.of == nil {
		backs.of = make(map[unsafe.Pointer]Back)
	}
	backs.of[p] = b
}

// TakeBack forgets an object: it is given out again, or its memory goes back to the system.
func TakeBack(p unsafe.Pointer) {
	backs.mu.Lock()
	defer backs.mu.Unlock()
	delete(backs.of, p)
}

// BackOf says what became of an object that its pool has back; ok is false for any other.
func BackOf(p unsafe.Pointer) (b Back, ok bool) {
	backs.mu.Lock()
	defer backs.mu.Unlock()
	b, ok = backs.of[p]
	return b, ok
}
