//go:build linux || darwin || freebsd || netbsd || dragonfly

package smrfile

import (
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/internal/testkit"
)

// A late use of a view of a mapping that ended faults, also where another file was mapped meanwhile.
func TestQuarantine_LateUseFaults(t *testing.T) {
	out := self.Dies(t, func() {
		f := opened(t, 10000, Options{Quarantine: Quarantine{OneIn: 1}})
		s := f.Enter()
		b, _ := f.View(s, 0, 10000)
		s.Leave()
		f.Close(testkit.Context(t))
		s = f.Enter()
		for range 100 {
			openedAt(t, f.dom, f.path, Options{})
		}
		s.Leave()
		sink = b[5000] //smr:ok the fault is what the test waits for
	})
	require.Contains(t, out, "unexpected fault address")
}

// What the system does not unmap is unmapped later.
func TestQuarantine_Refused(t *testing.T) {
	old := system
	t.Cleanup(func() { system = old })
	refuse := true
	unmapped := make(map[unsafe.Pointer]bool)
	system.munmap = func(p unsafe.Pointer, n uintptr) error {
		if refuse {
			return unix.ENOMEM
		}
		unmapped[p] = true
		return old.munmap(p, n)
	}
	f := openedAt(t, testkit.Domain(t), tempFile(t, 100), Options{})
	endAnother := func() error {
		mem, err := mapFile(f.fd, 1, false)
		require.NoError(t, err)
		return Quarantine{OneIn: -1, MaxBytes: 1}.end(mem)
	}
	for _, q := range []Quarantine{{OneIn: 1, For: 1}, {OneIn: 1, For: time.Hour}, {OneIn: -1}} {
		mem, err := mapFile(f.fd, 100, false)
		require.NoError(t, err)
		refuse = true
		require.ErrorIs(t, errors.Join(q.end(mem), endAnother()), unix.ENOMEM)
		refuse = false
		require.NoError(t, endAnother())
		require.True(t, unmapped[unsafe.Pointer(unsafe.SliceData(mem))], "%+v", q)
	}
}

// But what it does not unmap for another reason than too many mappings is not asked for again. (A length
// that is no multiple of a huge page is such a reason, where a file has those.)
func TestQuarantine_RefusedForGood(t *testing.T) {
	old := system
	t.Cleanup(func() { system = old })
	f := openedAt(t, testkit.Domain(t), tempFile(t, 100), Options{})
	for _, q := range []Quarantine{{OneIn: 1, For: 1}, {OneIn: -1}} {
		mem, err := mapFile(f.fd, 100, false)
		require.NoError(t, err)
		asked := 0
		system.munmap = func(p unsafe.Pointer, n uintptr) error {
			if p == unsafe.Pointer(unsafe.SliceData(mem)) {
				asked++
				return unix.EINVAL
			}
			return old.munmap(p, n)
		}
		err = q.end(mem)
		for range 3 {
			another, mapErr := mapFile(f.fd, 1, false)
			require.NoError(t, mapErr)
			err = errors.Join(err, Quarantine{OneIn: -1, MaxBytes: 1}.end(another))
		}
		require.ErrorIs(t, err, unix.EINVAL)
		require.Equal(t, 1, asked)
		require.NoError(t, old.munmap(unsafe.Pointer(unsafe.SliceData(mem)), 100))
	}
}

// What is kept is bounded in bytes, in number and in time, and then ends as it would have.
func TestQuarantine_Bounds(t *testing.T) {
	keptNow := func() (n int, bytes int64) {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		for _, k := range kept.all {
			bytes += int64(len(k.mem))
		}
		require.Equal(t, bytes, kept.bytes)
		return len(kept.all), bytes
	}
	end := func(q Quarantine, size int) {
		f := opened(t, size, Options{Quarantine: q})
		require.NoError(t, f.Close(testkit.Context(t)))
	}
	end(Quarantine{OneIn: 1, For: time.Nanosecond}, 10000)
	end(Quarantine{OneIn: 1, For: time.Hour, MaxBytes: 1}, 1) // all older ones end
	n, bytes := keptNow()
	require.Equal(t, 1, n)
	require.EqualValues(t, 1, bytes)
	for range 5 {
		end(Quarantine{OneIn: 1, For: time.Hour, MaxBytes: 30000}, 10000)
	}
	n, bytes = keptNow()
	require.Equal(t, 3, n)
	require.EqualValues(t, 30000, bytes)
	end(Quarantine{OneIn: 1, MaxBytes: 30000}, 30001)
	_, bytes = keptNow()
	require.EqualValues(t, 30000, bytes, "what is too large ends at once")
	f := opened(t, 10000, Options{})
	for range mostKept + 100 {
		mem, err := mapFile(f.fd, 1, false)
		require.NoError(t, err)
		require.NoError(t, Quarantine{OneIn: 1, For: time.Hour}.end(mem))
	}
	n, _ = keptNow()
	require.Equal(t, mostKept, n)
	end(Quarantine{OneIn: 1, MaxBytes: 1, For: time.Hour}, 1)
}
