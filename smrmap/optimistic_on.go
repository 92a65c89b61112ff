//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package smrmap

// optimistic: Map.Load reads entries off the Go heap without a section, then checks that they were
// still in the map. That needs three things:
//
//   - The entry's memory can be read at any time without a fault: package pages sees to that.
//   - What is read may be garbage, so nothing in it is followed: entries hold no pointers.
//   - The loads of the entry come after that of the slot and before the second load of the version.
//     The processor keeps loads in order (x86-TSO), and the compiler does not move a load over an
//     atomic one (package relacq says in which builds that is known).
const optimistic = true
