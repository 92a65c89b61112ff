package pages

import (
	"fmt"

	"golang.org/x/sys/windows"
)

func probe(size uintptr) error {
	// Windows promises memory before it is touched, so this asks for a promise.
	p, err := windows.VirtualAlloc(0, size, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return fmt.Errorf("%w: VirtualAlloc of %d bytes: %w", ErrNoMemory, size, err)
	}
	windows.VirtualFree(p, 0, windows.MEM_RELEASE)
	return nil
}
