//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package smrmap

// optimistic tells whether Map.Load reads entries off the Go heap without a section,
// and looks afterwards whether they were still in the map.
//
// It needs three things. The entry's memory can be read at any time, and faults never:
// package pages sees to that. What is read may be garbage, so nothing in it is followed,
// and entries hold no pointers. And the loads of the entry come after that of the slot
// and before the second look at the version: the processor keeps loads in order
// (x86-TSO), and the compiler does not move a load over an atomic one (see package
// relacq, on which builds that is known of).
const optimistic = true
