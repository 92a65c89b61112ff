//go:build !smr_sched

package smrmap

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// each has every entry of a map sampled.
var each = slab.Quarantine{OneIn: 1}

// skipUnprotected skips a test where a sample is poisoned instead of protected, a fault does not say
// where it was, or a reader borrows a copy.
func skipUnprotected(t *testing.T) {
	if invariants.Enabled {
		t.Skip("a reader borrows a copy")
	}
	g, err := pages.NewGuard(pages.PageSize, false)
	require.NoError(t, err)
	defer g.End()
	require.NoError(t, g.Open(0, pages.PageSize))
	if !g.Shut(0, pages.PageSize) {
		t.Skip("pages can't be protected in this build")
	}
	if emulator := os.Getenv(self.Emulator); emulator != "" {
		t.Skipf("%s may not tell the addresses of faults", emulator)
	}
}

// explaining runs fn as a program does that wants a fault explained: it is the last word.
func explaining(fn func()) {
	debug.SetPanicOnFault(true)
	defer func() {
		v := recover()
		panic(fmt.Sprint(v, "\n", slab.ExplainFault(v)))
	}()
	fn()
}

var readByte byte

// A borrowed value that is read after Leave ends the process, once the entry was replaced and its
// readers have left. The last words say what it was, when and where it was stored, and replaced.
func TestQuarantine_BorrowedReadAfterLeave(t *testing.T) {
	skipUnprotected(t)
	ctx := context.Background()
	for name, mistake := range map[string]func(){
		"Bytes": func() {
			m, _ := NewBytes(Options{Quarantine: each})
			m.Store(key(1), []byte("value"))
			s := m.Enter()
			it, _ := m.LoadIn(s, key(1))
			s.Leave()
			m.Store(key(1), []byte("other"))
			m.Domain().Barrier(ctx)
			readByte = it.Value[0] //smr:ok the mistake that is found
		},
		"Bytes.large": func() {
			m, _ := NewBytes(Options{Quarantine: each})
			m.Store(key(1), make([]byte, 100_000))
			var kept []byte
			m.View(key(1), func(it Item) { kept = it.Value }) //smr:ok the mistake that is found
			m.Delete(key(1))
			m.Domain().Barrier(ctx)
			readByte = kept[99_999]
		},
		"Bytes.key": func() {
			m, _ := NewBytes(Options{Quarantine: each})
			m.Store(key(1), []byte("value"))
			var kept []byte
			for k := range m.Keys() {
				kept = k //smr:ok the mistake that is found
			}
			m.Clear()
			m.Domain().Barrier(ctx)
			readByte = kept[0]
		},
		"Map": func() {
			m, _ := New[int, [4]byte](Options{Quarantine: each})
			m.Store(1, [4]byte{'v'})
			s := m.Enter()
			v, _ := m.LoadIn(s, 1)
			s.Leave()
			m.Store(1, [4]byte{'o'})
			m.Domain().Barrier(ctx)
			readByte = v[0] //smr:ok the mistake that is found
		},
		"Map.written": func() {
			m, _ := New[int, [4]byte](Options{Quarantine: each})
			m.Store(1, [4]byte{'v'})
			var kept *[4]byte
			m.View(1, func(v *[4]byte) { kept = v }) //smr:ok the mistake that is found
			m.Delete(1)
			m.Domain().Barrier(ctx)
			kept[0] = 'w' //smr:ok the mistake that is found
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := self.Dies(t, func() { explaining(mistake) })
			require.Regexp(t, `slab: 0x[0-9a-f]+ is of pool smrmap\.(Bytes|entry\S+), byte \d+ of the object of \d+ bytes`, text)
			require.Regexp(t, `which was retired .* ago, and could be held by readers until .* ago`, text)
			require.Regexp(t, `(?s)\n\s*retired\n.*smrmap\.\(\*(Bytes|Map\[.*)\)\..*TestQuarantine_BorrowedReadAfterLeave`, text)
			require.Regexp(t, `(?s)\n\s*gotten \S+ ago\n.*smrmap\.\(\*(Bytes|Map\[.*)\)\.Store.*TestQuarantine_BorrowedReadAfterLeave`, text)
		})
	}
}

// at returns where the entry of a key is.
func (m *Bytes) at(k []byte) uintptr {
	h := m.hashOf(k)
	t, root, _ := m.c.table.Load().follow(h)
	e, _ := m.find(t, root, h, k)
	return uintptr(unsafe.Pointer(e))
}

// In each build Explain tells about an entry, until the map is closed.
func TestQuarantine_ExplainsEntries(t *testing.T) {
	for _, n := range []int{1, 100, 5000, 100_000} {
		d := newDomain(t)
		m := newBytes(t, Options{Domain: d, Quarantine: each})
		require.NoError(t, m.Store(key(1), make([]byte, n)))
		at := m.at(key(1))
		last := at + headerSize + uintptr(len(key(1))+n-1)
		require.Regexp(t, `of pool smrmap\.Bytes, byte \d+ of the object of \d+ bytes at 0x[0-9a-f]+, which is in use\ngotten`, slab.Explain(last))
		s := d.Enter()
		require.True(t, m.Delete(key(1)))
		require.Contains(t, slab.Explain(last), "readers may hold it")
		s.Leave()
		settle(t, d)
		require.Contains(t, slab.Explain(last), "and could be held by readers until")
		require.Positive(t, m.Stats().QuarantinedBytes)
		require.Zero(t, m.Stats().EntryBytes)
		require.NoError(t, m.Close(watchdogContext(t)))
		require.Empty(t, slab.Explain(at))
		require.Zero(t, m.Stats().QuarantinedBytes)
	}
}

