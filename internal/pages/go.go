package pages

import (
	"sync"
	"unsafe"
)

// goBlocks keeps alive the blocks that are Go memory, by their address.
var goBlocks struct {
	mu  sync.Mutex
	mem map[unsafe.Pointer][]uint64
}

// allocGo returns Go memory of size bytes, aligned to size if that is a power of
// two, else to MinBlock.
func allocGo(size uintptr) (unsafe.Pointer, error) {
	align := uintptr(MinBlock)
	if size&(size-1) == 0 && size <= MaxBlock {
		align = size
	}
	mem := make([]uint64, (size+align)/8)
	start := unsafe.Pointer(&mem[0])
	start = unsafe.Add(start, -uintptr(start)&(align-1))
	goBlocks.mu.Lock()
	defer goBlocks.mu.Unlock()
	if goBlocks.mem == nil {
		goBlocks.mem = make(map[unsafe.Pointer][]uint64)
	}
	goBlocks.mem[start] = mem
	return start, nil
}

func freeGo(p unsafe.Pointer) {
	goBlocks.mu.Lock()
	defer goBlocks.mu.Unlock()
	if goBlocks.mem[p] == nil {
		panic("pages: freed a block that is not allocated")
	}
	delete(goBlocks.mem, p)
}
