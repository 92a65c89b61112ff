//go:build linux && !race

package smrmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/slab"
)

// inChild runs body in a process of its own, which has room bytes of address space more than
// it has taken, and returns what that printed. Go ends a process to which the system refuses
// memory, so what does is not tried in this one.
func inChild(t *testing.T, room uint64, body func()) string {
	const env = "SMRMAP_TEST_CHILD"
	if os.Getenv(env) == t.Name() {
		limitAddressSpace(t, room)
		body()
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), env+"="+t.Name(), "GOGC=50")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Skip("this program can't be started once more: ", err) // as under an emulator
	}
	require.NoError(t, err, string(out))
	return string(out)
}

func limitAddressSpace(t *testing.T, room uint64) {
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var pages uint64
	_, err = fmt.Sscan(string(statm), &pages)
	require.NoError(t, err)
	limit := pages*uint64(os.Getpagesize()) + room
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}))
}

// A table for which the system has no memory is an error, not the end of the process.
func TestNew_SystemHasNoMemory(t *testing.T) {
	room := uint64(256 << 20) // below the smallest table, while arenas of Go's own have room
	if unsafe.Sizeof(uintptr(0)) == 8 {
		room = 384 << 20
	}
	out := inChild(t, room, func() {
		for _, capacity := range []int{20_000_000, 30_000_000, 100_000_000, maxCapacity} {
			_, err := New[uint64, uint64](Options{Capacity: capacity})
			_, err2 := New[string, string](Options{Capacity: capacity})
			_, err3 := NewBytes(Options{Capacity: capacity})
			for _, err := range []error{err, err2, err3} {
				fmt.Println(capacity, errors.Is(err, slab.ErrNoMemory), err)
			}
		}
		m, err := New[uint64, uint64](Options{Capacity: 100_000})
		fmt.Println(m.Store(1, 1), err)
	})
	t.Log(out)
	require.Equal(t, 12, strings.Count(out, " true smrmap: out of memory: table of "), out)
	require.Contains(t, out, "<nil> <nil>")
}

// A map that grows until the system has no memory for its table goes on with the one it has,
// or says so. (The budget keeps entries from taking what Go needs for itself.)
func TestStore_SystemHasNoMemoryForTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	out := inChild(t, 320<<20, func() {
		m, err := New[uint64, struct{}](Options{Budget: slab.NewBudget(240 << 20)})
		if err != nil {
			panic(err)
		}
		n := uint64(0)
		for ; n < 8_000_000 && err == nil && m.c.stuck.Load() == 0; n++ {
			err = m.Store(n, struct{}{})
		}
		for ; err == nil && n%10_000 != 0; n++ {
			err = m.Store(n, struct{}{})
		}
		if err != nil {
			n--
		}
		for k := range n {
			if _, ok := m.Load(k); !ok {
				panic(k)
			}
		}
		grows := m.c.stuck.Load() == 0
		fmt.Println(n, m.Stats().Buckets, err == nil && !grows || errors.Is(err, slab.ErrNoMemory), err)
	})
	t.Log(out)
	require.Contains(t, out, " true ")
}
