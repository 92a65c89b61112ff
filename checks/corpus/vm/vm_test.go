package vm

import (
	"errors"
	"sync"
	"testing"
)

func TestMachine(t *testing.T) {
	ctx := t.Context()
	// It makes garbage and a list of ten numbers, and sums its first two.
	list := []Instr{
		{Op: Push, Arg: 0},
		{Op: Push, Arg: 5}, {Op: Push, Arg: 6}, {Op: Cons}, {Op: Drop}, // garbage
		{Op: Push, Arg: 7}, {Op: Cons}, {Op: Loop, Arg: 1},
		{Op: Dup}, {Op: Tail}, {Op: Call, Arg: 1}, {Op: Ret},
	}
	second := []Instr{{Op: Push, Arg: 35}, {Op: Add}, {Op: Ret}}
	m, err := New(4096, list, second, []Instr{{Op: Add}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 8 {
				if n, err := m.Run(ctx, 0); n != 42 || err != nil {
					t.Error(n, err)
				}
			}
		})
	}
	for range 20 {
		m.SetCode(list, second, []Instr{{Op: Add}})
	}
	wg.Wait()
	if _, err := m.Run(ctx, 2); !errors.Is(err, ErrUnderflow) {
		t.Fatal(err)
	}
	if err := m.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Ended); n != 20 {
		t.Fatal(n)
	}
}
