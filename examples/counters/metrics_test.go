package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gosmr/gosmr/pcpu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQuantile(t *testing.T) {
	var h Histogram
	h.Init()
	require.Zero(t, quantile(h.Counts(), 0.5))
	for range 98 {
		h.Observe(1000)
	}
	h.Observe(-1)
	h.Observe(time.Hour)
	require.Equal(t, time.Duration(1023), quantile(h.Counts(), 0.5))
	require.Equal(t, time.Duration(1023), quantile(h.Counts(), 0.99))
	require.Greater(t, quantile(h.Counts(), 1), time.Minute)
}

func TestMiddleware_CountsFailures(t *testing.T) {
	m := NewMetrics()
	failing := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "down", http.StatusInternalServerError)
	}))
	failing.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s := m.Snapshot()
	require.Equal(t, [3]int64{1, 1, 5}, [3]int64{s.Requests, s.Failures, s.Bytes})
}

// The load: nothing is lost, although goroutines move between processors and their number changes.
func TestLoad_CountsEach(t *testing.T) {
	adds := 20_000
	if testing.Short() {
		adds = 2000
	}
	const goroutines = 8
	m := NewMetrics()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range adds {
				m.requests.Add(1)
				m.latency.Observe(time.Microsecond)
			}
		})
	}
	for procs := range 8 {
		runtime.GOMAXPROCS(procs + 1)
		m.Snapshot()
	}
	wg.Wait()
	total := uint64(0)
	for _, n := range m.latency.Counts() {
		total += n
	}
	require.EqualValues(t, goroutines*adds, total)
	require.EqualValues(t, goroutines*adds, m.Snapshot().Requests)
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) []byte {
		resp, err := client.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return body
	}
	require.Equal(t, "hello\n", string(get("/")))
	// What a request counts after its answer may come a moment later.
	require.Eventually(t, func() bool {
		var s Snapshot
		return json.Unmarshal(get("/debug/metrics"), &s) == nil && s.Requests == 1 && s.Bytes == 6
	}, time.Minute, time.Millisecond)
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
}

func BenchmarkAdd(b *testing.B) {
	b.Run("pcpu", func(b *testing.B) {
		var n pcpu.Counter
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Add(1)
			}
		})
	})
	b.Run("atomic", func(b *testing.B) {
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Add(1)
			}
		})
	})
	b.Run("histogram", func(b *testing.B) {
		var h Histogram
		h.Init()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				h.Observe(time.Microsecond)
			}
		})
	})
}
