//go:build !invariants

package smrmap

// computing is empty without -tags invariants: see computing_on.go.
type computing struct{}

func (*computing) forbids(string) {}

// compute calls the function of a Compute.
func compute[V any](_ *computing, fn func(V, bool) (V, Op), old V, loaded bool) (V, Op) {
	return fn(old, loaded)
}
