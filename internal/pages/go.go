package pages

import (
	"fmt"
	"sync"
	"unsafe"
)

// goBlocks holds the blocks that are Go memory. Freed blocks of Alloc are kept for reuse, never
// left to the collector: a stale link in one may be overwritten later, and the collector's write
// barrier must not find it pointing to collected memory.
var goBlocks struct {
	mu   sync.Mutex
	used map[unsafe.Pointer]uintptr   // the size of each block in use
	free map[uintptr][]unsafe.Pointer // by size
}

const maxGo = 1 << (30 + ^uintptr(0)>>63*3) // 1 GiB, 8 GiB where addresses are long

// allocGo returns Go memory of size bytes, aligned to size if it is a block, else to MinBlock.
func allocGo(size uintptr) (p unsafe.Pointer, err error) {
	goBlocks.mu.Lock()
	defer goBlocks.mu.Unlock()
	if list := goBlocks.free[size]; len(list) > 0 {
		p = list[len(list)-1]
		goBlocks.free[size] = list[:len(list)-1]
		goBlocks.used[p] = size
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
	if goBlocks.used == nil {
		goBlocks.used = make(map[unsafe.Pointer]uintptr)
		goBlocks.free = make(map[uintptr][]unsafe.Pointer)
	}
	goBlocks.used[p] = size
	return p, nil
}

func freeGo(p unsafe.Pointer, size uintptr, large bool) {
	goBlocks.mu.Lock()
	defer goBlocks.mu.Unlock()
	switch was, ok := goBlocks.used[p]; {
	case !ok:
		panic("pages: freed a block that is not in use: freed twice, or never allocated")
	case was != size:
		panic(fmt.Sprintf("pages: freed a block of %d bytes as one of %d", was, size))
	}
	delete(goBlocks.used, p)
	if !large {
		goBlocks.free[size] = append(goBlocks.free[size], p)
	}
}
