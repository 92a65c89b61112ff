// Command disasm holds functions for the disassembly test to look at.
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

func free(*int) {}

func main() {
	d := smr.Default()
	var p smr.Pointer[int]
	publish(&p, new(int))
	s := d.Enter()
	s.Leave()
	s = d.Pin()
	s.Leave()
	r := d.NewReader()
	v := read(r, &p)
	q := d.NewQuiescent(nil)
	q.Online()
	q.Quiesce()
	q.Offline()
	smr.Call(d, new(int), 8, free)
	if d.Barrier(context.Background()) != nil {
		v++
	}
	os.Exit(v - 1)
}
