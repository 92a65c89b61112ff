// Package family says what is measured: the families of benchmarks, their parameters and
// what they yield. How each is measured is said in bench/peers/README.md, which every
// program that measures follows.
package family

import (
	"slices"
	"strings"
)

// A Family is one piece of work that every peer does in its own way.
type Family struct {
	Name  string // as the programs are asked for it
	Title string
	About string // a sentence or two for the report

	Param    string // what the parameter is; empty: there is none
	Full     []int  // its values in the full mode
	Quick    []int
	LogParam bool // the parameter's axis is logarithmic
	OneProc  bool // measured once: the number of processors is no matter
	MinProcs int
	Scale    bool // measured over the numbers of processors between, too
	Longer   int  // a measurement takes so many times as long as others; 0 is 1

	Metrics []Metric
	Floor   []string // what bounds it: peers of the family "floor", or of its own, which then don't count as peers
}

// A Metric is a number that a measurement yields.
type Metric struct {
	Name   string
	Title  string
	Unit   string
	Higher bool // is better
	Log    bool // its axis is logarithmic
}

// Ours is what the names of this library's own peers begin with.
const Ours = "gosmr"

// foreign are what the names of peers begin with that are not written in Go.
var foreign = []string{"liburcu-", "ck-", "pthread-", "c-", "crossbeam-", "rust-"}

// InGo reports whether a peer is written in Go.
func InGo(peer string) bool {
	return !slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(peer, prefix) })
}

// Floors is the family of what the hardware and the compiler can do at best.
const Floors = "floor"

var nsPerOp = []Metric{{Name: "ns", Title: "time of an operation", Unit: "ns"}}

var wait = []Metric{
	{Name: "p50", Title: "median wait", Unit: "ns", Log: true},
	{Name: "p99", Title: "99th percentile", Unit: "ns", Log: true},
	{Name: "mean", Title: "mean wait", Unit: "ns", Log: true},
}

// Instructions is the family of counted instructions, which package count measures. Its
// metrics are the operations.
const Instructions = "instructions"

