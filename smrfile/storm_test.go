package smrfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
)

// stormPages is how many pages the file has in a storm, at most. The first byte of each is its number.
const stormPages = 64

// All that can be done to a file is done at once, by several goroutines, also in sections, until it is
// closed amid that: nothing waits for ever, each error is one that the docs name, and readers see their
// page or zeros.
func TestStorm(t *testing.T) {
	for _, o := range []Options{{Write: true}, {Write: true, Reserve: int64(stormPages * pageSize)}, {Write: true, InMemory: true}} {
		d := testkit.Domain(t)
		for range 1 + testkit.Rounds(10)/5 {
			f := openedAt(t, d, tempFile(t, 0), o)
			require.NoError(t, f.Grow(int64(stormPages*pageSize)))
			for i := range stormPages {
				_, err := f.WriteAt([]byte{byte(i)}, int64(i*pageSize))
				require.NoError(t, err)
			}
			storm(t, f)
		}
	}
}

func storm(t *testing.T, f *File) {
	ctx := testkit.Context(t)
	var all, few sync.WaitGroup // steps, and the first few of each kind
	for _, step := range []func() error{
		func() error { return stormView(f) },
		func() error { return stormHold(f) },
		func() error { return stormReadAt(f) },
		func() error { return stormGrow(f) },
		func() error { return f.Truncate(ctx, stormOff()) }, // most are undone
		func() error { return stormWrite(f) },
	} {
		few.Add(1)
		all.Go(func() {
			begun := sync.OnceFunc(few.Done)
			defer begun()
			for i := 0; ; i++ {
				if i == 5 {
					begun()
				}
				runtime.Gosched() // else each wait takes as many time slices as there are others
				err := step()
				switch {
				case errors.Is(err, fs.ErrClosed):
					return
				case err == nil, err == io.EOF, errors.Is(err, ErrRange), errors.Is(err, ErrGrown), errors.Is(err, context.Canceled):
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	few.Wait()
	require.NoError(t, f.Close(ctx))
	all.Wait()
}

func stormOff() int64 { return int64(rand.IntN(stormPages) * pageSize) }

// stormCheck returns an error if the first of b, which is the page's at off, is another's.
func stormCheck(b []byte, off int64) error {
	if got := b[0]; got != 0 && int(got) != int(off)/pageSize {
		return errors.New("another page's byte")
	}
	return nil
}

// stormView reads a page, and grows the file in the section, which a Truncate may wait for.
func stormView(f *File) error {
	s := f.Enter()
	defer s.Leave()
	off := stormOff()
	if err := f.Read(s, off, pageSize, func(b []byte) error { return stormCheck(b, off) }); err != nil {
		return err
	}
	if err := stormGrow(f); err != nil {
		return err
	}
	b, err := f.View(s, off, pageSize)
	if err == nil {
		err = stormCheck(b, off)
	}
	return err
}

func stormHold(f *File) error {
	s := f.Enter()
	h := f.Hold(s)
	s.Leave()
	defer h.Release()
	c := h.Clone()
	defer c.Release()
	off := stormOff()
	if err := stormGrow(f); err != nil {
		return err
	}
	return c.Read(off, pageSize, func(b []byte) error { return stormCheck(b, off) })
}

func stormReadAt(f *File) error {
	off := stormOff()
	p := make([]byte, pageSize)
	n, err := f.ReadAt(p, off)
	if n > 0 && err == nil {
		err = stormCheck(p, off)
	}
	return err
}

// stormGrow grows the file, unless it is as long as that already.
func stormGrow(f *File) error {
	if err := f.Grow(stormOff()); !errors.Is(err, ErrRange) {
		return err
	}
	return nil
}

// stormWrite writes its number to a page. In memory the race detector would see that readers are there.
func stormWrite(f *File) error {
	if f.inMemory() {
		return f.Sync()
	}
	off := stormOff()
	_, err := f.WriteAt([]byte{byte(off / int64(pageSize))}, off)
	return err
}
