package smr

import "time"

// A Histogram has counted durations since New. See [Diagnosis].
type Histogram struct {
	Count   uint64
	Sum     float64  // in seconds: a Duration could overflow
	Buckets []Bucket // by ascending bounds; what is above the last one is in Count only
}

// A Bucket counts the durations up to a bound, those of the buckets before it included.
type Bucket struct {
	UpTo  time.Duration
	Count uint64
}

// bounds are those of the buckets. Both of the times that an operator compares with are among them:
// the defaults of Options.MaxDelay and Options.StallAfter.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond,
	time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond,
	time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 100 * time.Second,
}

// A histogram collects a Histogram. Guarded by reclaimer.mu.
type histogram struct {
	n   [len(bounds) + 1]uint64 // by bucket, each without those before it
	sum float64
}

// add counts n times the duration took, in nanoseconds.
func (h *histogram) add(took int64, n int) {
	i := 0
	for i < len(bounds) && took > int64(bounds[i]) {
		i++
	}
	h.n[i] += uint64(n)
	h.sum += time.Duration(took).Seconds() * float64(n)
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Sum: h.sum, Buckets: make([]Bucket, len(bounds))}
	for i, upTo := range bounds {
		s.Count += h.n[i]
		s.Buckets[i] = Bucket{upTo, s.Count}
	}
	s.Count += h.n[len(bounds)]
	return s
}
