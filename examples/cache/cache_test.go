package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smrmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(t testing.TB, o Options) *Cache {
	o.TTL, o.Timeout = time.Hour, time.Minute
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, c.Close(ctx))
	})
	return c
}

// valueOf is what the loader of tests returns: of a length and content that the key gives.
func valueOf(key string) []byte {
	n := 10
	for _, b := range []byte(key) {
		n = (n*31 + int(b)) % 4000
	}
	return bytes.Repeat([]byte(key), n/len(key)+1)
}

func loadValue(_ context.Context, key string) ([]byte, error) { return valueOf(key), nil }

// Callers that miss one key together have one load, and each has the value.
func TestGet_OneLoadForMany(t *testing.T) {
	const callers = 50
	var c *Cache
	missed := make(chan struct{}) // closed when all have
	c = newCache(t, Options{Load: func(ctx context.Context, key string) ([]byte, error) {
		<-missed
		return loadValue(ctx, key)
	}})
	var g errgroup.Group
	for range callers {
		g.Go(func() error {
			value, err := c.Get(t.Context(), "k", nil)
			if err == nil && !bytes.Equal(value, valueOf("k")) {
				err = fmt.Errorf("%q", value)
			}
			return err
		})
	}
	require.Eventually(t, func() bool { return c.Stats().Misses == callers }, time.Minute, time.Millisecond)
	close(missed)
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, c.Stats().Loads)
}

// A caller that gives up does not end the load for the others.
func TestGet_GivesUp(t *testing.T) {
	release := make(chan struct{})
	c := newCache(t, Options{Load: func(ctx context.Context, key string) ([]byte, error) {
		select {
		case <-release:
			return loadValue(ctx, key)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(ctx, "k", nil)
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	value, err := c.Get(t.Context(), "k", nil)
	require.NoError(t, err)
	require.Equal(t, valueOf("k"), value)
	require.EqualValues(t, 1, c.Stats().Loads)
}

func TestGet_LoadsAnewWhatHasExpired(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	c := newCache(t, Options{Load: loadValue, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	loads := func(want int64) {
		_, err := c.Get(t.Context(), "k", nil)
		require.NoError(t, err)
		require.Equal(t, want, c.Stats().Loads)
	}
	loads(1)
	loads(1)
	now.Add(int64(time.Hour))
	loads(2)
	loads(2)
}

func TestGet_ErrorsAreNotKept(t *testing.T) {
	failure := errors.New("the origin is down")
	c := newCache(t, Options{Load: func(ctx context.Context, key string) ([]byte, error) {
		return nil, failure
	}})
	for range 2 {
		_, err := c.Get(t.Context(), "k", nil)
		require.ErrorIs(t, err, failure)
	}
	require.EqualValues(t, 2, c.Stats().Loads)
}

func TestClose_LateGetsFail(t *testing.T) {
	c := newCache(t, Options{Load: loadValue})
	require.NoError(t, c.Close(t.Context()))
	_, err := c.Get(t.Context(), "k", nil)
	require.ErrorIs(t, err, smrmap.ErrClosed)
}

// The load: more values than the budget has room for, of which some are asked for more often.
func TestLoad_UnderABudget(t *testing.T) {
	gets := 20_000
	if testing.Short() {
		gets = 2000
	}
	const budget, clients, keys = 4 << 20, 4, 10_000
	c := newCache(t, Options{Load: loadValue, Budget: budget})
	var g errgroup.Group
	for client := range clients {
		g.Go(func() error {
			zipf := rand.NewZipf(rand.New(rand.NewPCG(1, uint64(client))), 1.1, 10, keys-1)
			var value []byte
			for range gets / clients {
				key := fmt.Sprintf("key-%d", zipf.Uint64())
				var err error
				if value, err = c.Get(t.Context(), key, value[:0]); err != nil {
					return err
				}
				if !bytes.Equal(value, valueOf(key)) {
					return fmt.Errorf("another value for %s", key)
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	s := c.Stats()
	t.Logf("%d hits, %d misses, %d loads, %d refused, %d evicted, %d bytes", s.Hits, s.Misses, s.Loads, s.Refused, s.Map.Evicted, s.Map.ReservedBytes)
	require.EqualValues(t, gets, s.Hits+s.Misses)
	require.LessOrEqual(t, s.Loads, s.Misses)
	require.LessOrEqual(t, s.Map.ReservedBytes, int64(budget)+budget/4, "the map's doc says what exceeds it")
	require.Positive(t, s.Hits)
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, l, Options{Load: loadValue, TTL: time.Hour, Timeout: time.Minute, Budget: 1 << 20})
	}()
	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) string {
		resp, err := client.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body)
	}
	for range 2 {
		require.Equal(t, string(valueOf("a/key")), get("/a/key"))
	}
	require.Contains(t, get("/debug/cache"), `"Hits":1,"Misses":1,"Loads":1`)
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
}

func BenchmarkGet_Hit(b *testing.B) {
	c := newCache(b, Options{Load: loadValue})
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var value []byte
		for pb.Next() {
			var err error
			if value, err = c.Get(b.Context(), "key", value[:0]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
