package slab

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

const evacuated = 64 // bytes of the blocks in these tests

// newCrowd returns Blocks of which n are in use, in some slabs that are full.
func newCrowd(t *testing.T, slabs int) (*Blocks, *store, map[unsafe.Pointer][]byte) {
	b := NewBlocks(newDomain(t), Options{Budget: NewBudget(0)})
	s := &b.classes[class(evacuated)]
	live := make(map[unsafe.Pointer][]byte)
	for range slabs {
		growSlab(t, s)
	}
	for len(live) < slabs*s.perSlab {
		if block := (compactor{b}).GetFree(evacuated); block != nil {
			live[unsafe.Pointer(unsafe.SliceData(block))] = block
		} else {
			s.policy.trim(trimCaches) // another processor has the rest
			for s.heap.counts().slabs < slabs {
				growSlab(t, s) // a shrink found a slab idle
			}
		}
	}
	require.Equal(t, slabs, b.Stats().Slabs)
	t.Cleanup(func() {
		for _, block := range live {
			b.Retire(block)
		}
		assert.NoError(t, b.Close(context.Background()))
		require.Zero(t, b.budget.Used())
	})
	return b, s, live
}

// retirer returns a function that retires what is in use.
func retirer(b *Blocks, live map[unsafe.Pointer][]byte) func([]byte) {
	return func(block []byte) {
		p := unsafe.Pointer(unsafe.SliceData(block))
		if _, ok := live[p]; ok {
			delete(live, p)
			b.Retire(block)
		}
	}
}

func TestEvacuate(t *testing.T) {
	b, s, live := newCrowd(t, 4)
	ctx := watchdogContext(t)
	released, err := compactor{b}.Evacuate(ctx, evacuated, retirer(b, live))
	require.NoError(t, err)
	require.Zero(t, released, "there is no slab of another size")
	require.Len(t, live, 4*s.perSlab)
	for slabs := 3; slabs >= 0; slabs-- {
		used := b.budget.Used()
		released, err = compactor{b}.Evacuate(ctx, 10*evacuated, retirer(b, live))
		require.NoError(t, err)
		require.EqualValues(t, s.slabSize, released)
		require.Equal(t, used-released, b.budget.Used())
		require.Equal(t, slabs, b.Stats().Slabs)
		require.Len(t, live, slabs*s.perSlab)
	}
	released, err = compactor{b}.Evacuate(ctx, -1, retirer(b, live))
	require.NoError(t, err)
	require.Zero(t, released)
}

// Blocks that are free in slabs, in the depot and in the caches of processors find their
// way back; the slab with the most of them goes.
func TestEvacuate_FreeBlocks(t *testing.T) {
	b, s, live := newCrowd(t, 4)
	for p, block := range live {
		sl, i := s.heap.slabOfLocked(p)
		if sl.number == 2 && i > 3 || sl.number != 2 && i%2 == 0 {
			delete(live, p)
			b.Free(block)
		}
	}
	var vacated []uint32
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
		sl, _ := s.heap.slabOfLocked(unsafe.Pointer(unsafe.SliceData(block)))
		vacated = append(vacated, sl.number)
		fresh := compactor{b}.GetFree(evacuated)
		require.NotNil(t, fresh, "there is room in others")
		live[unsafe.Pointer(unsafe.SliceData(fresh))] = fresh
		retirer(b, live)(block)
	})
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
	require.Equal(t, []uint32{2, 2, 2, 2}, vacated)
}

// While a slab is evacuated what was in it is not given out again.
func TestEvacuate_NothingIsGivenOut(t *testing.T) {
	b, s, live := newCrowd(t, 3)
	s.policy.trim(trimAll)
	s.depot.setBypass(true)
	slabs := s.heap.beginEvacuation(1)
	sl := slabs[0]
	for _, p := range s.heap.takenOf(sl) {
		retirer(b, live)(live[p])
	}
	s.policy.trim(trimCaches)
	base := uintptr(sl.base)
	for round := range 2 {
		for p := s.getFree(); p != nil; p = s.getFree() {
			require.False(t, uintptr(p)-base < s.slabSize, "given out in round %d", round)
			live[p] = unsafe.Slice((*byte)(p), s.size)
		}
		require.NoError(t, s.dom.Barrier(watchdogContext(t)))
	}
	empty, _ := s.heap.endEvacuation(slabs)
	s.depot.setBypass(false)
	require.Len(t, empty, 1)
	s.release(empty)
}

// A slab of which a block stays is used as before.
func TestEvacuate_OneStays(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	for range 2 {
		var stays *byte
		released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
			if stays == nil {
				stays = unsafe.SliceData(block)
			}
			if stays != unsafe.SliceData(block) {
				retirer(b, live)(block)
			}
		})
		require.NoError(t, err)
		require.Zero(t, released)
		require.Equal(t, 2, b.Stats().Slabs)
		s.policy.trim(trimCaches)
		for range s.perSlab - 1 {
			block := compactor{b}.GetFree(evacuated)
			if block == nil {
				s.policy.trim(trimCaches)
				block = compactor{b}.GetFree(evacuated)
			}
			require.NotNil(t, block)
			live[unsafe.Pointer(unsafe.SliceData(block))] = block
		}
		require.Nil(t, compactor{b}.GetFree(evacuated))
		require.Len(t, live, 2*s.perSlab)
	}
}

