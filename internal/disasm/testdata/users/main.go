// Command users has functions that use pools and worlds, for the disassembly tests.
package main

import (
	"context"
	"os"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

type object [8]uint64

//go:noinline
func get(p *slab.Pool[object]) (*object, error) { return p.Get() }

//go:noinline
func giveBack(p *slab.Pool[object], obj *object) { p.Free(obj) }

//go:noinline
func retire(p *slab.Pool[object], obj *object) { p.Retire(obj) }

// swap replaces an object under one pin.
//
//go:noinline
func swap(p *slab.Pool[object], obj *object) *object {
	l := p.Pin()
	next := l.Swap(obj)
	l.Unpin()
	return next
}

//go:noinline
func poll(d *stw.Domain) { d.Poll() }

// worker reads in the section between two safe points.
//
//go:noinline
func worker(d *stw.Domain, p *smr.Pointer[int]) int { return *p.Load(d.Section()) }

func main() {
	d := smr.Default()
	if usePool(d) != nil || useWorld(d) != nil {
		os.Exit(1)
	}
}

func usePool(d *smr.Domain) error {
	p := slab.New[object](d, slab.Options{})
	obj, err := get(p)
	if err != nil {
		return err
	}
	giveBack(p, obj)
	if obj, err = get(p); err != nil {
		return err
	}
	if next := swap(p, obj); next != nil {
		obj = next
	}
	retire(p, obj)
	return p.Close(context.Background())
}

func useWorld(d *smr.Domain) error {
	var p smr.Pointer[int]
	p.Store(new(int))
	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{d}})
	if err != nil {
		return err
	}
	self, err := w.Register()
	if err != nil {
		return err
	}
	poll(self)
	worker(self, &p)
	self.Deregister()
	return nil
}
