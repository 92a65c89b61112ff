package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An output notes when it is closed, and what is written after that.
type output struct {
	opened  *atomic.Int64 // outputs that are open
	closed  bool          // plain: -race finds a Write beside Close
	written int
	err     error
	slow    chan struct{} // if not nil, Write waits for it
}

func (o *output) Write(p []byte) (int, error) {
	if o.slow != nil {
		<-o.slow
	}
	if o.closed {
		return 0, errors.New("closed under its user")
	}
	o.written += len(p)
	return len(p), nil
}

func (o *output) Close() error {
	if o.closed {
		return errors.New("closed twice")
	}
	o.closed = true
	if o.opened != nil {
		o.opened.Add(-1)
	}
	return o.err
}

func begin(t testing.TB, ss *Sessions, out *output) uint64 {
	id, err := ss.Begin(out)
	require.NoError(t, err)
	return id
}

// pass lets time pass in a bubble, and waits for what happens then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEnd_ClosesAfterTheLastUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ss, err := NewSessions(time.Hour)
		require.NoError(t, err)
		out := &output{slow: make(chan struct{})}
		id := begin(t, ss, out)
		written := make(chan error, 1)
		go func() { written <- ss.Write(id, []byte("slow")) }()
		synctest.Wait() // it is in Write
		require.NoError(t, ss.End(id))
		require.ErrorIs(t, ss.End(id), ErrNoSession)
		require.ErrorIs(t, ss.Write(id, nil), ErrNoSession)
		pass(time.Minute) // far longer than a callback is delayed
		require.False(t, out.closed)
		close(out.slow)
		require.NoError(t, <-written)
		pass(time.Minute)
		require.True(t, out.closed)
		require.NoError(t, ss.Close(t.Context()))
	})
}

func TestExpire_EndsWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ss, err := NewSessions(time.Hour)
		require.NoError(t, err)
		idle, used := &output{}, &output{}
		first, second := begin(t, ss, idle), begin(t, ss, used)
		for range 5 {
			pass(time.Hour / 2)
			require.NoError(t, ss.Write(second, []byte("x")))
		}
		require.ErrorIs(t, ss.Write(first, nil), ErrNoSession)
		require.True(t, idle.closed)
		require.False(t, used.closed)
		require.NoError(t, ss.Close(t.Context()))
		require.True(t, used.closed)
		require.Equal(t, 5, used.written)
	})
}

// A Close that gives up loses nothing: the second one waits for the rest, and returns its error.
func TestClose_GivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ss, err := NewSessions(time.Hour)
		require.NoError(t, err)
		failure := errors.New("disk full")
		out := &output{slow: make(chan struct{}), err: failure}
		id := begin(t, ss, out)
		written := make(chan error, 1)
		go func() { written <- ss.Write(id, nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, ss.Close(ctx), context.DeadlineExceeded)
		_, err = ss.Begin(&output{})
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, ss.Write(id, nil), ErrNoSession)
		require.ErrorIs(t, ss.End(id), ErrNoSession)
		close(out.slow)
		require.NoError(t, <-written)
		require.ErrorIs(t, ss.Close(t.Context()), failure)
	})
}

// The load: sessions are used while they are ended, by several at once. None is closed under a user,
// and each is closed once.
func TestLoad_EndBesideUse(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 300
	}
	const workers, current = 4, 16
	ss, err := NewSessions(time.Hour)
	require.NoError(t, err)
	var opened atomic.Int64
	var ids [current]atomic.Uint64
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			for i := range rounds {
				place := &ids[(i*7+w)%current]
				if i%10 == 0 { // replace a session
					opened.Add(1)
					id, err := ss.Begin(&output{opened: &opened})
					if err != nil {
						return err
					}
					if old := place.Swap(id); old != 0 {
						if err := ss.End(old); err != nil {
							return err
						}
					}
				}
				if err := ss.Write(place.Load(), []byte("x")); err != nil && err != ErrNoSession {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, ss.Close(ctx))
	require.Zero(t, opened.Load())
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, dir, time.Hour) }()
	client := &http.Client{Transport: &http.Transport{}}
	request := func(method, path, body string) (string, int) {
		r, err := http.NewRequest(method, "http://"+l.Addr().String()+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := client.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.TrimSpace(string(text)), resp.StatusCode
	}
	id, _ := request("POST", "/sessions", "")
	for i := range 3 {
		_, status := request("POST", "/sessions/"+id, fmt.Sprint(i))
		require.Equal(t, http.StatusOK, status)
	}
	_, status := request("DELETE", "/sessions/"+id, "")
	require.Equal(t, http.StatusOK, status)
	_, status = request("DELETE", "/sessions/"+id, "")
	require.Equal(t, http.StatusNotFound, status)
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
	files, err := filepath.Glob(dir + "/upload-*")
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, "012", string(text))
}

func BenchmarkWrite(b *testing.B) {
	ss, err := NewSessions(time.Hour)
	require.NoError(b, err)
	defer ss.Close(context.Background())
	b.RunParallel(func(pb *testing.PB) {
		id := begin(b, ss, &output{})
		for pb.Next() {
			if err := ss.Write(id, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
