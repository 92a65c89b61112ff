//go:build !unix || race

package stw

import "errors"

// Where nobody has said how to map memory, and for the race detector, which does
// not see what happens in other memory, areas are on the Go heap.

func mapMemory(size int) (mem []byte, err error) {
	defer func() {
		if recover() != nil { // more than there are addresses
			err = errors.New("make of more than the Go heap can hold")
		}
	}()
	return make([]byte, size), nil
}

func unmapMemory([]byte) error { return nil }

func discardMemory([]byte) {}
