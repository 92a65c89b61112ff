package main

import (
	"math/bits"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/pcpu"
)

// Metrics are counts of requests. Each processor counts in memory of its own, so that requests on
// different processors do not wait for each other's cache lines.
type Metrics struct {
	requests, failures, bytes pcpu.Counter
	latency                   Histogram
}

// NewMetrics returns counts of nothing.
func NewMetrics() *Metrics {
	m := new(Metrics)
	m.latency.Init()
	return m
}

// Middleware counts the requests that next answers.
func (m *Metrics) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		out := &responseWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(out, r)
		m.requests.Add(1)
		m.bytes.Add(out.bytes)
		if out.status >= http.StatusInternalServerError {
			m.failures.Add(1)
		}
		m.latency.Observe(time.Since(began))
	})
}

// A Snapshot is what was counted. It may have a part of what is being counted.
type Snapshot struct {
	Requests, Failures, Bytes int64
	Median, P99               time.Duration
}

// Snapshot sums over all processors: some loads for each.
func (m *Metrics) Snapshot() Snapshot {
	counts := m.latency.Counts()
	return Snapshot{
		m.requests.Load(), m.failures.Load(), m.bytes.Load(),
		quantile(counts, 0.5), quantile(counts, 0.99),
	}
}

type responseWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *responseWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach Flush and others.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buckets is how many powers of two of nanoseconds a histogram tells apart: up to 9 minutes.
const buckets = 40

// A Histogram counts durations by powers of two: one array for each processor. It is how to make what
// is more than a pcpu.Counter.
type Histogram struct{ slots pcpu.Slots[shard] }

// A shard is written on one processor, and read by all. Where pcpu.Exclusive is false, goroutines
// share it: so it is atomic, which costs little while no other processor writes to the line.
type shard struct {
	counts [buckets]atomic.Uint64
	_      [pcpu.Stride]byte // the next shard's lines are others
}

// Init makes the histogram ready.
func (h *Histogram) Init() { h.slots.Init(func(int) *shard { return new(shard) }) }

// Observe counts a duration. It allocates when a processor comes for the first time.
func (h *Histogram) Observe(d time.Duration) {
	bucket := min(bits.Len64(uint64(max(d, 0))), buckets-1)
	id := pcpu.Pin()
	s := h.slots.At(id)
	if s != nil {
		s.counts[bucket].Add(1)
	}
	pcpu.Unpin() // no panic and no wait before this
	if s == nil {
		h.slots.Grow(id).counts[bucket].Add(1) // perhaps from another processor by now: once
	}
}

// Counts returns the sums over all processors, also those that are gone.
func (h *Histogram) Counts() (sums [buckets]uint64) {
	for _, s := range h.slots.All() {
		for i := range s.counts {
			sums[i] += s.counts[i].Load()
		}
	}
	return sums
}

// quantile returns a duration that the part q of those counted did not exceed.
func quantile(counts [buckets]uint64, q float64) time.Duration {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	seen := uint64(0)
	for i, n := range counts {
		if seen += n; float64(seen) >= q*float64(total) {
			return time.Duration(1)<<i - 1
		}
	}
	return time.Duration(1) << buckets
}
