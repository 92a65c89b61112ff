package main

import (
	"context"
	"math/rand/v2"

	"github.com/gosmr/gosmr/smr"
)

// A stocker is a writer.
type stocker struct {
	*stock
	rng *rand.Rand
}

func (w *stocker) round() {
	switch n := w.rng.IntN(64); {
	case n < 32:
		w.replaceRetired()
	case n < 48:
		w.replaceFreed()
	case n < 62:
		w.replaceLump()
	case n < 63:
		w.wave()
	default:
		w.pool.Trim()
		w.blocks.Trim()
		if err := w.dom.Throttle(context.Background()); err != nil {
			w.faults.add(faultWait, "Throttle: %v", err)
		}
	}
	w.tally.updates.Add(1)
}

func (w *stocker) replaceRetired() {
	fresh := w.get()
	old := w.retired[w.rng.IntN(numObjects)].Swap(fresh)
	if old == nil {
		return
	}
	old.age.Store(unlinked)
	w.leave(old)
	switch w.rng.IntN(4) {
	case 0: // poisoned, and free at once after that
		pool := w.pool
		smr.Call(w.dom, old, drawSize(w.rng), func(o *object) {
			o.end()
			pool.Free(o)
		})
	case 1:
		l := w.pool.Pin()
		done := l.Retire(old)
		l.Unpin()
		if !done {
			w.pool.Retire(old)
		}
	case 2: // in a section, where it is allowed
		s := w.dom.Enter()
		w.pool.Retire(old)
		s.Leave()
	default:
		w.pool.Retire(old)
	}
}

// replaceFreed frees an object under its readers, which check only what stays.
func (w *stocker) replaceFreed() {
	w.free(w.freed[w.rng.IntN(numObjects)].Swap(w.get()))
}

// wave takes many objects at once and gives them back, so that slabs come and go, also under
// readers of some that were published meanwhile.
func (w *stocker) wave() {
	var all []*object
	for range 1 + w.rng.IntN(4096) {
		o := w.get()
		if o == nil {
			break
		}
		all = append(all, o)
	}
	var shown []*smr.Pointer[object]
	for range min(8, len(all)) {
		cell := &w.freed[w.rng.IntN(numObjects)]
		w.free(cell.Swap(all[len(all)-1]))
		all = all[:len(all)-1]
		shown = append(shown, cell)
	}
	for _, o := range all {
		w.leave(o)
		if w.rng.IntN(2) == 0 {
			w.pool.Free(o)
		} else {
			w.pool.Retire(o)
		}
	}
	for _, cell := range shown {
		w.free(cell.Swap(nil))
	}
	w.pool.Trim()
}

// free frees an object under its readers.
func (w *stocker) free(o *object) {
	if o != nil {
		w.leave(o)
		w.pool.Free(o)
	}
}

func (w *stocker) replaceLump() {
	block, err := w.blocks.Get(1 + w.rng.IntN(1<<w.rng.IntN(13)))
	var fresh *lump
	if err != nil {
		w.refuse(err)
	} else {
		fresh = &lump{block, byte(w.rng.Uint32())}
		for i := range block {
			block[i] = fresh.fill
		}
	}
	if old := w.lumps[w.rng.IntN(numObjects)].Swap(fresh); old != nil {
		w.blocks.Retire(old.block)
	}
}
