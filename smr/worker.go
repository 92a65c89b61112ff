package smr

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/gosmr/gosmr/internal/mutant"
)

// A worker is a goroutine that runs the callbacks of ready chunks until there
// are none.
type worker struct {
	goid uint64 // its goroutine; guarded by reclaimer.mu

	// The first panic of a callback, to be raised again once the chunks up to
	// raiseAfter have run.
	failed     *CallbackPanic
	raiseAfter uint64
}

// CallbackPanic is the panic of a callback, on its way out of the goroutine that
// ran it.
type CallbackPanic struct {
	Domain string // name of the domain
	Value  any    // what the callback panicked with
	Stack  []byte // the callback's stack
}

// Error describes the panic, with the callback's stack.
func (p *CallbackPanic) Error() string {
	return fmt.Sprintf("smr: callback in domain %s panicked: %v\n\n%s", p.Domain, p.Value, p.Stack)
}

// Unwrap returns the panic's value if it is an error, else nil.
func (p *CallbackPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// startWorkerLocked starts a worker, unless there are as many as allowed.
func (d *Domain) startWorkerLocked() bool {
	r := &d.reclaim
	if len(r.workers) >= d.opts.Workers {
		return false
	}
	w := new(worker)
	r.workers = append(r.workers, w)
	r.nWorkers.Add(1)
	go d.work(w, nil)
	return true
}

// work runs c, if not nil, and then whatever is ready.
func (d *Domain) work(w *worker, c *chunk) {
	r := &d.reclaim
	id := goid()
	r.mu.Lock()
	w.goid = id
	if c == nil {
		c = r.ready.pop()
	}
	for c != nil && !w.mustRaise(c) {
		newest := r.newest.ticket
		r.mu.Unlock()
		for c.done < c.n {
			d.runSome(w, c, newest)
		}
		r.mu.Lock()
		d.finishLocked(c)
		c.giveBack()
		c = r.ready.pop()
	}
	r.workers = slices.DeleteFunc(r.workers, func(o *worker) bool { return o == w })
	r.nWorkers.Add(-1)
	r.mu.Unlock()
	if w.failed != nil {
		panic(w.failed)
	}
}

func (w *worker) mustRaise(next *chunk) bool {
	return w.failed != nil && next.ticket > w.raiseAfter
}

// runSome runs the chunk's callbacks from where they stopped, to the end or to
// one that panics. A callback that ends its goroutine (runtime.Goexit, which
// testing's FailNow is) has the rest run by a goroutine of its own.
func (d *Domain) runSome(w *worker, c *chunk, newest uint64) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover()
		if value == nil { // Goexit: a panic value is never nil
			go d.work(w, c)
			return
		}
		p := &CallbackPanic{Domain: d.opts.Name, Value: value, Stack: debug.Stack()}
		if mutant.Is(mutant.PanicLosesRest) {
			c.done = c.n
		}
		switch {
		case d.opts.OnPanic != nil:
			d.opts.OnPanic(p)
		case w.failed == nil:
			w.failed, w.raiseAfter = p, newest
		}
	}()
	for c.done < c.n {
		e := &c.entries[c.done]
		fn, obj := e.fn, e.obj
		*e = entry{}
		c.done++
		fn(obj)
	}
	returned = true
}

// finishLocked accounts for a chunk whose callbacks have all returned, and wakes
// those who waited for that.
func (d *Domain) finishLocked(c *chunk) {
	r := &d.reclaim
	r.removeOutstandingLocked(c)
	r.freed.Add(uint64(c.n))
	r.freedBytes.Add(uint64(c.bytes))
	r.handedOver.Add(-c.bytes)

	r.barriers = slices.DeleteFunc(r.barriers, func(b barrierWait) bool {
		done := r.oldest == nil || r.oldest.ticket > b.ticket
		if done {
			close(b.done)
		}
		return done
	})
	if len(r.throttled) == 0 {
		return
	}
	if d.pendingBytes() < d.opts.MaxPending {
		for _, wake := range r.throttled {
			close(wake)
		}
		r.throttled = nil
		r.nThrottled.Store(0)
	} else if r.oldest == nil {
		d.Flush() // all of it is in open chunks by now
	}
}

// inCallback reports whether the calling goroutine is running a callback of
// this domain. Cost: one load while no callback runs; else about a microsecond.
func (d *Domain) inCallback() bool {
	r := &d.reclaim
	if r.nWorkers.Load() == 0 {
		return false
	}
	id := goid()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.workers, func(w *worker) bool { return w.goid == id })
}

// goid returns the number of the calling goroutine. Go offers it in stack traces
// only: "goroutine 12 [running]:...".
func goid() uint64 {
	var buf [64]byte
	digits := buf[:runtime.Stack(buf[:], false)]
	digits = digits[min(len("goroutine "), len(digits)):]
	if end := slices.Index(digits, ' '); end >= 0 {
		digits = digits[:end]
	}
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("smr: stack trace without a goroutine number: " + string(buf[:]))
	}
	return id
}
