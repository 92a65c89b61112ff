package smrfile

import (
	"fmt"
	"io/fs"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// View returns n bytes of the file from offset off, borrowed until s is left: a slice of the mapping
// with no capacity beyond n. Until then they stay, whatever becomes of the file here: Grow, Truncate
// and Close wait for s, or leave it the old mapping. What may take them away is another process, or
// code, that truncates the file: see Read.
//
// To write to them needs Options.Write; else a store faults. A pinned section must not touch them
// (under -tags invariants View panics in one): a page that is not in memory would hold the processor,
// and a fault there ends the program.
//
// It fails with [ErrRange] and, on a closed file, [io/fs.ErrClosed]. Cost: two loads and two comparisons;
// no lock, no atomic instruction, no allocation.
func (f *File) View(s smr.Section, off int64, n int) ([]byte, error) {
	m := f.cur.Load(s)
	if invariants.Enabled || m == nil || !m.has(off, n) {
		return f.viewSlow(s, m, off, n)
	}
	end := int(off) + n
	return m.data[off:end:end], nil
}

// has reports whether the mapping has n bytes from off. Neither sum can overflow.
func (m *mapping) has(off int64, n int) bool {
	return uint64(off) <= uint64(len(m.data)) && uint64(n) <= uint64(len(m.data))-uint64(off)
}

// viewSlow is View of m, which was loaded in s; for View itself where it fails, and under -tags invariants.
func (f *File) viewSlow(s smr.Section, m *mapping, off int64, n int) ([]byte, error) {
	if invariants.Enabled {
		f.checkMayBlock("view")
		f.dom.CheckSection(s)
	}
	if err := f.outOf(m, "view", off, n); err != nil {
		return nil, err
	}
	return m.lend(s, off, n), nil
}

// outOf returns the error for bytes that m has not.
func (f *File) outOf(m *mapping, op string, off int64, n int) error {
	switch {
	case m == nil:
		return f.fail(op, fs.ErrClosed)
	case !m.has(off, n):
		return f.fail(op, fmt.Errorf("%w: %d bytes from %d, of %d", ErrRange, n, off, len(m.data)))
	}
	return nil
}
