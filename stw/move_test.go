package stw

import (
	"bytes"
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fill allocates size bytes in the domain's area and writes them.
func fill(t testing.TB, r *Reservation, d *Domain, size int) []byte {
	t.Helper()
	b, err := r.Alloc(d, size)
	require.NoError(t, err)
	copy(b, filled(size))
	return b
}

// filled is what fill writes.
func filled(size int) []byte { return bytes.Repeat([]byte{byte(size) | 1}, size) }

// Reset gives back what only one of the last two cycles used, and keeps twice what both did.
func TestReset_GivesPagesBack(t *testing.T) {
	needResident(t)
	const size = 8 << 20
	w := newWorld(t, Options{Max: 2})
	r, err := w.NewReservation(size)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		for _, cycle := range []struct{ use, least, most int }{
			{size, 0, retained}, // the only one so far
			{size, size, size},  // as the last one
			{size, size, size},
			{1 << 20, 2 << 20, 2 << 20},
			{1 << 20, 2 << 20, 2 << 20},
			{size, 2 << 20, 2 << 20}, // once
			{1 << 20, 2 << 20, 2 << 20},
			{0, 0, retained},
			{retained / 2, 0, retained},
			{retained / 2, retained / 2, retained},
		} {
			fill(t, r, d, cycle.use)
			require.NoError(t, r.Reset(d, nil))
			n := resident(t, r.areas[d.slot].mem)
			require.True(t, cycle.least <= n && n <= cycle.most, "%d bytes are resident after %+v", n, cycle)
		}
		r.Release(d)
	})
}

// Emptying areas of which little is used makes no call to the system.
func TestReset_SmallAreasStay(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 2})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		for range 10 {
			fill(t, r, d, retained)
			require.NoError(t, r.Reset(d, nil))
			require.Equal(t, 1, f.mappings)
			require.Equal(t, r.Area(), f.live)
			require.Zero(t, f.spared.Load())
		}
		r.Release(d)
	})
}

// What a domain allocated stays when it ends, and nothing else; the next Reset gives it back.
func TestEnd_GivesPagesBack(t *testing.T) {
	for name, use := range map[string]int{"nothing in use": 0, "little": 100, "all": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			f := withFakeSystem(t)
			w := newWorld(t, Options{Max: 3})
			r, err := w.NewReservation(1 << 20)
			require.NoError(t, err)
			asDomain(t, w, func(other *Domain) {
				var left []byte
				other.Blocking(func() {
					asDomain(t, w, func(d *Domain) {
						require.Equal(t, 1, d.Slot())
						fill(t, r, d, retained)
						require.NoError(t, r.Reset(d, nil))
						left = fill(t, r, d, use)
					})
				})
				a := &r.areas[1]
				require.Equal(t, use == 0, a.mem == nil, "an empty area goes as a whole")
				require.True(t, bytes.Equal(filled(use), left))
				t.Run("resident", func(t *testing.T) {
					needResident(t)
					require.Equal(t, wholePages(use), resident(t, a.mem))
				})
				require.NoError(t, r.Reset(other, nil))
				require.Nil(t, a.mem)
				require.Equal(t, r.Area(), f.live, "the first one")
				r.Release(other)
			})
		})
	}
}

// Where the system cannot take pages back, the area goes as a whole, and comes back when something
// is allocated.
func TestReset_UnmapsIfItMust(t *testing.T) {
	f := withFakeSystem(t)
	system.discard = func([]byte) bool { return false }
	w := newWorld(t, Options{Max: 1})
	const size = 1 << 20
	r, err := w.NewReservation(size)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		for range 3 { // in the third, the area stays
			fill(t, r, d, size)
			require.NoError(t, r.Reset(d, nil))
		}
		require.Equal(t, 2, f.mappings)
		require.Equal(t, size, f.live)
		fill(t, r, d, 16)
		d.leaveAreas()
		require.Equal(t, size, f.live, "something is in use")
		r.Release(d)
	})
}

// If evacuation fails, no page is given back.
func TestReset_FailedKeepsPages(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 2})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	c := startCrowd(t, w, 1)
	asDomain(t, w, func(d *Domain) {
		b := fill(t, r, d, 1<<20-1)
		panicOf(t, func() {
			r.Reset(d, func(p *Domain, _ *Stop) {
				if p != d {
					panic("evacuate")
				}
			})
		})
		require.Zero(t, f.spared.Load())
		require.True(t, bytes.Equal(filled(1<<20-1), b))
		r.Release(d)
	})
	c.end(t)
}

