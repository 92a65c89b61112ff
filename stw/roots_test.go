package stw

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// words returns the roots that a scan visits, one after the other.
func words(t *testing.T, scan func(visit func(frame []uintptr) error) error) (all []uintptr) {
	t.Helper()
	require.NoError(t, scan(func(frame []uintptr) error {
		all = append(all, frame...)
		return nil
	}))
	return all
}

// A scan ends with the first error of visit, which it returns, and visits the frames in place.
func TestScan_ErrorEndsIt(t *testing.T) {
	w := newWorld(t, Options{})
	enough := errors.New("enough")
	asDomain(t, w, func(d *Domain) {
		require.NoError(t, d.ScanOwn(func([]uintptr) error { return enough }), "there is no frame")
		for i := range 3 {
			d.PushRoots(2)[1] = uintptr(i + 1)
		}
		for _, scan := range []func(func([]uintptr) error) error{
			d.ScanOwn,
			func(visit func([]uintptr) error) (err error) {
				w.RunOnAll(d, func(d *Domain, _ *Stop) { err = d.Scan(visit) }, StopOptions{})
				return err
			},
		} {
			var frames [][]uintptr
			require.Same(t, enough, scan(func(frame []uintptr) error {
				require.Equal(t, 2, cap(frame))
				if frames = append(frames, slices.Clone(frame)); len(frames) == 2 {
					return enough
				}
				frame[0]++
				return nil
			}))
			require.Equal(t, uintptr(2), frames[1][1])
		}
		require.Equal(t, []uintptr{2, 1, 0, 2, 0, 3}, words(t, d.ScanOwn))
	})
}

// The roots of a domain are scanned where it runs no user code, and nowhere else.
func TestScan_InEachSituation(t *testing.T) {
	refused := map[string]string{
		"runs":                        "running",
		"runs and is to be suspended": "running",
		"through a stop":              "running",
		"blocked":                     "blocked",
		"blocked and owes a panic":    "blocked",
		"waits to lead":               "blocked",
		"ends during a stop":          "blocked",
	}
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := newScene(t)
				sc.arrange(func(sc *scene) {
					if s.state != Starting {
						sc.do(func(d *Domain) { d.PushRoots(1)[0] = 7 })
					}
					if s.arrange != nil {
						s.arrange(sc)
					}
				}, s.state)
				if state := refused[s.name]; state != "" {
					require.PanicsWithValue(t, "stw: Scan of "+sc.d.String()+", which is "+state+" and neither suspended nor stopped",
						func() { words(t, sc.d.Scan) })
				} else if s.state == Starting || s.state == Dead {
					require.Empty(t, words(t, sc.d.Scan))
				} else {
					require.Equal(t, []uintptr{7}, words(t, sc.d.Scan))
				}
				sc.over()
				if sc.tell != nil {
					sc.ends()
				}
				close(sc.ask)
				join(t, sc.d)
			})
		})
	}
}

// A function that runs for a domain, and a handler of the same stop, scan its roots, also those of
// a blocked one, and may change them; ScanOwn is for the running owner only.
func TestScan_WhereFunctionsRun(t *testing.T) {
	w := newWorld(t, Options{})
	r, err := w.NewReservation(4096)
	require.NoError(t, err)
	in, release := make(chan struct{}), make(chan struct{})
	blocked := spawn(t, w, func(d *Domain) {
		d.PushRoots(1)[0] = 1
		d.Blocking(func() { close(in); <-release })
	})
	<-in
	increment := func(d *Domain) {
		require.NoError(t, d.Scan(func(frame []uintptr) error { frame[0]++; return nil }))
	}
	asDomain(t, w, func(d *Domain) {
		d.PushRoots(1)[0] = 1
		require.Panics(t, func() { increment(d) })
		d.ForEach(increment)
		require.NoError(t, r.Reset(d, func(p *Domain, _ *Stop) { increment(p) }))
		require.NoError(t, d.Interrupt(increment))
		require.NoError(t, d.Interrupt(func(d *Domain) {
			require.Panics(t, func() { words(t, d.ScanOwn) })
		}))
		d.Poll()
		var one, other []uintptr
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			s.Barrier(func() {
				one, other = words(t, d.Scan), words(t, blocked.Scan)
			})
		}, StopOptions{})
		require.Equal(t, []uintptr{4}, one)
		require.Equal(t, []uintptr{3}, other)
		d.Blocking(func() { require.Panics(t, func() { words(t, d.ScanOwn) }) })
		r.Release(d)
	})
	close(release)
	join(t, blocked)
}
