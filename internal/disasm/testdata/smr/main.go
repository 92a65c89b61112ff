// Command smr has functions that use a domain, for the disassembly tests.
package main

import (
	"context"
	"os"

	"github.com/gosmr/gosmr/smr"
)

//go:noinline
func read(r *smr.Reader, p *smr.Pointer[int]) int {
	s := r.Enter()
	v := *p.Load(s)
	s.Leave()
	return v
}

//go:noinline
func publish(p *smr.Pointer[int], v *int) {
	*v = 1
	p.Store(v)
}

// visit enters a section of each kind that has no reader.
//
//go:noinline
func visit(d *smr.Domain, p *smr.Pointer[int]) int {
	s := d.Enter()
	v := *p.Load(s)
	s.Leave()
	s = d.Pin()
	v += *p.Load(s)
	s.Leave()
	return v
}

//go:noinline
func report(q *smr.Quiescent) {
	q.Online()
	q.Quiesce()
	q.Offline()
}

//go:noinline
func call(d *smr.Domain, v *int) { smr.Call(d, v, 8, free) }

func free(*int) {}

func main() {
	d := smr.Default()
	var p smr.Pointer[int]
	publish(&p, new(int))
	visit(d, &p)
	r := d.NewReader()
	v := read(r, &p)
	visitLate(d, &p)
	readLate(r, &p)
	report(d.NewQuiescent(nil))
	call(d, new(int))
	if d.Barrier(context.Background()) != nil {
		v++
	}
	os.Exit(v - 1)
}
