package stw

import (
	"fmt"
	"runtime/debug"

	"github.com/gosmr/gosmr/internal/sched/sync"
)

// A Panic is what a panic in a function that was run for another goroutine is
// passed on as: of a handler to the domain that led the stop, of an interrupt
// function to the domain that it interrupted, of a ragged barrier's function to
// the caller of ForEach.
type Panic struct {
	Domain uint64 // for whom it was run
	What   string // what was run
	Value  any    // what it panicked with
	Stack  []byte // where

	// Also has the panics of others in the same stop or ragged barrier.
	Also []*Panic
}

func (p *Panic) Error() string {
	return fmt.Sprintf("stw: %s panicked for domain %d: %v\n\n%s", p.What, p.Domain, p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// failures are the panics of what was run for several domains: the first, with the
// others in its Also. first is read when all have run.
type failures struct {
	mu    sync.Mutex
	first *Panic
}

func (f *failures) add(p *Panic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = p
	} else {
		f.first.Also = append(f.first.Also, p)
	}
}

// catch runs fn and returns its panic, if it does. It lets Goexit pass.
func catch(d *Domain, what string, fn func()) (p *Panic) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			p = &Panic{Domain: d.id, What: what, Value: v, Stack: debug.Stack()}
		}
	}()
	fn()
	returned = true
	return nil
}

// catchOnline runs a function at a safe point, online, so that it may use
// [Domain.Section], and returns its panic, if it does.
func (d *Domain) catchOnline(what string, fn func(*Domain)) *Panic {
	if !d.readers.online {
		d.readers.goOnline()
		defer d.readers.goOffline()
	}
	return catch(d, what, func() { fn(d) })
}

// notePanic has a panic passed on to the owner, at its next poll at the latest.
func (d *Domain) notePanic(p *Panic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noted.panics = append(d.noted.panics, p)
	d.pending.Or(asked)
}

// passPanic panics, on the owner's goroutine, with what a function that was run
// for it panicked with.
func (d *Domain) passPanic() {
	d.mu.Lock()
	n := &d.noted
	if len(n.panics) == 0 {
		d.mu.Unlock()
		return
	}
	p := n.panics[0]
	n.panics = n.panics[1:]
	if len(n.panics) > 0 {
		d.pending.Or(asked) // the next poll passes on the next
	}
	d.mu.Unlock()
	panic(p)
}

// passLastPanics panics with all that is left of them, when the domain has ended.
func (d *Domain) passLastPanics() {
	d.mu.Lock()
	panics := d.noted.panics
	d.mu.Unlock()
	if len(panics) > 0 {
		p := panics[0]
		p.Also = append(p.Also, panics[1:]...)
		panic(p)
	}
}
