package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// A segment is a file of records in the order of their keys, which does not change:
//
//	record:  length of the key, length of the value, key, value
//	index:   the offset of each record (8 bytes)
//	footer:  how many records (8 bytes)
//
// A deleted key has the length of value deleted, and no value.
const (
	headerLen = 8
	footerLen = 8
	deleted   = ^uint32(0)
)

// A Record is a key and its value. A nil value says that the key was deleted.
type Record struct {
	Key   string
	Value []byte
}

// A segmentWriter writes a segment. Its records come in the order of their keys.
type segmentWriter struct {
	file  *os.File
	w     *bufio.Writer
	at    uint64
	index []byte
	n     uint64
}

func createSegment(path string) (*segmentWriter, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &segmentWriter{file: f, w: bufio.NewWriter(f)}, nil
}

// add and finish leave the errors of Write to Flush, which returns the first.
func (sw *segmentWriter) add(r Record) {
	length := uint32(len(r.Value))
	if r.Value == nil {
		length = deleted
	}
	sw.index = binary.LittleEndian.AppendUint64(sw.index, sw.at)
	header := binary.LittleEndian.AppendUint32(nil, uint32(len(r.Key)))
	sw.w.Write(binary.LittleEndian.AppendUint32(header, length))
	sw.w.WriteString(r.Key)
	sw.w.Write(r.Value)
	sw.at += uint64(headerLen + len(r.Key) + len(r.Value))
	sw.n++
}

// finish writes the rest, has it reach the disk, and gives the file its name.
func (sw *segmentWriter) finish(path string) error {
	sw.w.Write(sw.index)
	sw.w.Write(binary.LittleEndian.AppendUint64(nil, sw.n))
	err := errors.Join(sw.w.Flush(), sw.file.Sync(), sw.file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(sw.file.Name()))
	}
	if err := os.Rename(sw.file.Name(), path); err != nil {
		return errors.Join(err, os.Remove(sw.file.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// A reader reads a segment in a section: what it returns is the file's until the section is left.
type reader struct {
	b     []byte
	index []byte
	n     int
}

func newReader(s smr.Section, f *smrfile.File) (r reader, err error) {
	size := f.SizeIn(s)
	b, err := f.View(s, 0, int(size))
	if err != nil {
		return reader{}, err
	}
	n := uint64(0)
	if size >= footerLen {
		b, n = b[:size-footerLen], binary.LittleEndian.Uint64(b[size-footerLen:])
	}
	if size < footerLen || n > uint64(len(b))/(8+headerLen) {
		return reader{}, fmt.Errorf("%s: not a segment", f.Path())
	}
	records := len(b) - 8*int(n)
	return reader{b: b[:records], index: b[records:], n: int(n)}, nil
}

// record returns key and value of record i.
func (r reader) record(i int) (key, value []byte) {
	b := r.b[binary.LittleEndian.Uint64(r.index[8*i:]):]
	keyLen, length := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	key, b = b[headerLen:headerLen+keyLen], b[headerLen+keyLen:]
	if length == deleted {
		return key, nil
	}
	return key, b[:length:length]
}

// seek returns the number of the first record whose key is not less.
func (r reader) seek(key string) int {
	return sort.Search(r.n, func(i int) bool {
		k, _ := r.record(i)
		return string(k) >= key
	})
}
