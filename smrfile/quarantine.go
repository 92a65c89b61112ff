package smrfile

import "time"

// Quarantine finds late uses of views in production, by sampling: the addresses of one mapping in OneIn
// that ended are kept for a while, and fault. Without, the system may give them to the next mapping, and
// a late use reads another file. They take no memory, and at most a thousand mappings of the process;
// what is kept is shared by all files, and nothing runs in the background: it ends as other mappings do.
//
// Under -tags invariants each mapping is kept, and a view (of a file without Reserve) faults as soon as
// its section has been left. The zero Quarantine is off in other builds.
type Quarantine struct {
	// OneIn is how many mappings end to one that is kept, on average. 1: each is. 0: off.
	OneIn int

	// For is how long one is kept. Default: a minute.
	For time.Duration

	// MaxBytes bounds the addresses that are kept; what would be more ends the oldest. Default: 64 GiB,
	// or 64 MiB where addresses have 32 bits.
	MaxBytes int64
}
