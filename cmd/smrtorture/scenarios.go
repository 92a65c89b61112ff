package main

import (
	"fmt"
	"slices"
	"strings"
)

// A scenario is a name, what it tortures, and a fixed configuration of parts.
type scenario struct {
	name  string
	what  string
	parts []part
}

var scenarios = []scenario{
	{"mixed", "everything at once", []part{
		crowd{}, toggling{}, churning{}, duels{}, flooding{}, spates{}, delays{}, longStays{}, sleepers{}, chains{}, barriers{}, goals{}, burning{},
		overlap{}, worlds{}, quietWorlds{}, queues{}, objects{}, maps{}, blobs{}, turnovers{}, sizes{}, endings{},
	}},
	{"sections", "every kind of section, nested, handed over, slept in", []part{
		crowd{sleepy: true},
	}},
	{"overlap", "sections of two domains at a time", []part{overlap{}}},
	{"calls", "floods of calls with Throttle and without, callbacks that call on, calls from sections", []part{
		crowd{ways: []writerKind{writeCall, writeCallFunc}}, flooding{}, spates{}, chains{},
	}},
	{"barrier", "Barrier: as many callbacks have run as calls were made", []part{
		crowd{ways: []writerKind{writeBarrier, writeCall}}, barriers{},
	}},
	{"assist", "writers that run what is pending, in domains that are closed meanwhile", []part{assisting{}}},
	{"delay", "callbacks that nothing holds up come in time", []part{
		crowd{ways: []writerKind{writeCall, writeSynchronize}}, delays{}, longStays{},
	}},
	{"goals", "goals deferred, polled, given up, and kept across many advances", []part{
		crowd{ways: []writerKind{writePoll, writeDeferred, writeGiveUp}}, goals{},
	}},
	{"wait", "readers and waiters on domains where nobody else would wake them", []part{waits{}}},
	{"exit", "goroutines and threads that read or call once and are gone", []part{
		crowd{kinds: []readerKind{readBurst, readHandover}}, burning{},
	}},
	{"procs", "GOMAXPROCS changes all the time", []part{
		crowd{}, chains{}, toggling{},
	}},
	{"duel", "one reader and one writer, as fast as they can", []part{duels{}}},
	{"handover", "calls that are taken away as fast as they are made, or left alone", []part{duels{calls: true}}},
	{"stw", "readers between safe points, stops and interrupts during grace periods, domains burnt", []part{
		worlds{}, quietWorlds{},
	}},
	{"queues", "queues of four kinds, whose elements come from a pool and move between them", []part{
		queues{},
	}},
	{"pool", "pooled objects retired and freed under their readers, slabs that come and go", []part{objects{}}},
	{"map", "maps that grow and shrink, expire, evict and compact, with values borrowed", []part{
		maps{}, blobs{},
	}},
	{"holds", "objects, pooled objects and items of a map that are held long after they were retired", []part{holds{}}},
	{"files", "mapped files viewed and held while they grow, shrink, end, and are truncated by others", []part{files{}, toggling{}}},
	{"turnover", "maps whose keys are always new take no more and more memory", []part{turnovers{}}},
	{"sizes", "a full cache gives up for a value of another size what that takes, and no more", []part{sizes{}}},
	{"neighbours", "keys of one bucket: NaN, large values, deletes of what is not there", []part{neighbours{}}},
	{"endings", "maps, pools and their domain closed in any order", []part{endings{}}},
	{"extremes", "sizes near the end of their range, and past it", []part{extremes{}}},
	{"drops", "maps and pools that are dropped without Close", []part{drops{}}},
	{"stall", "readers that stay in their sections on purpose are reported by their kinds", []part{stalls{}}},
	{"domains", "domains that come and go under their users", []part{crowd{}, churning{}, sleepers{}}},
	{"baseline-smr", "one writer, and readers of one element at a time: by sections", []part{baseline{newUnderSMR}}},
	{"baseline-rwmutex", "the same under a sync.RWMutex", []part{baseline{newUnderRWMutex}}},
	{"baseline-mutex", "the same under a sync.Mutex", []part{baseline{newUnderMutex}}},
	{"baseline-rbmutex", "the same under an xsync.RBMutex", []part{baseline{newUnderRBMutex}}},
}

// choose returns the scenarios of the flag: names separated by commas; all means every one, and a
// common prefix (baseline) all that begin with it.
func choose(names string) ([]*scenario, error) {
	var chosen []*scenario
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for i := range scenarios {
			sc := &scenarios[i]
			if name != "all" && sc.name != name && !strings.HasPrefix(sc.name, name+"-") {
				continue
			}
			found = true
			if !slices.Contains(chosen, sc) {
				chosen = append(chosen, sc)
			}
		}
		if !found {
			return nil, fmt.Errorf("-scenario: there is no %q; see -list", name)
		}
	}
	return chosen, nil
}
