//go:build !race && !smr_sched && !(linux && amd64 && gc && go1.25 && !go1.28 && !smr_portable)

package relacq

import "unsafe"

// StoreGuarded is a store for a word that is guarded by another: whoever may
// rely on the value is ordered by that other word, and whoever is not only
// looks for misuse.
func (x *Uint64) StoreGuarded(v uint64) { *(*uint64)(unsafe.Pointer(&x.Uint64)) = v }