// Without the option there is none, and no Load enters a section for it; no field is negative.
func TestQuarantine_Options(t *testing.T) {
	for _, q := range []slab.Quarantine{{OneIn: -1}, {For: -1}, {MaxBytes: -1}} {
		_, err := NewBytes(Options{Quarantine: q})
		require.ErrorContains(t, err, "negative Options.Quarantine")
		_, err = New[int, int](Options{Quarantine: q})
		require.ErrorContains(t, err, "negative Options.Quarantine")
	}
	d := newDomain(t)
	off, on := newMap[int, int](t, Options{Domain: d}), newMap[int, int](t, Options{Domain: d, Quarantine: each})
	require.Equal(t, !optimistic, off.inSection)
	require.True(t, on.inSection)
	heap := newMap[int, *int](t, Options{Domain: d, Quarantine: each})
	require.False(t, heap.inSection, "the collector keeps what a Load reads")
	for _, m := range []*Map[int, int]{off, on} {
		require.NoError(t, m.Store(1, 2))
		v, ok := m.Load(1)
		require.True(t, ok)
		require.Equal(t, 2, v)
		_, ok = m.Load(2)
		require.False(t, ok)
	}
}

// All that a map does to entries it does to those that are sampled, while readers are there: they
// meet no fault, and at the end nothing is left.
func TestQuarantine_AllOperationsAtOnce(t *testing.T) {
	d := newDomain(t)
	q := slab.Quarantine{OneIn: 3, For: time.Millisecond}
	budget := slab.NewBudget(8 << 20)
	b := newBytes(t, Options{Domain: d, Budget: budget, Quarantine: q})
	m := newMap[int, [4]uint64](t, Options{Domain: d, Quarantine: q})
	ctx := watchdogContext(t)
	sizes := []int{1, 20, 300, 5000, 70_000}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			v, ok := m.Load(n % 50)
			if ok && v[0] != v[3] {
				panic("a torn value")
			}
			b.View(key(n%50), func(it Item) {
				if it.Value[0] != it.Value[len(it.Value)-1] {
					panic("a torn value")
				}
			})
			if n%100 == 0 {
				for range m.All() {
				}
				b.Scan(0, 1000, func([]byte, Item) {})
				runtime.Gosched()
			}
		}
	})
	for g := range 3 {
		writers.Go(func() {
			for i := range rounds(3000) {
				k := (i*7 + g) % 50
				m.Store(k, [4]uint64{uint64(i), 0, 0, uint64(i)})
				value := make([]byte, sizes[(i+g)%len(sizes)])
				switch i % 8 {
				case 0:
					b.Delete(key(k))
					m.Delete(k)
				case 1:
					b.Compute(key(k), func(old Item, _ bool) (Item, Op) { return Item{append(old.Value, value...), 0}, UpdateOp })
				case 2:
					b.Sweep(0, 1000)
				case 3:
					b.StoreEvicting(ctx, key(k), Item{Value: value})
				case 4:
					b.StoreItem(key(k), Item{Value: value, Expires: 1})
				case 5:
					b.CompactFor(ctx, len(value))
				case 6:
					b.EvictBytes(1000)
				default:
					b.Store(key(k), value)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

// Close ends the quarantine, whichever of map and domain is closed first, also beside a late reader.
func TestQuarantine_Close(t *testing.T) {
	for _, domainFirst := range []bool{false, true} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		ctx := watchdogContext(t)
		budget := slab.NewBudget(0)
		b, err := NewBytes(Options{Domain: d, Budget: budget, Quarantine: each})
		require.NoError(t, err)
		m, err := New[int, int](Options{Domain: d, Budget: budget, Quarantine: each})
		require.NoError(t, err)
		for i := range 100 {
			require.NoError(t, b.Store(key(i%50), make([]byte, 1000*i)))
			require.NoError(t, m.Store(i%50, i))
		}
		reading, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go d.Read(func(s smr.Section) {
			defer close(left)
			it, ok := b.LoadIn(s, key(1))
			close(reading)
			<-leave
			if !ok || it.Value[0] != 0 {
				panic("the section did not keep it")
			}
		})
		<-reading
		over, cancel := context.WithCancel(ctx)
		cancel()
		if domainFirst {
			require.ErrorIs(t, d.Close(over), context.Canceled)
		}
		require.ErrorIs(t, b.Close(over), context.Canceled)
		require.ErrorIs(t, m.Close(over), context.Canceled)
		close(leave)
		<-left
		require.NoError(t, b.Close(ctx))
		require.NoError(t, m.Close(ctx))
		require.Zero(t, budget.Used())
		require.NoError(t, d.Close(ctx))
	}
}
