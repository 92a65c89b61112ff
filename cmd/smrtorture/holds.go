package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// holds has readers hold what they find, and use it long after their sections, while writers replace it
// as fast as they can: objects given to Call, a pool's objects, and items of a map whose entries are
// moved and evicted. There are few of each, so that many holds are of one object. A hold is released by
// its reader, or laid on a shelf, where another goroutine finds it; what lies there in the end is
// released while pool and map are closed.
type holds struct{}

// A keepsake is what is held: equal words, which change when it is freed, or has another user. They are
// plain, so that the race detector sees that, too.
type keepsake struct{ words [8]uint64 }

func (k *keepsake) set(word uint64) {
	for i := range k.words {
		k.words[i] = word
	}
}

func (k *keepsake) is(word uint64) bool {
	for _, w := range k.words {
		if w != word {
			return false
		}
	}
	return true
}

const (
	keepsakes = 4 // of each sort
	freedWord = ^uint64(0)
)

type vault struct {
	dom    *smr.Domain
	pool   *slab.Pool[keepsake]
	items  *smrmap.Bytes
	faults *faults
	tally  *writeTally
	held   *counter

	called, pooled [keepsakes]smr.Pointer[keepsake]
	generation     atomic.Uint64
	attic          attic
}

func (holds) join(r *rig) {
	v := &vault{faults: &r.faults, tally: &r.writes, held: r.counter("holds"), attic: attic{faults: &r.faults}}
	v.dom = r.domain("holds", func(o *smr.Options) { o.MaxPending = 1 << 20 })
	v.pool = slab.New[keepsake](v.dom, slab.Options{Budget: r.budget("keepsakes", 4<<20, 0).Budget})
	var err error
	if v.items, err = smrmap.NewBytes(smrmap.Options{Domain: v.dom, Budget: r.budget("items held", 4<<20, 1<<20).Budget}); err != nil {
		panic(err)
	}
	r.after(func() {
		go v.attic.empty() // while they are closed
		r.faults.within("Close of the keepsakes' pool", func(ctx context.Context) error {
			v.giveBack()
			return v.pool.Close(ctx)
		})
		r.faults.within("Close of the map of items that are held", v.items.Close)
	})
	r.rounds("holder", max(3, r.procs), v.hold)
	r.rounds("writer of what is held", 2, v.write)
}

// hold is a reader's round: it holds something, and ends that hold or another.
func (v *vault) hold(_ context.Context, rng *rand.Rand) {
	s := v.dom.Enter()
	drawStay(rng, rng.IntN(64) == 0).pass(rng) // others may pass meanwhile, or nothing may be freed
	h := v.take(s, rng)
	s.Leave()
	if h == nil {
		return
	}
	v.held.Add(1)
	drawStay(rng, rng.IntN(64) == 0).pass(rng)
	if !h.same() {
		v.faults.add(faultPayload, "what is held has changed")
	}
	if rng.IntN(4) == 0 {
		h = v.attic.swap(h, rng)
	}
	v.attic.end(h)
}

// take holds one of what there is, nil if there is none.
func (v *vault) take(s smr.Section, rng *rand.Rand) *shelved {
	i := rng.IntN(keepsakes)
	cells := &v.called
	switch rng.IntN(3) {
	case 0:
		h, ok := v.items.Hold(s, []byte{byte(i)})
		if !ok {
			return nil
		}
		return &shelved{func() bool { return uniform(h.Get().Value) }, h.Release}
	case 1:
		cells = &v.pooled
	}
	o := cells[i].Load(s)
	if o == nil {
		return nil
	}
	h := smr.Hold(s, o)
	if rng.IntN(8) == 0 {
		first := h
		h = h.Clone()
		first.Release()
	}
	word := o.words[0]
	return &shelved{func() bool { return h.Get().is(word) && word != freedWord }, h.Release}
}

func uniform(value []byte) bool {
	return len(value) == 0 || bytes.Count(value, value[:1]) == len(value)
}

// write is a writer's round: it replaces one of what there is.
func (v *vault) write(ctx context.Context, rng *rand.Rand) {
	i, word := rng.IntN(keepsakes), v.generation.Add(1)
	switch rng.IntN(4) {
	case 0:
		fresh := new(keepsake)
		fresh.set(word)
		if old := v.called[i].Swap(fresh); old != nil {
			smr.Call(v.dom, old, 64, func(k *keepsake) { k.set(freedWord) })
		}
		v.dom.Throttle(ctx)
	case 1:
		fresh, err := v.pool.Get()
		if err != nil {
			v.faults.add(faultPool, "Get: %v", err)
			return
		}
		fresh.set(word)
		if old := v.pooled[i].Swap(fresh); old != nil {
			v.pool.Retire(old)
		}
	case 2:
		value := bytes.Repeat([]byte{byte(word)}, rng.IntN(4000))
		v.items.StoreEvicting(ctx, []byte{byte(i)}, smrmap.Item{Value: value}) // its budget may be used up by what is held
	default:
		switch rng.IntN(16) {
		case 0:
			v.items.CompactFor(ctx, rng.IntN(4000))
		case 1:
			v.pool.Trim()
		default:
			v.items.Store(binaryKey(word), make([]byte, rng.IntN(2000)))
			v.items.Delete([]byte{byte(i)})
		}
	}
	v.tally.updates.Add(1)
}

func binaryKey(n uint64) []byte { return []byte{1, byte(n), byte(n >> 8)} }

// giveBack retires what readers find in the end.
func (v *vault) giveBack() {
	for i := range keepsakes {
		if o := v.pooled[i].Swap(nil); o != nil {
			v.pool.Retire(o)
		}
	}
}
