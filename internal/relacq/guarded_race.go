//go:build (race && !smr_sched) || (smr_sched && smr_portable)

package relacq

// StoreGuarded stores a word that another word guards: a reader that relies on the value is ordered
// by the other word, and any other reader only checks for misuse. Here it is atomic, so that the
// race detector does not report that misuse as well.
func (x *Uint64) StoreGuarded(v uint64) { x.Uint64.Store(v) }