// Domains come, allocate and end while others empty the areas: what a domain has allocated is its
// own until the next Reset.
func TestEnd_AgainstReset(t *testing.T) {
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	var quit atomic.Bool
	resets := spawn(t, w, func(d *Domain) {
		for !quit.Load() {
			if err := r.Reset(d, nil); err != nil {
				t.Error(err)
			}
			d.Relax()
		}
	})
	for n := range rounds(300) {
		var domains []*Domain
		for i := range 3 {
			domains = append(domains, spawn(t, w, func(d *Domain) {
				for _, size := range []int{retained << (n % 3), 100, 5000} {
					b, err := r.Alloc(d, size)
					if err != nil { // the next Reset is yet to come
						assert.ErrorIs(t, err, ErrExhausted)
						return
					}
					for at := 0; at < size; at += 1000 {
						b[at] = byte(n + i)
					}
					for at := 0; at < size; at += 1000 {
						if b[at] != byte(n+i) {
							t.Errorf("%d at %d, want %d", b[at], at, byte(n+i))
						}
					}
					if n%2 == 0 {
						d.Poll()
					}
				}
			}))
		}
		join(t, domains...)
	}
	quit.Store(true)
	join(t, resets)
	asDomain(t, w, r.Release)
}

// growTogether has two domains ask for growth, in that order, before either leads, and returns what
// they were answered and how often evacuate ran.
func growTogether(t *testing.T, w *World, r *Reservation, sizes [2]int) (errs [2]error, evacuated int) {
	t.Helper()
	first := &Stop{w: w}
	w.queue(first)
	var n atomic.Int32
	var domains []*Domain
	for i, size := range sizes {
		domains = append(domains, spawn(t, w, func(d *Domain) {
			if _, err := r.Alloc(d, 1); err != nil {
				t.Error(err)
			}
			errs[i] = r.GrowTo(d, size, func(*Domain, *Stop) { n.Add(1) })
			if errs[i] == nil && r.Area() < size {
				t.Errorf("an area has %d bytes, want %d", r.Area(), size)
			}
		}))
		waitFor(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.leaders) == i+2
		})
	}
	w.unqueue(first)
	join(t, domains...)
	require.Empty(t, r.wishes)
	return errs, int(n.Load())
}

// Of domains that ask for growth together, the first moves all areas once, to the largest size; the
// other finds that done.
func TestGrowTo_LargestWishWins(t *testing.T) {
	for _, sizes := range [][2]int{{2 << 20, 4 << 20}, {4 << 20, 2 << 20}, {4 << 20, 4 << 20}} {
		f := withFakeSystem(t)
		w := newWorld(t, Options{Max: 4})
		r, err := w.NewReservation(1 << 20)
		require.NoError(t, err)
		errs, evacuated := growTogether(t, w, r, sizes)
		require.Equal(t, [2]error{}, errs)
		require.Equal(t, 2, evacuated, "once for each domain")
		require.Equal(t, 4<<20, r.Area())
		require.Equal(t, 2+2, f.mappings)
		asDomain(t, w, r.Release)
	}
}

// If the system refuses the largest size, each domain has its own, or the refusal.
func TestGrowTo_LargestRefused(t *testing.T) {
	withFakeSystem(t)
	limit := system.mapping
	system.mapping = func(size int) ([]byte, error) {
		if size > 2<<20 {
			return nil, errRefused
		}
		return limit(size)
	}
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	errs, evacuated := growTogether(t, w, r, [2]int{2 << 20, 4 << 20})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrNoMemory)
	require.Equal(t, 2, evacuated)
	require.Equal(t, 2<<20, r.Area())
	asDomain(t, w, r.Release)
}

