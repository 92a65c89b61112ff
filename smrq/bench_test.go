package smrq_test

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// Elements of all kinds fill one cache line, and stand in the same random order.

type record struct {
	link smrq.Link[record]
	key  int
	_    [64 - unsafe.Sizeof(smrq.Link[smr.Domain]{}) - unsafe.Sizeof(int(0))]byte
}

func recordLink(r *record) *smrq.Link[record] { return &r.link }

type plainRecord struct {
	next *plainRecord
	key  int
	_    [64 - 2*unsafe.Sizeof(int(0))]byte
}

var sink atomic.Int64

func BenchmarkWalk(b *testing.B) {
	d := newDomain(b)
	for _, n := range []int{1, 16, 1000} {
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		plainAll, all := make([]plainRecord, n), make([]record, n)
		var head *plainRecord
		tq, sl, cl := smrq.NewTailQ(recordLink), smrq.NewSList(recordLink), list.New()
		slAll := make([]record, n)
		var slice []*record
		for _, i := range order {
			plainAll[i] = plainRecord{next: head, key: i}
			head = &plainAll[i]
			all[i].key, slAll[i].key = i, i
			tq.InsertHead(&all[i])
			sl.InsertHead(&slAll[i])
			cl.PushFront(&all[i])
			slice = append(slice, &all[i])
		}
		s := d.Enter()
		walks := []struct {
			name string
			walk func() int
		}{
			{"PlainList", func() (sum int) {
				for r := head; r != nil; r = r.next {
					sum += r.key
				}
				return sum
			}},
			{"SliceOfPointers", func() (sum int) {
				for _, r := range slice {
					sum += r.key
				}
				return sum
			}},
			{"ContainerList", func() (sum int) {
				for e := cl.Front(); e != nil; e = e.Next() {
					sum += e.Value.(*record).key
				}
				return sum
			}},
			{"TailQ.All", func() (sum int) {
				for r := range tq.All(s) {
					sum += r.key
				}
				return sum
			}},
			{"TailQ.Next", func() (sum int) {
				for r := tq.First(s); r != nil; r = tq.Next(s, r) {
					sum += r.key
				}
				return sum
			}},
			{"SList.All", func() (sum int) {
				for r := range sl.All(s) {
					sum += r.key
				}
				return sum
			}},
			{"Enter+TailQ.All+Leave", func() (sum int) {
				s := d.Enter()
				for r := range tq.All(s) {
					sum += r.key
				}
				s.Leave()
				return sum
			}},
		}
		for _, w := range walks {
			b.Run(fmt.Sprintf("%d/%s", n, w.name), func(b *testing.B) {
				b.ReportAllocs()
				sum := 0
				for b.Loop() {
					sum += w.walk()
				}
				sink.Add(int64(sum))
			})
		}
		s.Leave()
	}
}

// An element in the middle of sixteen is removed and inserted at the end.
func BenchmarkInsertRemove(b *testing.B) {
	const n = 16
	b.Run("ContainerList", func(b *testing.B) {
		b.ReportAllocs()
		l := list.New()
		var at [n]*list.Element
		for i := range at {
			at[i] = l.PushBack(i)
		}
		i := 0
		for b.Loop() {
			l.Remove(at[i%n])
			at[i%n] = l.PushBack(i % n)
			i++
		}
	})
	b.Run("ContainerList.MoveToBack", func(b *testing.B) {
		b.ReportAllocs()
		l := list.New()
		var at [n]*list.Element
		for i := range at {
			at[i] = l.PushBack(i)
		}
		i := 0
		for b.Loop() {
			l.MoveToBack(at[i%n])
			i++
		}
	})
	b.Run("TailQ", func(b *testing.B) {
		b.ReportAllocs()
		q := smrq.NewTailQ(recordLink)
		var at [n]record
		for i := range at {
			q.InsertTail(&at[i])
		}
		i := 0
		for b.Loop() {
			q.Remove(&at[i%n])
			q.InsertTail(&at[i%n])
			i++
		}
	})
	b.Run("List", func(b *testing.B) {
		b.ReportAllocs()
		q := smrq.NewList(recordLink)
		var at [n]record
		for i := range at {
			q.InsertHead(&at[i])
		}
		i := 0
		for b.Loop() {
			q.Remove(&at[i%n])
			q.InsertHead(&at[i%n])
			i++
		}
	})
	b.Run("STailQ.Erase", func(b *testing.B) {
		b.ReportAllocs()
		q := smrq.NewSTailQ(recordLink)
		var at [n]record
		for i := range at {
			q.InsertTail(&at[i])
		}
		for b.Loop() {
			c := q.Cursor()
			c.Step()
			q.InsertTail(c.Erase())
		}
	})
}

// Readers walk sixteen elements while a writer removes the first one and inserts
// another at the end, as fast as it can. One operation is one walk.
func BenchmarkWalkBesideWriter(b *testing.B) {
	const n = 16
	for _, readers := range []int{1, 2} {
		b.Run(fmt.Sprintf("%d/RWMutex+ContainerList", readers), func(b *testing.B) {
			var mu sync.RWMutex
			l := list.New()
			for i := range n {
				l.PushBack(&record{key: i})
			}
			walk := func() (sum int) {
				mu.RLock()
				for e := l.Front(); e != nil; e = e.Next() {
					sum += e.Value.(*record).key
				}
				mu.RUnlock()
				return sum
			}
			besideWriter(b, readers, func() func() int { return walk }, func() {
				mu.Lock()
				l.PushBack(l.Remove(l.Front()))
				mu.Unlock()
			})
		})
		b.Run(fmt.Sprintf("%d/TailQ", readers), func(b *testing.B) {
			var mu sync.Mutex
			d := newDomain(b)
			q := smrq.NewTailQ(recordLink)
			for i := range n {
				q.InsertTail(&record{key: i})
			}
			free := make(chan *record, 1<<14)
			walk := func() (sum int) {
				s := d.Enter()
				for r := range q.All(s) {
					sum += r.key
				}
				s.Leave()
				return sum
			}
			besideWriter(b, readers, func() func() int { return walk }, func() {
				var fresh *record
				select {
				case fresh = <-free:
				default:
					fresh = new(record)
				}
				fresh.key = 1
				mu.Lock()
				old := q.FirstSerialized()
				q.Remove(old)
				q.InsertTail(fresh)
				mu.Unlock()
				smr.Call(d, old, 64, func(r *record) {
					select {
					case free <- r:
					default:
					}
				})
				d.Throttle(context.Background())
			})
		})
	}
}

// besideWriter measures walks of several readers while write is called over and
// over, and reports how often it was.
func besideWriter(b *testing.B, readers int, newWalk func() func() int, write func()) {
	b.ReportAllocs()
	var stop atomic.Bool
	var writes atomic.Int64
	var writer, all sync.WaitGroup
	b.ResetTimer()
	writer.Go(func() {
		for !stop.Load() {
			write()
			writes.Add(1)
		}
	})
	for range readers {
		all.Go(func() {
			walk := newWalk()
			sum := 0
			for range b.N {
				sum += walk()
			}
			sink.Add(int64(sum))
		})
	}
	all.Wait()
	b.StopTimer()
	stop.Store(true)
	writer.Wait()
	b.ReportMetric(float64(writes.Load())/b.Elapsed().Seconds(), "writes/s")
}
