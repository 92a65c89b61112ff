package stw

import (
	"fmt"
	"runtime/debug"

	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A Panic carries a panic to another goroutine: from a stop handler to the leader, from an
// interrupt function to the interrupted domain, from the function of ForEach to its caller.
type Panic struct {
	Domain uint64 // the ID of the domain that the function ran for
	What   string // the kind of function
	Value  any    // the value it panicked with
	Stack  []byte // the stack of the panic

	Also []*Panic // the other panics of the same stop, ragged barrier or end of a domain
}

func (p *Panic) Error() string {
	return fmt.Sprintf("stw: %s panicked for domain %d: %v\n\n%s", p.What, p.Domain, p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// failures collects the panics of a function that runs for several domains: the first, with the
// others in its Also. When the function has run for all, first is read without mu.
type failures struct {
	mu    ssync.Mutex
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

// catch runs fn and returns its panic, or nil. Goexit passes through.
func catch(d *Domain, what string, fn func()) (p *Panic) {
	returned := false
	defer func() {
		if returned { // a panic in progress, if any, is not fn's
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

// catchOnline is catch at a safe point, with the domain online: fn may use [Domain.Section].
func (d *Domain) catchOnline(what string, fn func(*Domain)) *Panic {
	if !d.readers.online {
		d.readers.goOnline()
		defer d.readers.goOffline()
	}
	return catch(d, what, func() { fn(d) })
}

// notePanic notes a panic for the owner, whose next poll passes it on.
func (d *Domain) notePanic(p *Panic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noted.panics = append(d.noted.panics, p)
	d.pending.Or(asked)
}

// passPanic panics with the first noted panic, if there is one. The owner calls it.
func (d *Domain) passPanic() {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &d.noted
	if len(n.panics) == 0 {
		return
	}
	p := n.panics[0]
	n.panics = n.panics[1:]
	if len(n.panics) > 0 {
		d.pending.Or(asked) // the next poll passes on the next one
	}
	panic(p)
}

// passLastPanics panics with all noted panics at once, if there are any. The domain has ended.
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
