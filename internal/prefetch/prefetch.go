// Package prefetch asks the processor for cache lines before they are needed, so that their misses
// overlap. It is a hint: it changes nothing, and faults for no address.
package prefetch

import "unsafe"

// Lines fetches, for each address, the line with that byte and the one with the byte span behind it.
func Lines(addresses []unsafe.Pointer, span uintptr) {
	if Fetches && len(addresses) > 0 {
		lines(unsafe.SliceData(addresses), len(addresses), span)
	}
}
