package smrfile

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
)

// Readers in sections and with holds see each byte as it was written, or a zero where the file was
// truncated and grew again, whatever writers do and on however many processors; no view faults.
func TestStress(t *testing.T) {
	spins(t)
	for _, o := range []Options{{Write: true}, {Write: true, Reserve: 1 << 20}, {Write: true, InMemory: true}} {
		d := testkit.Domain(t)
		all := pattern(300000)
		for range testkit.Rounds(10) {
			f := openedAt(t, d, tempFile(t, 10000), o)
			var readers sync.WaitGroup
			for i := range 3 {
				readers.Go(func() { readAll(t, f, all, i) })
			}
			writeAll(t, f, all)
			readers.Wait()
		}
	}
}

// readAll reads the file at random until it is closed: by a section's view, in Read, or by a hold.
func readAll(t *testing.T, f *File, all []byte, how int) {
	rnd := rand.New(rand.NewPCG(1, uint64(how)))
	check := func(b []byte, off int) error {
		for _, i := range []int{0, len(b) / 2, len(b) - 1} {
			if b[i] != all[off+i] && b[i] != 0 {
				return errors.New("another's byte")
			}
		}
		return nil
	}
	for {
		s := f.Enter()
		size := int(f.SizeIn(s))
		if size == 0 {
			size = 1
		}
		off := rnd.IntN(size)
		n := rnd.IntN(size-off) + 1
		var err error
		switch how {
		case 0:
			var b []byte
			if b, err = f.View(s, int64(off), n); err == nil {
				err = check(b, off)
			}
			s.Leave()
		case 1:
			err = f.Read(s, int64(off), n, func(b []byte) error { return check(b, off) })
			s.Leave()
		default:
			h := f.Hold(s)
			s.Leave()
			err = h.Read(int64(off), n, func(b []byte) error { return check(b, off) })
			h.Release()
		}
		switch {
		case errors.Is(err, fs.ErrClosed):
			return
		case err != nil && !errors.Is(err, ErrRange): // truncated after SizeIn
			t.Error(err)
			return
		}
	}
}

// writeAll grows, writes, truncates, and closes.
func writeAll(t *testing.T, f *File, all []byte) {
	ctx := testkit.Context(t)
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for i := range 12 {
		if i%4 == 0 {
			runtime.GOMAXPROCS(1 + i/4%before)
		}
		at := int(f.Size())
		size := min(at+rand.IntN(100000), len(all))
		require.NoError(t, f.Grow(int64(size)))
		if !f.inMemory() { // there the race detector sees that readers may be at those bytes
			_, err := f.WriteAt(all[at:size], int64(at))
			require.NoError(t, err)
		}
		to := int64(1 + rand.IntN(size))
		if i%4 == 0 {
			err := f.Truncate(over(), to)
			require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
			continue
		}
		if i%4 == 1 {
			require.NoError(t, f.Truncate(ctx, to))
		}
	}
	require.NoError(t, f.Close(ctx))
}