// All are the families, in the order of the report.
var All = []Family{
	{
		Name: Floors, Title: "Floors",
		About:   "What any scheme must execute, alone: a loop around nothing, the pin of a processor in Go's runtime, a store, a locked instruction, and a cache line that goes from one processor to another.",
		Metrics: nsPerOp,
	},
	{
		Name: Instructions, Title: "Instructions of an operation",
		About:   "Counted under valgrind's callgrind, so that no noise gets in: executed in user code for one operation and its loop, each for one, whatever it waits for. A lock executes few, and waits in each; see the times.",
		OneProc: true, Metrics: []Metric{
			{Name: "section", Title: "an empty section", Unit: "instructions"},
			{Name: "load", Title: "a section and one load", Unit: "instructions"},
			{Name: "call", Title: "a deferred call", Unit: "instructions"},
			{Name: "walk", Title: "a walk of 16 elements", Unit: "instructions"},
			{Name: "map", Title: "a load from a map of 1,000", Unit: "instructions"},
			{Name: "bytes", Title: "a load from a map of bytes of 1,000", Unit: "instructions"},
		},
		Floor: []string{"empty-loop", "empty-call", "empty-loop-over-keys", "proc-pin"},
	},
	{
		Name: "section", Title: "A read section alone",
		About: "Enter and leave, nothing between.",
		Scale: true, Metrics: nsPerOp, Floor: []string{"empty-loop", "plain-store", "proc-pin", "locked-add"},
	},
	{
		Name: "load", Title: "A section and one load",
		About: "Enter, follow a shared pointer, read a word, leave.",
		Scale: true, Metrics: nsPerOp, Floor: []string{"empty-loop", "plain-store", "proc-pin", "locked-add"},
	},
	{
		Name: "nested", Title: "Nested sections",
		About: "Enter as often as the depth says, then leave as often.",
		Param: "depth", Full: []int{1, 2, 4, 8}, Quick: []int{4},
		Metrics: nsPerOp, Floor: []string{"plain-store", "proc-pin"},
	},
	{
		Name: "swap", Title: "A pointer that is read mostly",
		About: "Sections with a load; some operations are updates, which put a new object in place of the one that is there and give the old one to be freed.",
		Param: "updates in 1,000 operations", Full: []int{0, 10, 100}, Quick: []int{0, 100},
		Scale: true, Metrics: nsPerOp, Floor: []string{"plain-store", "locked-add"},
	},
	{
		Name: "threads", Title: "Many goroutines, or threads, on few processors",
		About: "Each reads a hundred times and yields.",
		Param: "goroutines", Full: []int{1, 10, 100, 1000, 10000}, Quick: []int{1, 1000}, LogParam: true,
		Metrics: nsPerOp, Floor: []string{"plain-store"},
	},
	{
		Name: "long", Title: "Long sections beside a writer",
		About: "Readers stay in their sections for as long as the parameter says, while a writer updates and waits for a grace period, again and again.",
		Param: "microseconds in the section", Full: []int{1, 10, 100, 1000}, Quick: []int{10}, LogParam: true,
		Metrics: []Metric{
			{Name: "updates", Title: "updates a second", Unit: "1/s", Higher: true, Log: true},
			{Name: "reads", Title: "reads a second", Unit: "1/s", Higher: true, Log: true},
		},
	},
	{
		Name: "call", Title: "A deferred call",
		About: "A burst of calls, then a barrier until all of them have run.",
		Param: "calls in a burst", Full: []int{1, 10, 100, 1000, 10000, 100000}, Quick: []int{10, 10000}, LogParam: true, OneProc: true,
		Metrics: []Metric{
			{Name: "ns", Title: "time of a call", Unit: "ns", Log: true},
			{Name: "all", Title: "the same with the barrier", Unit: "ns", Log: true},
		},
		Floor: []string{"plain-store"},
	},
	{
		Name: "callback", Title: "From the call to its callback",
		About: "A call each 100 µs, while the other processors read.",
		Metrics: []Metric{
			{Name: "p50", Title: "median", Unit: "ns", Log: true},
			{Name: "p99", Title: "99th percentile", Unit: "ns", Log: true},
			{Name: "max", Title: "longest", Unit: "ns", Log: true},
		},
	},
	{
		Name: "synchronize", Title: "Waiting for a grace period",
		About: "One waits, again and again, beside readers in short sections.",
		Param: "readers", Full: []int{0, 1, 2, 4, 16}, Quick: []int{0, 1}, Metrics: wait, Floor: []string{"cache-line"},
	},
	{
		Name: "barrier", Title: "Waiting for all callbacks",
		About: "One makes a deferred call and waits for its callback, again and again.",
		Param: "readers", Full: []int{0, 1, 2, 4, 16}, Quick: []int{0, 1}, Metrics: wait, Floor: []string{"cache-line"},
	},
	{
		Name: "oversub", Title: "Waiting, with more readers than processors",
		About: "As above, with several readers for each processor, which are preempted in their sections.",
		Param: "readers for each processor", Full: []int{1, 2, 8, 32}, Quick: []int{8}, LogParam: true, Metrics: wait,
		Longer: 5, // a wait may take the time slices of all readers
	},
	{
		Name: "flood", Title: "Memory in a flood of updates",
		About: "One updates as fast as it can; nothing throttles it. gosmr frees each object with a deferred call, gosmr-assist too and assists after each, gosmr-retire gives it back to its pool.",
		Param: "readers", Full: []int{0, 1, 4}, Quick: []int{1},
		Metrics: []Metric{
			{Name: "peak", Title: "bytes waiting to be freed, at most", Unit: "B", Log: true},
			{Name: "updates", Title: "updates a second", Unit: "1/s", Higher: true, Log: true},
		},
	},
	{
		Name: "scan", Title: "Asking whether a grace period is over",
		About: "A scan of the records of registered readers, none of which is in a section.",
		Param: "readers", Full: []int{1, 10, 100, 1000, 10000}, Quick: []int{1, 1000}, LogParam: true, OneProc: true,
		Metrics: []Metric{{Name: "ns", Title: "time of a new grace period", Unit: "ns", Log: true}},
	},
	{
		Name: "walk", Title: "Walking a queue",
		About: "A section, and in it a walk of a list whose elements are a cache line each.",
		Param: "elements", Full: []int{1, 16, 1000}, Quick: []int{16}, LogParam: true,
		Metrics: []Metric{{Name: "ns", Title: "time of a walk", Unit: "ns", Log: true}}, Floor: []string{"empty-loop", "plain-list"},
	},
	{
		Name: "walk-beside", Title: "Walking a queue beside its writer",
		About: "The same, while a writer removes the first element and inserts a new one at the tail.",
		Param: "elements", Full: []int{16, 1000}, Quick: []int{16}, LogParam: true, MinProcs: 2,
		Metrics: []Metric{
			{Name: "ns", Title: "time of a walk", Unit: "ns", Log: true},
			{Name: "updates", Title: "updates a second", Unit: "1/s", Higher: true, Log: true},
		},
	},
	{
		Name: "map", Title: "A map",
		About: "Keys of 8 bytes and values of 32, which are there already.",
		Param: "entries", Full: []int{1000, 100_000, 1_000_000}, Quick: []int{1000, 100_000}, LogParam: true, Scale: true,
		Metrics: []Metric{
			{Name: "load", Title: "load", Unit: "ns"},
			{Name: "load99", Title: "99 % loads", Unit: "ns"},
			{Name: "load90", Title: "90 % loads", Unit: "ns"},
			{Name: "load50", Title: "50 % loads", Unit: "ns"},
			{Name: "store", Title: "store over a key", Unit: "ns"},
			{Name: "zipf-load", Title: "load, Zipf", Unit: "ns"},
			{Name: "zipf-load90", Title: "90 % loads, Zipf", Unit: "ns"},
			{Name: "bytes", Title: "memory of an entry", Unit: "B"},
		},
		Floor: []string{"empty-loop"},
	},
	{
		Name: "bytes", Title: "A map of bytes",
		About: "Keys of 16 bytes and values of 100, which are there already; a load reads the value where it lies, or a copy, as the peer offers.",
		Param: "entries", Full: []int{1000, 100_000, 1_000_000}, Quick: []int{1000, 100_000}, LogParam: true, Scale: true,
		Metrics: []Metric{
			{Name: "load", Title: "load", Unit: "ns"},
			{Name: "load90", Title: "90 % loads", Unit: "ns"},
			{Name: "store", Title: "store over a key", Unit: "ns"},
			{Name: "zipf-load", Title: "load, Zipf", Unit: "ns"},
			{Name: "bytes", Title: "memory of an entry", Unit: "B"},
		},
	},
	{
		Name: "gc", Title: "The collector and a large map",
		About: "A map of the given size, filled; then forced collections, and a second of 90 % loads while the collector runs as it likes.",
		Param: "entries", Full: []int{1_000_000, 5_000_000}, Quick: []int{100_000}, OneProc: true,
		Metrics: []Metric{
			{Name: "gc", Title: "a forced collection", Unit: "ns", Log: true},
			{Name: "alloc", Title: "allocated for an update", Unit: "B"},
			{Name: "bytes", Title: "memory of an entry", Unit: "B"},
		},
	},
	{
		Name: "stop", Title: "Stopping the world, and a ragged barrier",
		About: "Participants that come to a safe point each microsecond; one stops them all and lets them go, or has each run a function at its own safe point. Beside it Go's own stop, for runtime.ReadMemStats.",
		Param: "participants", Full: []int{2, 8, 64}, Quick: []int{8}, LogParam: true,
		Metrics: wait, Floor: []string{"cache-line"},
	},
	{
		Name: "file", Title: "Reading a file",
		About: "A part of a file that is in memory is found and read, a byte of each cache line: as a view, or copied. slice-in-section is what a view is at best: a slice of the mapping that was made before. x-exp-mmap has nothing that keeps it open for its readers.",
		Param: "bytes", Full: []int{64, 4096}, Quick: []int{64, 4096}, LogParam: true,
		Metrics: nsPerOp, Floor: []string{"slice-in-section"},
	},
	{
		Name: "file-grow", Title: "A file that grows under its readers",
		About: "A mapped file grows a thousand times by a page, while two readers view a page and stay, asleep, for as long as the parameter says. A peer with a lock maps it anew each time, or -doubled, at twice its size, when it has outgrown its mapping.",
		Param: "microseconds that a reader stays", Full: []int{0, 1000}, Quick: []int{1000},
		Metrics: []Metric{
			{Name: "reader", Title: "longest wait of a reader", Unit: "ns", Log: true},
			{Name: "writer", Title: "longest wait of the writer", Unit: "ns", Log: true},
			{Name: "p50", Title: "median wait of the writer", Unit: "ns", Log: true},
		},
	},
}

// Find returns the family of a name.
func Find(name string) (Family, bool) {
	for _, f := range All {
		if f.Name == name {
			return f, true
		}
	}
	return Family{}, false
}
