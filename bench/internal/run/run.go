// Package run is what one run of the benchmarks yields.
package run

import "time"

// A Run is everything that was measured in one run, and where.
type Run struct {
	Machine Machine
	Command string // that makes another like it
	Commit  string // of the library; with "+" if there were changes beside it
	Start   time.Time
	Took    time.Duration
	Seed    uint64
	Reps    int
	Full    bool
	Missing []Missing
	Samples []Sample
}

// A Machine is where it ran.
type Machine struct {
	CPU    string
	Procs  int
	Kernel string
	OS     string
	Go     string
	Others []string // versions of other compilers and libraries, as "gcc 12.2.0"
}

// A Missing peer could not be built.
type Missing struct {
	Peers string // which, for people
	Why   string
	How   string // to get it
}

// A Sample is one number from one measurement.
type Sample struct {
	Family string
	Param  int
	Procs  int
	Peer   string
	Metric string
	Rep    int
	Value  float64
}
