package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// objects has several writers publish, unlink, retire and free pooled objects while readers hold
// them. An object that Get returns has no other user, and is unchanged since its last one. A
// retired object keeps its content as long as a reader holds it; one freed under its readers is no
// longer theirs, but still an object of its type. Slabs go back to the system all the time.
type objects struct{}

// An object has no pointers, so it lies off the Go heap where that is possible.
type object struct {
	body

	// birthmark is the same in every object that was ever used. Atomic, as readers load it in
	// objects that were freed under them; written by the goroutine that gets the object.
	birthmark atomic.Uint64

	// holder is 1 from Get until the object is given back.
	holder atomic.Uint32

	// generation grows with each user, and stays in the object while it is free. Plain: the pool
	// orders its users one after another.
	generation uint64
}

const (
	birthmark  = 0xb127_4a11
	numObjects = 64
)

// A stock is the objects that readers find.
type stock struct {
	dom    *smr.Domain
	pool   *slab.Pool[object]
	blocks *slab.Blocks
	faults *faults
	tally  *writeTally

	refused *counter // objects and blocks for which there was no memory

	retired [numObjects]smr.Pointer[object] // given back by Retire, or by Free after a grace period
	freed   [numObjects]smr.Pointer[object] // given back by Free, at once
	lumps   [numObjects]smr.Pointer[lump]
}

// A lump is a block of bytes, all of them equal. The lump itself is left to the
// collector.
type lump struct {
	block []byte
	fill  byte
}

func (objects) join(r *rig) {
	st := &stock{faults: &r.faults, tally: &r.writes}
	st.dom = r.domain("objects", nil)
	budget := r.budget("objects", 2<<20, 0)
	st.refused = r.rare("objects refused")
	st.pool = slab.New[object](st.dom, slab.Options{KeepContents: true, Budget: budget.Budget})
	st.blocks = slab.NewBlocks(st.dom, slab.Options{Budget: budget.Budget})
	r.after(func() {
		st.empty()
		r.faults.within("Close of the objects' pool", st.pool.Close)
		r.faults.within("Close of the blocks", st.blocks.Close)
	})
	for i := range max(3, r.procs) {
		name := fmt.Sprintf("writer of objects %d", i)
		w := &stocker{stock: st, rng: r.rand(name)}
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				w.round()
				p.beat()
				runtime.Gosched()
			}
		})
	}
	for i := range max(4, 2*r.procs) {
		name := fmt.Sprintf("reader of objects %d", i)
		rd := &browser{stock: st, reader: reader{rng: r.rand(name), kind: readObject}}
		r.start(name, func(ctx context.Context, p *pulse) {
			rd.registered = st.dom.NewReader()
			defer rd.registered.Close()
			for ctx.Err() == nil {
				r.gate.pass()
				for range 64 {
					rd.read()
				}
				r.reads.take(rd.kind, &rd.count)
				p.beat()
				runtime.Gosched()
			}
		})
	}
}

// empty gives everything back after all goroutines have ended.
func (st *stock) empty() {
	for i := range numObjects {
		for _, cells := range [...]*[numObjects]smr.Pointer[object]{&st.retired, &st.freed} {
			if o := cells[i].Swap(nil); o != nil {
				st.leave(o)
				st.pool.Free(o)
			}
		}
		if l := st.lumps[i].Swap(nil); l != nil {
			st.blocks.Free(l.block)
		}
	}
}

// refuse counts an allocation that failed for lack of memory.
func (st *stock) refuse(err error) {
	st.refused.Add(1)
	if !errors.Is(err, slab.ErrNoMemory) {
		st.faults.add(faultPool, "Get: %v", err)
	}
}

// get returns an object that is ready to be published, or nil if the budget is exhausted. It checks
// that the object has no other user.
func (st *stock) get() *object {
	o, err := st.pool.Get()
	if err != nil {
		st.refuse(err)
		return nil
	}
	st.enter(o)
	return o
}

func (st *stock) enter(o *object) {
	if !o.holder.CompareAndSwap(0, 1) {
		st.faults.add(faultPool, "an object was given out while somebody had it")
	}
	if mark := o.birthmark.Swap(birthmark); mark != birthmark && mark != 0 {
		st.faults.add(faultPool, "an object was given out with %#x where its birthmark was", mark)
	}
	o.generation++
	o.begin(o.generation)
}

// leave is a user's last act on an object.
func (st *stock) leave(o *object) {
	if !o.holder.CompareAndSwap(1, 0) {
		st.faults.add(faultPool, "an object was given back that nobody had")
	}
}

// A browser is a reader.
type browser struct {
	*stock
	reader
	registered *smr.Reader
}

// read holds an object of each sort for a while.
func (rd *browser) read() {
	s, pinned := enterAny(rd.dom, rd.registered, rd.rng)
	if o := rd.retired[rd.rng.IntN(numObjects)].Load(s); o != nil {
		rd.view.hold(&o.body)
	}
	f := rd.freed[rd.rng.IntN(numObjects)].Load(s)
	l := rd.lumps[rd.rng.IntN(numObjects)].Load(s)
	if pinned {
		drawPinnedStay(rd.rng).pass(rd.rng)
	} else {
		drawStay(rd.rng, rd.rng.IntN(128) == 0).pass(rd.rng)
	}
	changed := false
	if l != nil {
		rd.count.others++
		for _, b := range l.block {
			changed = changed || b != l.fill
		}
	}
	mark := uint64(birthmark)
	if f != nil {
		rd.count.others++
		mark = f.birthmark.Load()
	}
	rd.view.verify(s)
	s.Leave()
	rd.view.settle(s, rd.kind, &rd.count, rd.faults)
	if changed {
		rd.faults.add(faultPayload, "a block changed while a reader held it")
	}
	if mark != birthmark {
		rd.faults.add(faultPool, "a freed object shows %#x to a reader who found it before, where its birthmark was", mark)
	}
}
