package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// files has readers view mapped files in sections, and by holds that outlive them, while writers grow,
// truncate, close, remove and replace the files, and others truncate some of them by their paths. What was
// written stays as long as it is read, a fault is an error of Read, and only of a file that others
// truncate; the files of a version of a set are open. In the end no mapping is left, no descriptor, and no
// file that was removed.
type files struct{}

const (
	volumesOfSet    = 4
	volumesAlone    = 3
	volumesForeign  = 2
	mostWaiting     = 2 * mostOfVolume
	readersOfFiles  = 3 // at least
	writersOfFiles  = 3
	mostFileWriting = 32 << 10 // bytes at once
)

type archive struct {
	dir     string
	dom     *smr.Domain
	set     *smrfile.Set[*volume]
	alone   [volumesAlone + volumesForeign]smr.Pointer[volume] // the last are foreign
	scratch *os.File                                           // which views are written to

	generation atomic.Uint64
	attic      attic
	faults     *faults
	tally      *writeTally

	views, held, truncated, ended, faulted *counter
}

func (files) join(r *rig) {
	a := &archive{faults: &r.faults, tally: &r.writes, attic: attic{faults: &r.faults}}
	a.views, a.held, a.ended = r.counter("views of files"), r.counter("holds of files"), r.counter("files ended")
	a.truncated, a.faulted = r.rare("truncations of files"), r.rare("faults that others made")
	var err error
	if a.dir, err = os.MkdirTemp("", "smrtorture"); err != nil {
		panic(err)
	}
	if a.scratch, err = os.Create(filepath.Join(a.dir, "scratch")); err != nil {
		panic(err)
	}
	r.after(a.checkLeft) // when the domain is closed
	a.dom = r.domain("files", nil)
	a.set = smrfile.NewSet[*volume](a.dom)
	a.set.SetMaxWaiting(mostWaiting)
	a.fill(r.rand("files"))
	r.after(func() {
		go a.attic.empty() // while they are closed
		s := a.dom.Enter()
		for v := range a.set.Load(s).All() {
			defer os.Remove(v.path)
		}
		s.Leave()
		r.faults.within("Close of a set of files", a.set.Close)
		for i := range a.alone {
			if v := a.alone[i].Swap(nil); v != nil {
				r.faults.within("Remove of a file", v.Remove)
			}
		}
	})
	r.rounds("reader of files", max(readersOfFiles, r.procs), a.read)
	r.rounds("writer of files", writersOfFiles, a.write)
	r.rounds("meddler with files", 1, a.meddle)
}

// fill makes the first files.
func (a *archive) fill(rng *rand.Rand) {
	var add []smrfile.Entry[*volume]
	for range volumesOfSet {
		if v := a.makeVolume(rng, true, false); v != nil {
			add = append(add, smrfile.Entry[*volume]{Key: v, File: v.File})
		}
	}
	if err := a.set.Replace(context.Background(), add, nil, smrfile.CloseDropped); err != nil {
		a.faults.add(faultFile, "Replace: %v", err)
	}
	for i := range a.alone {
		a.alone[i].Init(a.makeVolume(rng, false, i >= volumesAlone))
	}
}

// find returns a file, of the set or not; or nil.
func (a *archive) find(s smr.Section, rng *rand.Rand) *volume {
	if rng.IntN(3) > 0 {
		return a.alone[rng.IntN(len(a.alone))].Load(s)
	}
	if view := a.set.Load(s); view.Len() > 0 {
		v, _ := view.At(rng.IntN(view.Len()))
		return v
	}
	return nil
}

// checkLeft looks for what is left of the files, which are closed.
func (a *archive) checkLeft() {
	a.scratch.Close()
	os.Remove(a.scratch.Name())
	a.compareLeft(leftOf(a.dir))
	if left, _ := filepath.Glob(filepath.Join(a.dir, "*")); len(left) > 0 {
		a.faults.add(faultLeak, "files that were removed are there: %v", left)
	}
	os.RemoveAll(a.dir)
}

func (a *archive) compareLeft(mappings, fds int) {
	if mappings != 0 || fds != 0 {
		a.faults.add(faultLeak, "%d mappings and %d descriptors of files are left, which are closed", mappings, fds)
	}
}

// leftOf counts the mappings and descriptors of files below dir, where the system tells.
func leftOf(dir string) (mappings, fds int) {
	maps, _ := os.ReadFile("/proc/self/maps")
	mappings = strings.Count(string(maps), dir)
	names, _ := filepath.Glob("/proc/self/fd/*")
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, dir) {
			fds++
		}
	}
	return mappings, fds
}
