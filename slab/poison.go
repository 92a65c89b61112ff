package slab

import (
	"bytes"
	"unsafe"
)

// poisoned is the pattern that fills freed memory, a piece at a time.
var poisoned = bytes.Repeat([]byte{0xdb}, 4<<10)

// poison fills size bytes at p.
func poison(p unsafe.Pointer, size uintptr) {
	for mem := unsafe.Slice((*byte)(p), size); len(mem) > 0; {
		mem = mem[copy(mem, poisoned):]
	}
}

// unpoisoned returns the index of the first byte that is not as poison left it, or -1.
func unpoisoned(p unsafe.Pointer, size uintptr) int {
	mem := unsafe.Slice((*byte)(p), size)
	for start := 0; start < len(mem); start += len(poisoned) {
		part := mem[start:min(start+len(poisoned), len(mem))]
		if bytes.Equal(part, poisoned[:len(part)]) {
			continue
		}
		for i, b := range part {
			if b != poisoned[i] {
				return start + i
			}
		}
	}
	return -1
}
