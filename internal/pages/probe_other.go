//go:build !unix && !windows

package pages

import "fmt"

// Probe is that of other systems where there is none to ask: a bound of 1 GiB.
func Probe(size uint64) error {
	if size > 1<<30 {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	return nil
}
