package smrfile

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// What it costs to read a hot part of a file, on all processors: by a view and its alternatives. Each
// iteration finds the bytes anew, as a request does, and reads one of each cache line.

var benchSizes = []struct {
	name string
	n    int
}{{"64B", 64}, {"4KiB", 4 << 10}}

const benchFile = 1 << 20

func readLines(b []byte) (sum byte) {
	for i := 0; i < len(b); i += 64 {
		sum += b[i]
	}
	return sum
}

// benchmark runs read, which is given an offset, in parallel.
func benchmark(b *testing.B, read func(f *File, n int) func(off int64) byte) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			f := opened(b, benchFile, Options{})
			var ignored atomic.Uint32
			b.RunParallel(func(pb *testing.PB) {
				one := read(f, size.n)
				var sum byte
				for off := int64(0); pb.Next(); off = (off + 4096) % benchFile {
					sum += one(off)
				}
				ignored.Add(uint32(sum))
			})
		})
	}
}

// The bare slice: what View is compared with.
func BenchmarkRead_SliceInSection(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		s := f.Enter()
		all, err := f.View(s, 0, benchFile)
		s.Leave()
		require.NoError(b, err)
		return func(off int64) byte {
			s := f.dom.Enter()
			sum := readLines(all[off:][:n]) //smr:ok the file stays as it is while this is timed
			s.Leave()
			return sum
		}
	})
}

func BenchmarkRead_View(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		return func(off int64) byte {
			s := f.dom.Enter()
			v, _ := f.View(s, off, n)
			sum := readLines(v)
			s.Leave()
			return sum
		}
	})
}

func BenchmarkRead_Read(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		var sum byte
		add := func(v []byte) error {
			sum = readLines(v)
			return nil
		}
		return func(off int64) byte {
			s := f.dom.Enter()
			f.Read(s, off, n, add)
			s.Leave()
			return sum
		}
	})
}

func BenchmarkRead_Hold(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		return func(off int64) byte {
			s := f.dom.Enter()
			h := f.Hold(s)
			s.Leave()
			v, _ := h.View(off, n)
			sum := readLines(v)
			h.Release()
			return sum
		}
	})
}

func BenchmarkRead_ReadAt(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		p := make([]byte, n)
		return func(off int64) byte {
			f.ReadAt(p, off)
			return readLines(p)
		}
	})
}

func BenchmarkRead_OSReadAt(b *testing.B) {
	benchmark(b, func(f *File, n int) func(int64) byte {
		p := make([]byte, n)
		return func(off int64) byte {
			f.file.ReadAt(p, off)
			return readLines(p)
		}
	})
}

// A mapping under a read lock, as bbolt's.
func BenchmarkRead_RWMutex(b *testing.B) {
	var mu sync.RWMutex
	benchmark(b, func(f *File, n int) func(int64) byte {
		all := f.cur.LoadUnserialized().data
		return func(off int64) byte {
			mu.RLock()
			sum := readLines(all[off:][:n])
			mu.RUnlock()
			return sum
		}
	})
}

// A mapping with a count of its views, as badger's tables.
func BenchmarkRead_Counted(b *testing.B) {
	var refs atomic.Int64
	refs.Store(1)
	benchmark(b, func(f *File, n int) func(int64) byte {
		all := f.cur.LoadUnserialized().data
		return func(off int64) byte {
			for r := refs.Load(); r == 0 || !refs.CompareAndSwap(r, r+1); r = refs.Load() {
			}
			sum := readLines(all[off:][:n])
			refs.Add(-1)
			return sum
		}
	})
}

// A thousand Grows under a reader in a section.
func BenchmarkGrow(b *testing.B) {
	for _, o := range []struct {
		name string
		Options
	}{{"Moving", Options{Write: true, Sparse: true}}, {"Reserved", Options{Write: true, Sparse: true, Reserve: 1 << 30}}} {
		b.Run(o.name, func(b *testing.B) {
			for range b.N {
				f := opened(b, 1, o.Options)
				s := f.Enter()
				for size := int64(2); size < 1000; size++ {
					if err := f.Grow(size << 12); err != nil {
						b.Fatal(err)
					}
				}
				s.Leave()
			}
		})
	}
}
