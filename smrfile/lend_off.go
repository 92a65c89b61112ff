//go:build !invariants || !(linux || darwin || freebsd || netbsd || dragonfly)

package smrfile

import "github.com/gosmr/gosmr/smr"

// lend returns the view itself. Under -tags invariants it is another mapping, where there are any: see
// lend_on.go.
func (m *mapping) lend(_ smr.Section, off int64, n int) []byte {
	end := int(off) + n
	return m.data[off:end:end]
}
