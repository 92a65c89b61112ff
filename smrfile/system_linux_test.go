package smrfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/internal/testkit"
)

// used counts the mappings of files below dir, and the descriptors.
func used(t *testing.T, dir string) (mappings, fds int) {
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	mappings = strings.Count(string(maps), dir)
	names, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, dir) {
			fds++
		}
	}
	return mappings, fds
}

// A file that was opened, grown, truncated and closed has left no mapping and no descriptor, and while
// it is open it has one of each.
func TestClose_LeavesNothing(t *testing.T) {
	if os.Getenv(self.Emulator) != "" {
		t.Skip("the mappings are the emulator's")
	}
	d := testkit.Domain(t)
	for _, reserve := range []int64{0, 100 << 20} {
		path := tempFile(t, 1000)
		dir := filepath.Dir(path)
		for range 10 {
			f, err := Open(d, path, Options{Write: true, Reserve: reserve})
			require.NoError(t, err)
			for size := f.Size() + 1; size < 50<<20; size *= 3 {
				require.NoError(t, f.Grow(size))
			}
			testkit.Settle(t, d)
			mappings, fds := used(t, dir)
			require.Equal(t, []int{1, 1}, []int{mappings, fds})
			require.NoError(t, f.Truncate(testkit.Context(t), 1000))
			require.NoError(t, f.Close(testkit.Context(t)))
			mappings, fds = used(t, dir)
			require.Equal(t, []int{0, 0}, []int{mappings, fds})
		}
	}
}

// Where the system has no addresses the file is as it was, and says why.
func TestGrow_NoAddresses(t *testing.T) {
	old := system
	t.Cleanup(func() { system = old }) // after the domain was closed, whose goroutines read it
	f := opened(t, 5000, Options{Write: true})
	var refused atomic.Int32
	system.mmap = func(int, int64, unsafe.Pointer, uintptr, int, int) (unsafe.Pointer, error) {
		refused.Add(1)
		return nil, unix.ENOMEM
	}
	for _, size := range []int64{5001, 1 << 30} {
		err := f.Grow(size)
		require.ErrorIs(t, err, unix.ENOMEM)
		require.ErrorContains(t, err, "vm.max_map_count")
		requireDiskSize(t, f, 5000)
		requireView(t, f, 0, pattern(5000))
	}
	_, err := Open(f.dom, f.path, Options{})
	require.ErrorIs(t, err, unix.ENOMEM)

	// Where there are too few for room to grow there may be enough.
	system.mmap = func(fd int, off int64, p unsafe.Pointer, size uintptr, prot, flags int) (unsafe.Pointer, error) {
		if size > 6000 {
			return nil, unix.ENOMEM
		}
		return old.mmap(fd, off, p, size, prot, flags)
	}
	require.NoError(t, f.Grow(6000))
	requireView(t, f, 0, append(pattern(5000), make([]byte, 1000)...))
}

// Where files can't be mapped they are read.
func TestOpen_NoMapping(t *testing.T) {
	old := system
	t.Cleanup(func() { system = old })
	system.mmap = func(int, int64, unsafe.Pointer, uintptr, int, int) (unsafe.Pointer, error) {
		return nil, unix.ENODEV
	}
	for _, n := range []int{0, 5000} {
		f := opened(t, n, Options{Write: true})
		requireView(t, f, 0, pattern(n))
		require.NoError(t, f.Grow(6000))
		require.True(t, f.inMemory())
		_, err := f.WriteAt([]byte("abc"), 5997)
		require.NoError(t, err)
		requireView(t, f, 5997, []byte("abc"))
	}
}

// Where the system can't allocate blocks the file grows without; a signal is no failure.
func TestGrow_WithoutAllocation(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		old := fallocate
		t.Cleanup(func() { fallocate = old })
		f := opened(t, 5000, o)
		size := int64(5000)
		for _, refusal := range []error{unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.EINTR} {
			fallocate = func(int, uint32, int64, int64) error {
				fallocate = old
				return refusal
			}
			size += 5000
			require.NoError(t, f.Grow(size))
			requireDiskSize(t, f, size)
		}
		// What a failure has allocated is given back.
		fallocate = func(fd int, mode uint32, from, n int64) error {
			if err := old(fd, mode, from, n/2); err != nil {
				return err
			}
			return unix.ENOSPC
		}
		require.ErrorIs(t, f.Grow(2*size), unix.ENOSPC)
		requireDiskSize(t, f, size)
		requireView(t, f, 0, append(pattern(5000), make([]byte, size-5000)...))
	})
}