func TestEvacuate_CanNotWait(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	// It is canceled while it waits for readers of what it has vacated.
	ctx, cancel := context.WithCancel(t.Context())
	var leave func()
	released, err := (compactor{b}).Evacuate(ctx, -1, func(block []byte) {
		if leave == nil {
			entered := make(chan func())
			go func() { entered <- b.dom.Enter().Leave }()
			leave = <-entered
			cancel()
		}
		retirer(b, live)(block)
	})
	leave()
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, released)
	require.False(t, s.depot.bypass)

	done := make(chan error)
	smr.Call(b.dom, b, 0, func(b *Blocks) {
		_, err := compactor{b}.Evacuate(context.Background(), -1, func([]byte) {})
		done <- err
	})
	require.ErrorIs(t, <-done, smr.ErrInCallback)
	require.False(t, s.depot.bypass)

	require.NoError(t, b.dom.Barrier(watchdogContext(t)))
	released, err = compactor{b}.Evacuate(watchdogContext(t), -1, retirer(b, live))
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
}

func TestGetFree_Misuse(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	require.Nil(t, compactor{b}.GetFree(-1))
	require.Nil(t, compactor{b}.GetFree(maxObject+1))
	require.Nil(t, compactor{b}.GetFree(10))
	require.NoError(t, b.Close(watchdogContext(t)))
}

// The slab is there until vacate was called for all of it, though others may retire the
// rest meanwhile.
func TestEvacuate_SlabStaysUntilTheEnd(t *testing.T) {
	b, s, live := newCrowd(t, 1)
	calls := 0
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
		calls++
		for _, other := range live {
			retirer(b, live)(other)
		}
		if calls == 1 {
			b.Trim()
			require.NoError(t, b.dom.Barrier(watchdogContext(t)))
		}
		require.EqualValues(t, s.slabSize, b.budget.Used())
		_ = block[len(block)-1]
	})
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
	require.Equal(t, s.perSlab, calls)
}

// A callback must not wait for who may wait for it.
func TestEvacuate_InCallbackBesideAnother(t *testing.T) {
	b, s, live := newCrowd(t, 2)
	result := make(chan error, 1)
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, func(block []byte) {
		if len(live) == 2*s.perSlab {
			smr.Call(b.dom, b, 0, func(b *Blocks) {
				_, err := compactor{b}.Evacuate(context.Background(), -1, func([]byte) {})
				result <- err
			})
		}
		retirer(b, live)(block)
	})
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
	require.ErrorIs(t, <-result, smr.ErrInCallback)
}

// Who waits for another Evacuate can give up.
func TestEvacuate_CanceledInLine(t *testing.T) {
	_, s, _ := newCrowd(t, 2)
	s.evacuator <- struct{}{}
	defer func() { <-s.evacuator }()
	ctx, cancel := context.WithCancel(watchdogContext(t))
	result := make(chan error)
	go func() {
		_, err := s.evacuateAlone(ctx, 1, func([]byte) {})
		result <- err
	}()
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}

// After a panic of vacate all is as before.
func TestEvacuate_VacatePanics(t *testing.T) {
	b, s, live := newCrowd(t, 3)
	for p, block := range live {
		if sl, i := s.heap.slabOfLocked(p); i%4 < int(sl.number) {
			delete(live, p)
			b.Free(block)
		}
	}
	for range 2 {
		require.PanicsWithValue(t, "of the user's", func() {
			compactor{b}.Evacuate(watchdogContext(t), -1, func([]byte) { panic("of the user's") })
		})
		require.False(t, s.depot.bypass)
	}
	free := 0
	for sl := s.heap.partial.head; sl != nil; sl = sl.next {
		free += sl.nFree
	}
	require.Equal(t, 3*s.perSlab-len(live), free)
	released, err := compactor{b}.Evacuate(watchdogContext(t), -1, retirer(b, live))
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
}

// What nobody uses goes first, wherever it is, and nobody has to vacate for it.
func TestEvacuate_WhatIsFree(t *testing.T) {
	b, s, live := newCrowd(t, 3)
	inUse := make(map[unsafe.Pointer][]byte)
	for range 2000 { // more memory than that of the others
		block, err := b.Get(1024)
		require.NoError(t, err)
		inUse[unsafe.Pointer(unsafe.SliceData(block))] = block
	}
	n := 0
	for _, block := range live {
		if n++; n%2 == 0 {
			retirer(b, live)(block)
		}
	}
	for p, block := range live {
		delete(live, p)
		b.Free(block)
	}
	require.Equal(t, 3, s.stats().Slabs)
	released, err := compactor{b}.Evacuate(watchdogContext(t), 10*evacuated, func([]byte) { t.Error("it is in use") })
	require.NoError(t, err)
	require.EqualValues(t, 3*s.slabSize, released)
	for _, block := range inUse {
		b.Free(block)
	}
}

// GetFree finds what readers have left, however little of it waits.
func TestGetFree_PollsForFew(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	for _, m := range magazines(t, s, 2) {
		s.depot.retire(m)
	}
	for m := s.take(false); m != nil; m = s.take(false) { // the rest of the slab
		m.n = 0 // lost with the pool
	}
	d.Advance()
	obj := s.getFree()
	require.NotNil(t, obj)
	p.Free((*flat)(obj))
}
