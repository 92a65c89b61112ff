package goid

import (
	"bytes"
	"runtime"
)

// Stacks returns the stack traces of all goroutines by number, as far as they fit into four MiB.
// Cost: the whole program is stopped meanwhile.
func Stacks() map[uint64]string {
	buf := make([]byte, 4<<20)
	stacks := make(map[uint64]string)
	for _, trace := range bytes.Split(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		if id, ok := parse(trace); ok {
			stacks[id] = string(trace)
		}
	}
	return stacks
}
