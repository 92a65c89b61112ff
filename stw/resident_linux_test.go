//go:build !race

package stw

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// resident returns how many bytes of mem are resident.
func resident(t testing.TB, mem []byte) (n int) {
	t.Helper()
	if len(mem) == 0 {
		return 0
	}
	pages := make([]byte, len(mem)/areaPage)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)),
		uintptr(unsafe.Pointer(unsafe.SliceData(pages))))
	require.Zero(t, errno)
	for _, page := range pages {
		n += int(page&1) * areaPage
	}
	return n
}

// needResident skips the test where the system does not tell what is resident, or keeps it.
func needResident(t testing.TB) {
	t.Helper()
	mem, err := mapMemory(16 * areaPage)
	require.NoError(t, err)
	defer unmapMemory(mem)
	pages := make([]byte, 16)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)),
		uintptr(unsafe.Pointer(unsafe.SliceData(pages)))); errno != 0 {
		t.Skip("mincore tells nothing: ", errno)
	}
	if n := resident(t, mem); n != 0 {
		t.Skipf("mincore says that %d bytes of an untouched mapping are resident", n)
	}
	clear(mem[:8*areaPage])
	if n := resident(t, mem); n < 8*areaPage {
		t.Skipf("mincore says that %d bytes are resident, of %d just written", n, 8*areaPage)
	}
	if !discardMemory(mem) || resident(t, mem) != 0 {
		t.Skip("the system does not take pages back: memory is locked, or the processor emulated")
	}
}
