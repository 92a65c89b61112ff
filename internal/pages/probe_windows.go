package pages

import (
	"fmt"
	"math"

	"golang.org/x/sys/windows"
)

// Probe is that of other systems; this one promises memory before it is touched.
func Probe(size uint64) error {
	if size < probed {
		return nil
	}
	if size > math.MaxInt {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	p, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return fmt.Errorf("%w: VirtualAlloc of %d bytes: %w", ErrNoMemory, size, err)
	}
	windows.VirtualFree(p, 0, windows.MEM_RELEASE)
	return nil
}
