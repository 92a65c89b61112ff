package main

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/edsrzf/mmap-go"
	xmmap "golang.org/x/exp/mmap"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// The file is read at offsets that are a page and a cache line apart, all around.
const (
	fileSize = 256 << 10
	fileStep = 4<<10 + 64
	mostRead = 4 << 10
)

func nextOff(off int64) int64 {
	if off += fileStep; off > fileSize-mostRead {
		off -= fileSize - mostRead
	}
	return off
}

// readLines reads a byte of each cache line.
func readLines(b []byte) (sum byte) {
	for i := 0; i < len(b); i += 64 {
		sum += b[i]
	}
	return sum
}

// tempFile makes a file of size bytes, in memory where there is a place for it: what is compared is how
// readers and writers meet. remove removes it.
func tempFile(size int) (path string, remove func()) {
	in := "/dev/shm"
	if _, err := os.Stat(in); err != nil {
		in = ""
	}
	dir := got(os.MkdirTemp(in, "bench"))
	path = filepath.Join(dir, "file")
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	must(os.WriteFile(path, b, 0o600))
	return path, func() { must(os.RemoveAll(dir)) }
}

// A fileLoop reads n bytes at a time, count times.
type fileLoop func(n, count int) (sum byte)

// A filePeer is a way to read a file. loop is called by each goroutine.
type filePeer struct {
	name string
	open func(path string) (loop func() fileLoop, close func())
}

// files is the family of reads of a file.
func files() (all []entry) {
	if portable {
		return nil
	}
	for _, p := range append(filesOfOurs(), filesOfOthers()...) {
		all = append(all, entry{"file", p.name, func(j job) (values, error) {
			path, remove := tempFile(fileSize)
			defer remove()
			loop, end := p.open(path)
			defer end()
			return values{"ns": nsPerOp(j.procs, j.for_, batch, func(int) (func(int), func()) {
				read := loop()
				return func(count int) { sink.Store(uint64(read(j.param, count))) }, nil
			})}, nil
		}})
	}
	return all
}

// smrFile is a file by this library.
func smrFile(path string, o smrfile.Options) (dom *smr.Domain, f *smrfile.File, end func()) {
	dom = newDomain()
	f = got(smrfile.Open(dom, path, o))
	return dom, f, func() {
		must(f.Close(background_))
		must(dom.Close(background_))
	}
}

func filesOfOurs() []filePeer {
	ours := func(name string, loop func(dom *smr.Domain, f *smrfile.File) fileLoop) filePeer {
		return filePeer{name, func(path string) (func() fileLoop, func()) {
			dom, f, end := smrFile(path, smrfile.Options{})
			return func() fileLoop { return loop(dom, f) }, end
		}}
	}
	return []filePeer{
		ours("slice-in-section", func(dom *smr.Domain, f *smrfile.File) fileLoop {
			s := dom.Enter()
			all := got(f.View(s, 0, fileSize))
			s.Leave()
			return func(n, count int) (sum byte) {
				off := int64(0)
				for range count {
					s := dom.Enter()
					sum += readLines(all[off:][:n]) //smr:ok the file stays as it is while this is timed
					s.Leave()
					off = nextOff(off)
				}
				return sum
			}
		}),
		ours("gosmr-View", func(dom *smr.Domain, f *smrfile.File) fileLoop {
			return func(n, count int) (sum byte) {
				off := int64(0)
				for range count {
					s := dom.Enter()
					b, _ := f.View(s, off, n)
					sum += readLines(b)
					s.Leave()
					off = nextOff(off)
				}
				return sum
			}
		}),
		ours("gosmr-Read", func(dom *smr.Domain, f *smrfile.File) fileLoop {
			return func(n, count int) (sum byte) {
				add := func(b []byte) error {
					sum += readLines(b)
					return nil
				}
				off := int64(0)
				for range count {
					s := dom.Enter()
					f.Read(s, off, n, add)
					s.Leave()
					off = nextOff(off)
				}
				return sum
			}
		}),
		ours("gosmr-Hold", func(dom *smr.Domain, f *smrfile.File) fileLoop {
			return func(n, count int) (sum byte) {
				off := int64(0)
				for range count {
					s := dom.Enter()
					h := f.Hold(s)
					s.Leave()
					b, _ := h.View(off, n)
					sum += readLines(b)
					h.Release()
					off = nextOff(off)
				}
				return sum
			}
		}),
		ours("gosmr-ReadAt", func(_ *smr.Domain, f *smrfile.File) fileLoop { return copying(f.ReadAt) }),
	}
}

// copying reads by a method of an io.ReaderAt.
func copying(readAt func(p []byte, off int64) (int, error)) fileLoop {
	buf := make([]byte, mostRead)
	return func(n, count int) (sum byte) {
		off := int64(0)
		for range count {
			readAt(buf[:n], off)
			sum += readLines(buf[:n])
			off = nextOff(off)
		}
		return sum
	}
}

// mapFile maps a file by mmap-go.
func mapFile(path string) (m mmap.MMap, end func()) {
	file := got(os.Open(path))
	m = got(mmap.Map(file, mmap.RDONLY, 0))
	return m, func() {
		must(m.Unmap())
		must(file.Close())
	}
}

func filesOfOthers() []filePeer {
	return []filePeer{
		{"os.File", func(path string) (func() fileLoop, func()) {
			file := got(os.Open(path))
			return func() fileLoop { return copying(file.ReadAt) }, func() { must(file.Close()) }
		}},
		{"x-exp-mmap", func(path string) (func() fileLoop, func()) { // it must not be closed under its readers
			r := got(xmmap.Open(path))
			return func() fileLoop { return copying(r.ReadAt) }, func() { must(r.Close()) }
		}},
		{"mmap-go+RWMutex", func(path string) (func() fileLoop, func()) {
			var mu sync.RWMutex
			m, end := mapFile(path)
			return func() fileLoop {
				return func(n, count int) (sum byte) {
					off := int64(0)
					for range count {
						mu.RLock()
						sum += readLines(m[off:][:n])
						mu.RUnlock()
						off = nextOff(off)
					}
					return sum
				}
			}, end
		}},
		{"mmap-go+count", func(path string) (func() fileLoop, func()) { // of views, none is taken of what is closed
			refs := new(atomic.Int64)
			refs.Store(1)
			m, end := mapFile(path)
			return func() fileLoop {
				return func(n, count int) (sum byte) {
					off := int64(0)
					for range count {
						for r := refs.Load(); r == 0 || !refs.CompareAndSwap(r, r+1); r = refs.Load() {
						}
						sum += readLines(m[off:][:n])
						refs.Add(-1)
						off = nextOff(off)
					}
					return sum
				}
			}, end
		}},
	}
}
