//go:build !unix || race

package stw

// Where nobody has said how to map memory, and for the race detector, which does
// not see what happens in other memory, areas are on the Go heap.

func mapMemory(size int) ([]byte, error) { return make([]byte, size), nil }

func unmapMemory([]byte) {}
