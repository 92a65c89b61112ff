package pages

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The buddies never overlap, are aligned and zeroed, coalesce, and hints hide nothing.
func TestBlocks_NeverOverlap(t *testing.T) {
	if onGoHeap {
		t.Skip("blocks are Go memory in this build")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	type blk struct {
		p    uintptr
		size uintptr
	}
	var live []blk
	used := map[uintptr]bool{}
	check := func() {
		heap.mu.Lock()
		defer heap.mu.Unlock()
		for o := range orders {
			for i, r := range heap.regions {
				n := 0
				for _, w := range r.free[o] {
					n += bits.OnesCount64(w)
				}
				if n != r.has[o] {
					t.Fatal("has")
				}
				if n > 0 && i < heap.lowest[o] {
					t.Fatalf("order %d: region %d hidden by hint %d", o, i, heap.lowest[o])
				}
			}
		}
	}
	total := uintptr(0)
	for step := range 60000 {
		limit := uintptr(300 << 20)
		if step > 30000 {
			limit = 100 << 20
		}
		if rnd.IntN(2) == 0 && total < limit {
			size := uintptr(MinBlock) << rnd.IntN(orders)
			q, err := Alloc(size)
			if err != nil {
				t.Fatal(err)
			}
			p := uintptr(q)
			if p%size != 0 {
				t.Fatal("align")
			}
			for o := uintptr(0); o < size; o += MinBlock {
				if used[p+o] {
					t.Fatal("overlap")
				}
				used[p+o] = true
				w := (*uint64)(unsafe.Add(q, o+8*uintptr(rnd.IntN(MinBlock/8))))
				if *w != 0 {
					t.Fatal("not zero")
				}
				*w = 7
			}
			total += size
			live = append(live, blk{p, size})
		} else if len(live) > 0 {
			i := rnd.IntN(len(live))
			b := live[i]
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			for o := uintptr(0); o < b.size; o += MinBlock {
				delete(used, b.p+o)
			}
			total -= b.size
			Free(*(*unsafe.Pointer)(unsafe.Pointer(&b.p)), b.size)
		}
		if step%100 == 0 {
			check()
		}
	}
	for _, b := range live {
		Free(*(*unsafe.Pointer)(unsafe.Pointer(&b.p)), b.size)
	}
	check()
	if n := len(heap.regions); n > 12 {
		t.Log("regions", n)
	}
	for i, r := range heap.regions {
		if r.has != whole(r) {
			t.Log("not coalesced (quarantine?)", i, r.has)
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 20000 {
				size := uintptr(MinBlock) << ((i + g) % orders)
				p, _ := Alloc(size)
				*(*uint64)(p)++
				if *(*uint64)(p) != 1 {
					t.Error("shared")
				}
				Free(p, size)
			}
		})
	}
	wg.Wait()
}

// Sizes are rounded up, and none is too large to be refused.
func TestRoundLarge_AllSizes(t *testing.T) {
	const most = ^uintptr(0)
	for shift := 0; uintptr(1)<<shift != 0; shift++ {
		size := uintptr(1) << shift
		for _, size := range []uintptr{size - 1, size, size + 1} {
			rounded := RoundLarge(size)
			if rounded < size || rounded%largeUnit != 0 || rounded-size >= largeUnit {
				t.Errorf("%d bytes: %d", size, rounded)
			}
		}
	}
	for _, size := range []uintptr{most, most - 1, most - largeUnit + 2, most/2 + 1} {
		rounded := RoundLarge(size)
		if rounded == 0 || rounded%largeUnit != 0 {
			t.Errorf("%d bytes: %d", size, rounded)
		}
		if _, err := AllocLarge(rounded); !errors.Is(err, ErrNoMemory) {
			t.Errorf("%d bytes: %v", rounded, err)
		}
	}
}

func TestAlloc_OnlySizesOfBlocks(t *testing.T) {
	for _, size := range []uintptr{0, 1, MinBlock / 2, MinBlock - 1, MinBlock + 1, 3 * MinBlock, MaxBlock + 1, 2 * MaxBlock} {
		require.PanicsWithValue(t, "pages: no such block size", func() { Alloc(size) }, size)
	}
}
