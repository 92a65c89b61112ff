package membarrier

import "testing"

func TestBarrier_AvailableMeansItWorks(t *testing.T) {
	if !Available() {
		defer func() {
			if recover() == nil {
				t.Error("Barrier returned although it is not available")
			}
		}()
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