// GrowTo never shrinks, does nothing where nothing is to be done, and forgets a wish that fails.
func TestGrowTo_Alone(t *testing.T) {
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		fill(t, r, d, 100)
		for _, size := range []int{0, 1, 1 << 20} {
			require.NoError(t, r.GrowTo(d, size, func(*Domain, *Stop) { t.Error("nothing is to be moved") }))
		}
		require.Error(t, r.GrowTo(d, -1, nil))
		panicOf(t, func() { r.GrowTo(d, 2<<20, func(*Domain, *Stop) { panic("evacuate") }) })
		require.Empty(t, r.wishes)
		require.Equal(t, 112, r.Used(d))
		w.RunOnAll(d, func(d *Domain, _ *Stop) {
			require.Panics(t, func() { r.GrowTo(d, 1, nil) })
		}, StopOptions{})
		require.NoError(t, r.GrowTo(d, 2<<20, nil))
		require.Equal(t, 2<<20, r.Area())
		require.Zero(t, r.Used(d))
		r.Release(d)
	})
}

// A move that is given up, for a domain that does not come, changes nothing and keeps no memory.
func TestMove_GivenUp(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(1 << 20)
	require.NoError(t, err)
	end := make(chan struct{})
	deaf := spawn(t, w, func(*Domain) { <-end })
	waitState(t, deaf, Running)
	asDomain(t, w, func(d *Domain) {
		b := fill(t, r, d, 1<<20)
		live := f.live
		evacuate := func(*Domain, *Stop) { t.Error("the world is not stopped") }
		for _, move := range []func(context.Context) error{
			func(ctx context.Context) error { return r.ResetContext(ctx, d, evacuate) },
			func(ctx context.Context) error { return r.ResizeContext(ctx, d, 2<<20, evacuate) },
			func(ctx context.Context) error { return r.GrowToContext(ctx, d, 2<<20, evacuate) },
		} {
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				for w.stop.Load() == nil {
					runtime.Gosched()
				}
				cancel()
			}()
			require.ErrorIs(t, move(ctx), context.Canceled)
			require.Equal(t, 1<<20, r.Area())
			require.Equal(t, 1<<20, r.Used(d))
			require.Equal(t, live, f.live)
			require.True(t, bytes.Equal(filled(1<<20), b))
		}
		require.Empty(t, r.wishes)
		close(end)
		d.Blocking(func() { join(t, deaf) })
		r.Release(d)
	})
}

// A world knows which reservations have memory, to give back that of domains that end.
func TestRelease_Forgets(t *testing.T) {
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(0)
	require.NoError(t, err)
	require.Empty(t, *w.reservations.Load())
	other, err := w.NewReservation(1)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		for range 2 {
			require.NoError(t, r.GrowTo(d, 1<<20, nil))
			require.NoError(t, r.Resize(d, 1<<10, nil))
			require.Equal(t, []*Reservation{other, r}, *w.reservations.Load())
			r.Release(d)
			require.Equal(t, []*Reservation{other}, *w.reservations.Load())
		}
		other.Release(d)
		require.Empty(t, *w.reservations.Load())
	})
}

// Twice what is used, but no more than the area, so that it does not exceed an int.
func TestReset_KeepsAtMostTheArea(t *testing.T) {
	const most = math.MaxInt &^ (1<<20 - 1)
	for _, v := range []struct{ used, last, size, want int }{
		{0, 0, 0, retained},
		{retained, 2 * retained, 8 * retained, 2 * retained},
		{3 * retained, 4 * retained, 4 * retained, 4 * retained},
		{most, most, most, most},
		{most / 4 * 3, most / 4 * 3, most, most},
	} {
		require.Equal(t, v.want, keeps(v.used, v.last, v.size))
	}
}

// A Resize that fails does not say of an area that it is open, though a domain that ends has given it
// back meanwhile.
func TestResize_FailedOpensNothing(t *testing.T) {
	f := withFakeSystem(t)
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(areaPage)
	require.NoError(t, err)
	c := startCrowd(t, w, 1)
	asDomain(t, w, func(d *Domain) {
		d.ForEach(func(d *Domain) { r.Alloc(d, 1) })
		f.refuseMap = 1
		system.mapping = func(size int) ([]byte, error) {
			if f.refuseMap == 1 { // for the first, which has been found open: as by trim
				r.mu.Lock()
				r.open[c.domains[0].slot] = false
				r.mu.Unlock()
			}
			return f.mapping(size)
		}
		require.ErrorIs(t, r.Resize(d, 2*areaPage, nil), ErrNoMemory)
		require.False(t, r.isOpen(c.domains[0].slot))
		require.True(t, r.isOpen(d.slot))
		f.refuseMap = -1
		r.Release(d)
	})
	c.end(t)
}
