package pages

import (
	"fmt"
	"sync"
	"unsafe"
)

// goBlocks are the blocks that are Go memory. Blocks of Alloc are never left to the
// collector, but kept for reuse: a link in one that was freed may still be there when
// it is overwritten, and the collector's write barrier must not find it pointing to
// memory that was collected.
var goBlocks struct {
	mu   sync.Mutex
	mem  map[unsafe.Pointer][]uint64 // by address
	free map[uintptr][]unsafe.Pointer
}

const maxGo = 1 << (30 + ^uintptr(0)>>63*3) // 1 GiB, 8 GiB where addresses are long

// allocGo returns Go memory of size bytes, aligned to size if it is a block, else to
// MinBlock.
func allocGo(size uintptr) (p unsafe.Pointer, err error) {
	b := &goBlocks
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.free[size]; len(list) > 0 {
		p = list[len(list)-1]
		b.free[size] = list[:len(list)-1]
		clear(unsafe.Slice((*byte)(p), size))
		return p, nil
	}
	if size > maxGo { // make would end the program
		return nil, fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	align := min(size, MaxBlock)
	if size&(size-1) != 0 {
		align = MinBlock
	}
	mem := make([]uint64, (size+align)/8)
	p = unsafe.Pointer(&mem[0])
	p = unsafe.Add(p, -uintptr(p)&(align-1))
	if b.mem == nil {
		b.mem = make(map[unsafe.Pointer][]uint64)
		b.free = make(map[uintptr][]unsafe.Pointer)
	}
	b.mem[p] = mem
	return p, nil
}

func freeGo(p unsafe.Pointer, size uintptr, large bool) {
	b := &goBlocks
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mem[p] == nil {
		panic("pages: freed a block that is not allocated")
	}
	if large {
		delete(b.mem, p)
	} else {
		b.free[size] = append(b.free[size], p)
	}
}
