//go:build !unix || race

package stw

import "errors"

// Areas are on the Go heap if memory cannot be mapped, or if the race detector has to watch them.

// mapMemory returns an error where make would panic.
func mapMemory(size int) (mem []byte, err error) {
	defer func() {
		if recover() != nil { // size exceeds the address space
			err = errors.New("make of more than the Go heap can hold")
		}
	}()
	return make([]byte, size), nil
}

func unmapMemory([]byte) error { return nil }

func discardMemory([]byte) bool { return false }
