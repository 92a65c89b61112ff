package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// ErrCorrupt is wrapped by the errors of segments that make no sense.
var ErrCorrupt = errors.New("lsm: corrupt segment")

// A segment is a sorted run in a file: entries, then the offset of each, then a footer.
//
//	entry   key length (2), value length (4), kind (1), key, value
//	footer  number of entries (4), offset of the offsets (4)
const (
	entryHead  = 7
	footerLen  = 8
	kindPut    = 1
	kindDelete = 0
)

// A pair is a key and its value. Those of a segment are borrowed.
type pair struct {
	key, value []byte
	kind       byte
}

func (p pair) clone() pair { return pair{bytes.Clone(p.key), bytes.Clone(p.value), p.kind} }

func appendPair(dst []byte, p pair) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p.key)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.value)))
	dst = append(dst, p.kind)
	dst = append(dst, p.key...)
	return append(dst, p.value...)
}

// A run is the contents of a segment, valid for as long as its file is.
type run struct {
	data    []byte
	offsets []byte
}

// openRun returns the run in a file, borrowed in section s.
func openRun(s smr.Section, f *smrfile.File) (run, error) {
	data, err := f.View(s, 0, int(f.SizeIn(s)))
	if err != nil {
		return run{}, err
	}
	return parseRun(f.Path(), data)
}

func parseRun(path string, data []byte) (run, error) {
	if len(data) < footerLen {
		return run{}, fmt.Errorf("%w: %s is short", ErrCorrupt, path)
	}
	footer := data[len(data)-footerLen:]
	n, at := int(binary.LittleEndian.Uint32(footer)), int(binary.LittleEndian.Uint32(footer[4:]))
	if at+4*n+footerLen != len(data) {
		return run{}, fmt.Errorf("%w: footer of %s", ErrCorrupt, path)
	}
	return run{data[:at], data[at : at+4*n]}, nil
}

func (r run) len() int { return len(r.offsets) / 4 }

// at returns entry i of the run, of which it is a part.
func (r run) at(i int) (p pair) {
	b := r.data[binary.LittleEndian.Uint32(r.offsets[4*i:]):]
	nk, nv := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint32(b[2:]))
	p.kind = b[6]
	p.key = b[entryHead : entryHead+nk]
	p.value = b[entryHead+nk : entryHead+nk+nv]
	return p
}

// seek returns the place of the first key that is not below key.
func (r run) seek(key []byte) int {
	return sort.Search(r.len(), func(i int) bool { return bytes.Compare(r.at(i).key, key) >= 0 })
}

func (r run) find(key []byte) (pair, bool) {
	i := r.seek(key)
	if i == r.len() {
		return pair{}, false
	}
	p := r.at(i)
	if !bytes.Equal(p.key, key) {
		return pair{}, false
	}
	return p, true
}

// from iterates over the entries from key on.
func (r run) from(key []byte) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		for i := r.seek(key); i < r.len(); i++ {
			if !yield(r.at(i)) {
				return
			}
		}
	}
}

// merge iterates over sorted sequences as one. Of equal keys it takes that of the last sequence.
func merge(seqs []iter.Seq[pair]) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		type source struct {
			next func() (pair, bool)
			head pair
			rank int
		}
		var sources []*source
		for i, seq := range seqs {
			next, stop := iter.Pull(seq)
			defer stop()
			if head, ok := next(); ok {
				sources = append(sources, &source{next, head, i})
			}
		}
		for len(sources) > 0 {
			least := slices.MinFunc(sources, func(a, b *source) int {
				return cmp.Or(bytes.Compare(a.head.key, b.head.key), b.rank-a.rank)
			})
			p := least.head
			if !yield(p) {
				return
			}
			sources = slices.DeleteFunc(sources, func(s *source) bool {
				for bytes.Equal(s.head.key, p.key) {
					var ok bool
					if s.head, ok = s.next(); !ok {
						return true
					}
				}
				return false
			})
		}
	}
}

// writeSegment writes a sorted sequence to a new file, and returns its path.
func writeSegment(dir string, n uint64, pairs iter.Seq[pair]) (path string, err error) {
	var data []byte
	var offsets []byte
	for p := range pairs {
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(data)))
		data = appendPair(data, p)
	}
	at := uint32(len(data))
	data = append(data, offsets...)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(offsets)/4))
	data = binary.LittleEndian.AppendUint32(data, at)
	path = filepath.Join(dir, fmt.Sprintf("%06d.seg", n))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
