package main

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edsrzf/mmap-go"

	"github.com/gosmr/gosmr/smrfile"
)

// A growable is a file that one goroutine grows while others read it.
type growable struct {
	read  func(off int64, stay func()) (asked time.Duration) // a page, for as long as stay takes
	grow  func(size int64)
	close func()
}

const (
	growths = 1000 // by a page each
	page    = 4 << 10
)

// growing is the family of a file that grows.
func growing() (all []entry) {
	if portable {
		return nil
	}
	add := func(peer string, open func(path string) *growable) {
		all = append(all, entry{"file-grow", peer, func(j job) (values, error) {
			path, remove := tempFile(page)
			defer remove()
			g := open(path)
			defer g.close()
			return g.measure(time.Duration(j.param) * time.Microsecond), nil
		}})
	}
	add("gosmr", func(path string) *growable { return growOurs(path, 0) })
	add("gosmr-reserved", func(path string) *growable { return growOurs(path, 1<<30) })
	add("mmap-go+RWMutex", func(path string) *growable { return growLocked(path, false) })
	add("mmap-go+RWMutex-doubled", func(path string) *growable { return growLocked(path, true) })
	return all
}

// measure grows the file under two readers, and returns how long these and the writer waited at most.
func (g *growable) measure(stay time.Duration) values {
	pause := func() { time.Sleep(stay) } // so that no processor is waited for
	if stay == 0 {
		pause = runtime.Gosched
	}
	var size, longest atomic.Int64
	size.Store(page)
	readers := inBackground(2, 1, func(int) (func(int), func()) {
		off, most := int64(0), time.Duration(0)
		return func(int) {
			if off += page; off >= size.Load() {
				off = 0
			}
			most = max(most, g.read(off, pause))
		}, func() { raise(&longest, int64(most)) }
	})
	s := new(samples)
	for i := range growths {
		to := int64(i+2) * page
		start := time.Now()
		g.grow(to)
		s.add(time.Since(start))
		size.Store(to)
		time.Sleep(100 * time.Microsecond)
	}
	readers.stop()
	v := s.values()
	return values{"reader": float64(longest.Load()), "writer": v["max"], "p50": v["p50"]}
}

func raise(most *atomic.Int64, n int64) {
	for old := most.Load(); old < n && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}

func growOurs(path string, reserve int64) *growable {
	dom, f, end := smrFile(path, smrfile.Options{Write: true, Sparse: true, Reserve: reserve})
	return &growable{
		read: func(off int64, stay func()) time.Duration {
			start := time.Now()
			s := dom.Enter()
			b := got(f.View(s, off, page))
			asked := time.Since(start)
			sink.Store(uint64(readLines(b)))
			stay()
			s.Leave()
			return asked
		},
		grow:  func(size int64) { must(f.Grow(size)) },
		close: end,
	}
}

// growLocked maps the file anew, holding a lock that its readers hold: each time, or at twice the size
// when it has outgrown its mapping, as bbolt does.
func growLocked(path string, doubled bool) *growable {
	var mu sync.RWMutex
	file := got(os.OpenFile(path, os.O_RDWR, 0))
	m := got(mmap.Map(file, mmap.RDWR, 0))
	return &growable{
		read: func(off int64, stay func()) time.Duration {
			start := time.Now()
			mu.RLock()
			b := m[off:][:page]
			asked := time.Since(start)
			sink.Store(uint64(readLines(b)))
			stay()
			mu.RUnlock()
			return asked
		},
		grow: func(size int64) {
			must(file.Truncate(size))
			to := int(size)
			if doubled {
				if to <= len(m) {
					return
				}
				to = max(to, 2*len(m))
			}
			mu.Lock()
			defer mu.Unlock()
			must(m.Unmap())
			m = got(mmap.MapRegion(file, to, mmap.RDWR, 0, 0))
		},
		close: func() {
			must(m.Unmap())
			must(file.Close())
		},
	}
}
