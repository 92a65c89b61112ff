//go:build !unix && !windows

package pages

import "fmt"

func probe(size uintptr) error {
	if size > 1<<30 {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	return nil
}
