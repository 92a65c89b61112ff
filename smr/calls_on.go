//go:build invariants

package smr

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/fate"
)

const giveOnce = "Give each object once, to one of Call, Retire and Free. "

// callOnce is call, after it has noted that obj is given to it. It panics if obj was given away before.
func (d *Domain) callOnce(fn func(unsafe.Pointer), obj any, size int) bool {
	c := d.giving(fn, obj, size)
	ok := d.call(fn, reflect.ValueOf(obj).UnsafePointer(), size)
	if !ok {
		fate.Refuse(c)
	}
	return ok
}

// giving panics if obj, which is given to Call, was given away before: to a Call whose callback has
// not begun, if both free it, or to its pool.
func (d *Domain) giving(fn func(unsafe.Pointer), obj any, size int) *fate.Call {
	if size < 0 || size > maxSize && size != Expedite {
		return nil // call refuses it
	}
	p := reflect.ValueOf(obj).UnsafePointer()
	c := &fate.Call{Object: obj, Fn: funcOf(fn), Frees: size > 0, Domain: d.opts.Name, At: callers.Here(3)}
	if first := fate.Add(c); first != nil {
		d.misuse(fmt.Sprintf("smr: Call, on domain %s, of the %T at %p, which was given to Call on domain %s before, and whose callback has not begun: "+
			"it would be freed twice. %s(A callback that frees nothing has size 0, or is a CallFunc.) It was given first at:\n%sand again at:\n%s",
			d.opts.Name, obj, obj, first.Domain, giveOnce, first.At, c.At))
	}
	if back, ok := fate.BackOf(p); ok {
		fate.Refuse(c)
		d.misuse(fmt.Sprintf("smr: Call, on domain %s, of the %T at %p, which is %s in pool %s: its memory is another object's when the callback runs. "+
			"%sIt was given back at:\n%sand to Call at:\n%s", d.opts.Name, obj, obj, back.Became, back.Pool, giveOnce, back.At, c.At))
	}
	return c
}

// given is for a call whose callback is about to begin.
func given(fn func(unsafe.Pointer), obj unsafe.Pointer) { fate.Begin(obj, funcOf(fn)) }

// funcOf tells functions apart: a func value is one pointer.
func funcOf(fn func(unsafe.Pointer)) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&fn)) }
