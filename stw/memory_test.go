package stw

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A fakeSystem refuses what it is told to, and knows what it gave and has not got back.
type fakeSystem struct {
	t           testing.TB
	real        memoryCalls
	mappings    int // asked for
	refuseMap   int // so many mappings from now on succeed, and no more; -1: all do
	refuseUnmap bool
	live        int // bytes

	spared atomic.Int64 // bytes; several participants of a stop give back at the same time
}

var errRefused = errors.New("refused by the test")

// withFakeSystem puts a fakeSystem in the place of the system until the test has ended.
func withFakeSystem(t testing.TB) *fakeSystem {
	f := &fakeSystem{t: t, real: system, refuseMap: -1}
	system = memoryCalls{f.mapping, f.unmap, func(mem []byte) bool {
		f.spared.Add(int64(len(mem)))
		return f.real.discard(mem)
	}}
	t.Cleanup(func() {
		f.refuseUnmap = false
		spare.giveBack()
		for len(spare.ranges) > 0 {
			spare.retryLocked()
		}
		require.Zero(t, f.live, "bytes that were not given back")
		system = f.real
	})
	return f
}

func (f *fakeSystem) mapping(size int) ([]byte, error) {
	f.mappings++
	if f.refuseMap == 0 {
		return nil, errRefused
	}
	f.refuseMap--
	mem, err := f.real.mapping(size)
	f.live += len(mem)
	return mem, err
}

func (f *fakeSystem) unmap(mem []byte) error {
	if f.refuseUnmap {
		return errRefused
	}
	f.live -= len(mem)
	return f.real.unmap(mem)
}

// spareBytes returns how many bytes are kept that the system did not take back.
func spareBytes() (n int) {
	spare.mu.Lock()
	defer spare.mu.Unlock()
	for _, mem := range spare.ranges {
		n += len(mem)
	}
	return n
}

// A reservation takes as many areas as domains use, not as the world has slots.
func TestReservation_OpensAreasAsUsed(t *testing.T) {
	f := withFakeSystem(t)
	const size = 1 << 16
	w := newWorld(t, Options{Max: 1000})
	r, err := w.NewReservation(size)
	require.NoError(t, err)
	require.Equal(t, size, f.live, "one, to see whether there is any")
	c := startCrowd(t, w, 3)
	asDomain(t, w, func(d *Domain) {
		_, err := r.Alloc(d, size+1)
		require.ErrorIs(t, err, ErrExhausted)
		_, err = r.Alloc(d, -1)
		require.ErrorIs(t, err, ErrExhausted)
		require.Equal(t, size, f.live)
		_, err = r.Alloc(d, 10)
		require.NoError(t, err)
		require.Equal(t, 2*size, f.live)
		require.NoError(t, r.Resize(d, 2*size, nil))
		require.Equal(t, 2*2*size, f.live)
	})
	c.end(t)
	// That of a domain that has ended goes with the next change, and is not made again.
	asDomain(t, w, func(d *Domain) {
		require.Equal(t, 0, d.Slot())
		require.NoError(t, r.Resize(d, size, nil))
		require.Equal(t, size, f.live)
		r.Release(d)
		require.Zero(t, f.live)
		_, err := r.Alloc(d, 1)
		require.ErrorIs(t, err, ErrExhausted)
	})
}

// So does what the system itself says.
func TestMapMemory_Refused(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("a system with 64 bits may give a process with 32 any size")
	}
	_, err := mapMemory(math.MaxInt/2 + 1)
	require.Error(t, err)
}

// Memory that the system refuses is an error that names size and cause, and later there
// may be some.
func TestReservation_RefusedMemoryIsAnError(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 4})
	f.refuseMap = 0
	_, err := w.NewReservation(areaPage + 1)
	require.ErrorIs(t, err, ErrNoMemory)
	require.ErrorIs(t, err, errRefused)
	require.ErrorContains(t, err, fmt.Sprintf("%d bytes", 2*areaPage))

	f.refuseMap = 1
	r, err := w.NewReservation(areaPage + 1)
	require.NoError(t, err)
	c := startCrowd(t, w, 1)
	asDomain(t, w, func(d *Domain) {
		for range 2 {
			_, err := r.Alloc(d, 1)
			require.ErrorIs(t, err, ErrNoMemory)
			require.ErrorIs(t, err, errRefused)
			require.Zero(t, r.Used(d))
		}
		f.refuseMap = -1
		_, err := r.Alloc(d, 1)
		require.NoError(t, err)
		r.Release(d)
	})
	c.end(t)
}