// A signal may end fallocate with nothing done, and a profiler's signals come again and again.
func TestGrow_Interrupted(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		old := fallocate
		t.Cleanup(func() { fallocate = old })
		f := opened(t, 5000, o)
		calls := 0
		fallocate = func(fd int, mode uint32, from, n int64) error {
			if calls++; n > 3<<20 && calls < 100 {
				return unix.EINTR
			}
			return old(fd, mode, from, n)
		}
		require.NoError(t, f.Grow(10<<20))
		require.Less(t, calls, 100)
		requireDiskSize(t, f, 10<<20)
		requireView(t, f, 0, append(pattern(5000), make([]byte, 10<<20-5000)...))
	})
}

// A full disk is an error of Grow, and the file is as it was.
func TestGrow_FullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("no small disk here: " + err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(path, pattern(10000), 0o666))
	f := openedAt(t, testkit.Domain(t), path, Options{Write: true})
	require.ErrorIs(t, f.Grow(1<<20), unix.ENOSPC)
	requireDiskSize(t, f, 10000)
	requireView(t, f, 0, pattern(10000))
	require.NoError(t, f.Grow(100000)) // nothing is kept of what failed
	s := f.Enter()
	defer s.Leave()
	require.NoError(t, f.Read(s, 0, 100000, func(b []byte) error { clear(b); return nil }))

	// A sparse file grows, and a store that finds no block is a fault.
	path = filepath.Join(dir, "sparse")
	require.NoError(t, os.WriteFile(path, pattern(10), 0o666))
	g := openedAt(t, f.dom, path, Options{Write: true, Sparse: true})
	require.NoError(t, g.Grow(1<<20))
	var fault *FaultError
	require.ErrorAs(t, g.Read(s, 0, 1<<20, func(b []byte) error {
		for i := range b {
			b[i] = 1
		}
		return nil
	}), &fault)
	_, err := g.WriteAt(make([]byte, 1<<19), 1<<19)
	require.ErrorIs(t, err, unix.ENOSPC)
}

// A file may not be longer than the process is permitted: an error, too.
func TestGrow_FileLimit(t *testing.T) {
	self.InChild(t, func() string {
		f := opened(t, 10000, Options{Write: true})
		var old unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &old))
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 20000, Max: old.Max}); err != nil {
			return err.Error()
		}
		defer unix.Setrlimit(unix.RLIMIT_FSIZE, &old)
		err := f.Grow(30000)
		if err == nil {
			return "the system does not observe such a limit"
		}
		require.ErrorIs(t, err, unix.EFBIG)
		requireDiskSize(t, f, 10000)
		require.NoError(t, f.Grow(20000))
		return ""
	})
}

// With as many mappings as a process may have, files fail to open and to grow, and nothing is lost.
func TestGrow_ManyMappings(t *testing.T) {
	if os.Getenv(self.Emulator) != "" {
		t.Skip("the mappings are the emulator's")
	}
	self.InChild(t, func() string {
		text, err := os.ReadFile("/proc/sys/vm/max_map_count")
		require.NoError(t, err)
		var most int
		fmt.Sscan(string(text), &most)
		if most > 1<<18 {
			return fmt.Sprintf("%d mappings are permitted, which takes long", most)
		}
		self.Settle()
		f := opened(t, 10000, Options{Write: true})
		refuse := system
		refuse.mmap = func(int, int64, unsafe.Pointer, uintptr, int, int) (unsafe.Pointer, error) { return nil, unix.ENOMEM }
		system, refuse = refuse, system
		_, err = Open(f.dom, f.path, Options{}) // so that Go needs no memory for its first conversions on this way
		require.ErrorIs(t, err, unix.ENOMEM)
		require.ErrorIs(t, f.Grow(100000), unix.ENOMEM)
		system = refuse
		all, err := unix.Mmap(-1, 0, (most+10)*pageSize, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
		if err != nil {
			return "no addresses for so many mappings: " + err.Error()
		}
		defer unix.Munmap(all)
		full := false
		for i := pageSize; i < len(all) && !full; i += 2 * pageSize {
			full = unix.Mprotect(all[i:i+pageSize], unix.PROT_READ) != nil
		}
		if !full {
			return "mappings are not counted here"
		}
		var openErr error
		for i := 0; i < 10 && openErr == nil; i++ { // the last one or two
			_, openErr = Open(f.dom, f.path, Options{})
		}
		err = f.Grow(100000)
		unix.Munmap(all)
		require.ErrorIs(t, err, unix.ENOMEM)
		require.ErrorIs(t, openErr, unix.ENOMEM)
		requireDiskSize(t, f, 10000)
		requireView(t, f, 0, pattern(10000))
		require.NoError(t, f.Grow(100000))
		return ""
	})
}
