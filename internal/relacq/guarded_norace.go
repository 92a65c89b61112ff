//go:build !race && !smr_sched && !(linux && amd64 && gc && go1.25 && !go1.28 && !smr_portable)

package relacq

import "unsafe"

// StoreGuarded stores a word that another word guards: a reader that relies on the value is ordered
// by the other word, and any other reader only checks for misuse.
func (x *Uint64) StoreGuarded(v uint64) { *(*uint64)(unsafe.Pointer(&x.Uint64)) = v }
