package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smrfile"
)

const mostOfVolume = 256 << 10 // bytes

// A volume is a file whose words tell which file it is, and their place. So a view of what was unmapped
// and mapped anew shows.
type volume struct {
	*smrfile.File
	path       string
	generation uint64
	set        bool // it is a set's, which closes it
	foreign    bool // others truncate it, by its path: its readers may fault, and find zeros
	inMemory   bool

	// valid is how many bytes have been written and are not being taken away. It is stored holding mu.
	// A reader loads it in a section, before it loads the mapping: then this has them all, or fewer if
	// a Truncate waits for the section.
	valid atomic.Int64
	mu    sync.Mutex

	dropped atomic.Bool // a writer has taken it on itself to end it; written by compare-and-swap
}

// word is what the file has at off. It is never 0.
func (v *volume) word(off int64) uint64 { return v.generation<<24 | uint64(off)>>3 | 1<<63 }

// pattern returns n bytes of the file from off.
func (v *volume) pattern(off, n int64) []byte {
	b := make([]byte, n)
	for i := int64(0); i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], v.word(off+i))
	}
	return b
}

// sound reports whether some words of b are those of the file from off; if blank zeros will do as well,
// byte by byte, for a reader beside a writer.
func (v *volume) sound(b []byte, off int64, blank bool) bool {
	at := func(i int) bool {
		got, want := binary.LittleEndian.Uint64(b[i:]), v.word(off+int64(i))
		for ; got != want; got, want = got>>8, want>>8 {
			if d := byte(got); d != byte(want) && (d != 0 || !blank) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(b); i += 512 {
		if !at(i) {
			return false
		}
	}
	return len(b) == 0 || at(len(b)-8)
}

// makeVolume makes a file with options that are drawn. Half of its bytes are written.
func (a *archive) makeVolume(rng *rand.Rand, set, foreign bool) *volume {
	v := &volume{generation: a.generation.Add(1), set: set, foreign: foreign}
	v.path = filepath.Join(a.dir, strconv.FormatUint(v.generation, 10))
	file, err := os.OpenFile(v.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		a.faults.add(faultFile, "%v", err)
		return nil
	}
	size := 8 * (1 + rng.Int64N(mostOfVolume/16))
	o := smrfile.Options{Write: true, Sparse: rng.IntN(4) == 0}
	switch rng.IntN(8) {
	case 0:
		o.InMemory = true
	case 1, 2:
		o.Reserve = mostOfVolume
	case 3:
		o.Quarantine.OneIn = 2
	}
	v.inMemory = o.InMemory
	valid := size / 16 * 8
	_, err = file.WriteAt(v.pattern(0, valid), 0)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		v.File, err = smrfile.New(a.dom, file, o)
	}
	if err != nil {
		a.faults.add(faultFile, "%v", err)
		file.Close()
		return nil
	}
	v.valid.Store(valid)
	return v
}
