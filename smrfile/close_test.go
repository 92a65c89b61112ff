package smrfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// One Close of many closes, and waits for the readers.
func TestClose_Once(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		b, leave := borrow(t, f, 10000)
		var closed, refused atomic.Int32
		var all sync.WaitGroup
		others := make(chan struct{}, 9)
		for range 10 {
			all.Go(func() {
				switch err := f.Close(testkit.Context(t)); {
				case err == nil:
					closed.Add(1)
				case errors.Is(err, fs.ErrClosed):
					refused.Add(1)
					others <- struct{}{}
				}
			})
		}
		for range 9 {
			<-others
		}
		settleBehind(f)
		require.Zero(t, closed.Load(), "Close does not wait for a section")
		require.NoError(t, access(f, b, func() { require.Equal(t, pattern(10000), b) }))
		leave()
		all.Wait()
		require.EqualValues(t, 1, closed.Load())
		require.EqualValues(t, 9, refused.Load())
	})
}

// settleBehind returns when the Close of f that has begun has published it.
func settleBehind(f *File) {
	for done := false; !done; runtime.Gosched() {
		f.writers.Lock()
		done = f.cur.LoadSerialized() == nil
		f.writers.Unlock()
	}
}

// A Close that gives up has closed the file, which ends behind it.
func TestClose_GivesUp(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		b, leave := borrow(t, f, 10000)
		err := f.Close(over())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "section")
		require.ErrorIs(t, f.Close(over()), fs.ErrClosed)
		require.Zero(t, f.Size())
		require.NoError(t, access(f, b, func() { require.Equal(t, pattern(10000), b) }))
		leave()
		<-f.ended
	})
}

func TestClose_WaitsForHolds(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		s := f.Enter()
		h := f.Hold(s)
		s.Leave()
		c := h.Clone()
		ctx, cancel := context.WithCancel(testkit.Context(t))
		done := make(chan error, 1)
		go func() { done <- f.Close(ctx) }()
		<-f.open.Done()
		settle(t, f.Domain())
		cancel()
		err := <-done
		require.ErrorIs(t, err, context.Canceled)
		settle(t, f.Domain())
		h.Release()
		settle(t, f.Domain())
		require.EqualValues(t, 10000, c.Size())
		require.NoError(t, c.Read(0, 10000, func(b []byte) error {
			require.Equal(t, pattern(10000), b)
			return nil
		}))
		c.Release()
		<-f.ended
		require.Panics(t, c.Release)
	})
}

// What is held by one file holds up nothing of another.
func TestClose_WaitsForItsOwnReaders(t *testing.T) {
	d := testkit.Domain(t)
	f, g := openedAt(t, d, tempFile(t, 100), Options{}), openedAt(t, d, tempFile(t, 200), Options{})
	s := d.Enter()
	h := f.Hold(s)
	s.Leave()
	require.NoError(t, g.Close(testkit.Context(t)))
	h.Release()
}

func TestRemove(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		require.NoError(t, f.Remove(testkit.Context(t)))
		_, err := os.Stat(f.path)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorIs(t, f.Remove(testkit.Context(t)), fs.ErrClosed)
	})
}

// The file is there until its readers have left, and a file that took its name stays.
func TestRemove_TheFileItself(t *testing.T) {
	f := opened(t, 100, Options{})
	s := testkit.Enter(f.Domain())
	require.ErrorIs(t, f.Remove(over()), context.Canceled)
	requireDiskSize(t, f, 100)
	s.Leave()
	<-f.ended
	_, err := os.Stat(f.path)
	require.ErrorIs(t, err, fs.ErrNotExist)

	f = opened(t, 100, Options{})
	require.NoError(t, os.Rename(tempFile(t, 7), f.path))
	require.ErrorContains(t, f.Remove(testkit.Context(t)), "another file")
	requireDiskSize(t, f, 7)

	f = opened(t, 100, Options{})
	require.NoError(t, os.Remove(f.path))
	require.ErrorIs(t, f.Remove(testkit.Context(t)), fs.ErrNotExist)
}

// The file goes, and a link by which it was opened stays.
func TestRemove_ByLink(t *testing.T) {
	path := tempFile(t, 100)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no links here: " + err.Error())
	}
	f := openedAt(t, testkit.Domain(t), link, Options{})
	require.NoError(t, f.Remove(testkit.Context(t)))
	_, err := os.Stat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Lstat(link)
	require.NoError(t, err)
}

// A Close that gives up as the file ends returns the error of that, which else is lost.
func TestClose_GivesUpTooLate(t *testing.T) {
	f := opened(t, 100, Options{})
	require.NoError(t, os.Remove(f.path))
	require.True(t, f.beginClose(true, nil))
	<-f.ended
	ended, err := f.leave()
	require.True(t, ended)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A callback may begin a Close: it can't wait, so the file ends behind it.
func TestClose_InCallback(t *testing.T) {
	f := opened(t, 100, Options{})
	d := f.Domain()
	err := make(chan error, 1)
	d.CallFunc(0, func() { err <- f.Close(context.Background()) }) //smr:ok it fails, as the test checks
	d.Flush()
	require.ErrorIs(t, <-err, smr.ErrInCallback)
	<-f.ended
}

// So, too, as the domain is being closed, which waits for the callback.
func TestClose_InCallbackOfClosing(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	f := openedAt(t, d, tempFile(t, 100), Options{})
	failsInCallbackOfClosing(t, d, f.Close)
	<-f.ended
}

func TestSet_CloseInCallbackOfClosing(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	set := NewSet[int](d)
	f := openedAt(t, d, tempFile(t, 100), Options{})
	require.NoError(t, set.Replace(testkit.Context(t), []Entry[int]{{1, f}}, nil, CloseDropped))
	failsInCallbackOfClosing(t, d, set.Close)
	<-f.ended
}

func failsInCallbackOfClosing(t *testing.T, d *smr.Domain, wait func(context.Context) error) {
	t.Helper()
	ctx := testkit.Context(t)
	failed := make(chan error, 1)
	d.CallFunc(0, func() {
		for !d.Closed() {
			runtime.Gosched()
		}
		failed <- wait(ctx)
	})
	require.NoError(t, d.Close(ctx))
	require.ErrorIs(t, <-failed, smr.ErrInCallback)
}

// A file whose domain is being closed waits for the domain's readers.
func TestClose_DomainClosing(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	f := openedAt(t, d, tempFile(t, 10000), Options{})
	b, leave := borrow(t, f, 10000)
	require.ErrorIs(t, d.Close(over()), context.Canceled)
	err = f.Close(over())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "sections must be left")
	require.NoError(t, access(f, b, func() { require.Equal(t, pattern(10000), b) }))
	leave()
	<-f.ended
	require.NoError(t, d.Close(testkit.Context(t)))
}
