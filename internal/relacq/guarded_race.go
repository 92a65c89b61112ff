//go:build race || (smr_sched && smr_portable)

package relacq

// StoreGuarded is a store for a word that is guarded by another: whoever may
// rely on the value is ordered by that other word, and whoever is not only
// looks for misuse, which the race detector need not report twice.
func (x *Uint64) StoreGuarded(v uint64) { x.Uint64.Store(v) }