// A Resize that fails, at whichever area, leaves the old areas in place, with what is in
// them, and keeps none of the new ones.
func TestReservation_FailedResizeChangesNothing(t *testing.T) {
	const size, domains = 1 << 16, 3
	for have := range domains {
		f := withFakeSystem(t)
		w := newWorld(t, Options{Max: 8})
		r, err := w.NewReservation(size)
		require.NoError(t, err)
		var mine [domains][]byte
		c := startCrowd(t, w, domains-1)
		fill := func(d *Domain) {
			b, err := r.Alloc(d, 100)
			require.NoError(t, err)
			for i := range b {
				b[i] = byte(d.Slot() + 1)
			}
			mine[d.Slot()] = b
		}
		asDomain(t, w, func(d *Domain) {
			d.ForEach(fill)
			live := f.live
			f.refuseMap = have
			err := r.Resize(d, 2*size, func(*Domain, *Stop) { t.Error("there is nowhere to go") })
			require.ErrorIs(t, err, ErrNoMemory)
			require.ErrorContains(t, err, "131072 bytes")
			require.Equal(t, live, f.live)
			require.Equal(t, size, r.Area())
			d.ForEach(func(d *Domain) {
				require.Equal(t, 112, r.Used(d))
				require.Equal(t, slices.Repeat([]byte{byte(d.Slot() + 1)}, 100), mine[d.Slot()])
				_, err := r.Alloc(d, size-112)
				require.NoError(t, err, "it goes on in the old one")
			})
			f.refuseMap = -1
			require.NoError(t, r.Resize(d, 2*size, nil))
			r.Release(d)
			require.Zero(t, f.live)
		})
		c.end(t)
	}
}

// Giving memory back does not fail: what the system does not take is kept, and is used
// again or goes later.
func TestReservation_GivingBackNeverFails(t *testing.T) {
	f := withFakeSystem(t)
	const size = 1 << 17
	w := newWorld(t, Options{Max: 4})
	c := startCrowd(t, w, 2)
	asDomain(t, w, func(d *Domain) {
		f.refuseUnmap = true
		r, err := w.NewReservation(size)
		require.NoError(t, err)
		d.ForEach(func(d *Domain) { r.Alloc(d, 1) })
		require.Equal(t, 3*size, f.live)
		r.Release(d)
		require.Equal(t, 3*size, spareBytes())
		require.EqualValues(t, 3*size, f.spared.Load(), "their contents went")

		// Areas are made of what is spare, in pieces if need be, and do not overlap.
		mapped := f.mappings
		r, err = w.NewReservation(size / 2)
		require.NoError(t, err)
		var mu sync.Mutex
		var at []uintptr
		for range 2 {
			d.ForEach(func(d *Domain) {
				b, err := r.Alloc(d, size/2)
				require.NoError(t, err)
				clear(b)
				mu.Lock()
				defer mu.Unlock()
				at = append(at, uintptr(unsafe.Pointer(&b[0])))
			})
			require.NoError(t, r.Reset(d, nil))
		}
		require.Equal(t, mapped, f.mappings)
		require.Equal(t, 3*size-3*size/2, spareBytes())
		slices.Sort(at)
		at = slices.Compact(at)
		require.Len(t, at, 3)
		for i := range at[1:] {
			require.GreaterOrEqual(t, at[i+1]-at[i], uintptr(size/2))
		}

		// A range for which none is large enough is a new one.
		require.NoError(t, r.Resize(d, 2*size, nil))
		require.Equal(t, mapped+3, f.mappings)
		require.Equal(t, 3*size, spareBytes())

		// All goes when the system takes it again.
		f.refuseUnmap = false
		r.Release(d)
		require.Zero(t, spareBytes())
		require.Zero(t, f.live)
	})
	c.end(t)
}

// When the system has no more, spare ranges go back first.
func TestReservation_SpareGoesBackForMore(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 1})
	asDomain(t, w, func(d *Domain) {
		r, err := w.NewReservation(areaPage)
		require.NoError(t, err)
		f.refuseUnmap = true
		r.Release(d)
		f.refuseUnmap = false
		limit := system.mapping
		system.mapping = func(size int) ([]byte, error) {
			if f.live+size > 2*areaPage {
				return nil, errRefused
			}
			return limit(size)
		}
		r, err = w.NewReservation(2 * areaPage)
		require.NoError(t, err)
		require.Zero(t, spareBytes())
		r.Release(d)
	})
}
