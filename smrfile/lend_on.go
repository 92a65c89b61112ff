//go:build invariants && (linux || darwin || freebsd || netbsd || dragonfly)

package smrfile

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/leave"
	"github.com/gosmr/gosmr/smr"
)

// Under -tags invariants a reader borrows a mapping of its own, of the pages that it asked for. As its
// section ends they fault, and stay so for a while: so a use after that is found, although the file is
// still mapped.

// mostLent bounds how many such mappings there are; beyond it readers borrow the file's.
const mostLent = 500

var lent atomic.Int64

// lend returns a view that faults when s has been left. Of a file with Reserve it does not: there views
// are to have the file's addresses.
func (m *mapping) lend(s smr.Section, off int64, n int) []byte {
	end := int(off) + n
	b := m.data[off:end:end]
	if n == 0 || m.sp.memory || m.f.o.Reserve > 0 {
		return b
	}
	if lent.Add(1) > mostLent {
		lent.Add(-1)
		return b
	}
	in := int(off) & (pageSize - 1)
	mem, err := mapAt(m.f.fd, off-int64(in), in+n, m.f.o.Write)
	runtime.KeepAlive(m.f.file)
	if err != nil {
		lent.Add(-1)
		return b
	}
	leave.At(s, func() string {
		lent.Add(-1)
		Quarantine{OneIn: 1, For: 10 * time.Second}.end(mem)
		return ""
	})
	return mem[in : in+n : in+n]
}
