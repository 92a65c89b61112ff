package membarrier

import "testing"

func TestBarrier_AvailableMeansItWorks(t *testing.T) {
	if !Available() {
		t.Skip("the kernel offers no membarrier")
	}
	Barrier()
}

func BenchmarkBarrier(b *testing.B) {
	if !Available() {
		b.Skip("the kernel offers no membarrier")
	}
	for b.Loop() {
		Barrier()
	}
}
