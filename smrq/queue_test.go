package smrq_test

import (
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit/queuetest"
	"github.com/gosmr/gosmr/smrq"
)

// Random programs of all operations, legal and not, give what a slice would.
func TestPrograms_Random(t *testing.T) {
	forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
		d := newDomain(t)
		elems := make(t, queuetest.Elems)
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		for range rounds(3000) {
			program := randomProgram(rng)
			for _, e := range elems {
				e.Link = smrq.Link[queuetest.Elem]{}
			}
			err := queuetest.Run(k, elems, d, program)
			require.NoError(t, err, "seed %d, program %v", seed, program)
		}
	})
}

func randomProgram(rng *rand.Rand) []byte {
	program := make([]byte, 1+rng.IntN(300))
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	return program
}

type node struct {
	link smrq.Link[node]
	key  int
}

func nodeLink(n *node) *smrq.Link[node] { return &n.link }

// Layout that is paid for by every element and every queue.
func TestLayout(t *testing.T) {
	if invariants.Enabled {
		t.Skip("with -tags invariants pointers are larger")
	}
	word := unsafe.Sizeof(uintptr(0))
	require.Equal(t, 2*word+8, unsafe.Sizeof(smrq.Link[node]{}))
	require.Equal(t, 2*word+16, unsafe.Sizeof(smrq.TailQ[node]{}))
}

func TestInitWith_EmbeddedQueue(t *testing.T) {
	var buckets [4]struct{ q smrq.SList[node] }
	for i := range buckets {
		buckets[i].q.InitWith(nodeLink)
	}
	buckets[1].q.InsertHead(&node{key: 7})
	require.Equal(t, 7, buckets[1].q.FirstSerialized().key)
	require.True(t, buckets[2].q.Empty())
	require.Contains(t, panicText(t, func() { buckets[1].q.InitWith(nodeLink) }), "it was made before")
	require.Equal(t, 7, buckets[1].q.FirstSerialized().key)
}

func TestNew_AccessorOutsideElement(t *testing.T) {
	type holder struct{ _ *node }
	var elsewhere smrq.Link[holder]
	require.PanicsWithValue(t, "smrq: the accessor must return the address of a Link that is a field of the smrq_test.holder itself",
		func() { smrq.NewList(func(*holder) *smrq.Link[holder] { return &elsewhere }) })
	require.Panics(t, func() { smrq.NewList(func(*holder) *smrq.Link[holder] { return nil }) })
	require.Panics(t, func() { smrq.NewList(partlyOutside[holder]) })
}

// partlyOutside returns a Link that begins in the last byte of h.
//
//go:nocheckptr
func partlyOutside[T any](h *T) *smrq.Link[T] {
	return (*smrq.Link[T])(unsafe.Add(unsafe.Pointer(h), unsafe.Sizeof(*h)-1))
}

// A reader may use a zero queue, which is empty; a writer is told.
func TestZeroQueue(t *testing.T) {
	d := newDomain(t)
	var q smrq.TailQ[node]
	s := d.Enter()
	defer s.Leave()
	require.True(t, q.Empty())
	require.Nil(t, q.First(s))
	n := new(node)
	for _, write := range []func(){
		q.Init,
		func() { q.InsertHead(n) },
		func() { q.InsertTail(n) },
		func() { q.Remove(n) },
		func() { q.Append(smrq.NewTailQ(nodeLink)) },
		func() { smrq.NewTailQ(nodeLink).Append(&q) },
	} {
		require.Regexp(t, "of queue 0.* never made", panicText(t, write))
	}
	require.False(t, n.link.Linked())
}

// Broken linkage is found before anything is changed, and the panic says where.
func TestMisuse(t *testing.T) {
	forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
		e := make(t, 6)
		q, other := k.New(), k.New()
		insertAll(q, e[0], e[1], e[2])
		insertAll(other, e[3], e[4])
		free := e[5]

		misuse := func(found string, do func()) {
			t.Helper()
			text := panicText(t, do)
			require.Contains(t, text, k.Name)
			require.Contains(t, text, found)
			require.Equal(t, []int{0, 1, 2}, keys(q))
			require.Equal(t, []int{3, 4}, keys(other))
			require.NoError(t, q.Verify())
			require.NoError(t, other.Verify())
			require.False(t, free.Link.Linked())
		}
		for i := range 3 { // first, middle, last
			misuse("it is in queue", func() { q.InsertHead(e[i]) })
			misuse("it is in queue", func() { other.InsertHead(e[i]) })
			misuse("it is in queue", func() { q.InsertAfter(e[0], e[i]) })
			misuse("it is in queue", func() { q.Replace(e[0], e[i]) })
			misuse("it is in queue", func() { other.Remove(e[i]) })
			misuse("it is in queue", func() { other.Replace(e[i], free) })
			misuse("it is in queue", func() { other.InsertAfter(e[i], free) })
			misuse("it is in queue", func() { other.NextSerialized(e[i]) })
			if q, ok := q.(queuetest.Tailed); ok {
				misuse("it is in queue", func() { q.InsertTail(e[i]) })
			}
		}
		misuse("it is in no queue", func() { q.Remove(free) })
		misuse("it is in no queue", func() { q.Replace(free, free) })
		misuse("it is in no queue", func() { q.InsertAfter(free, e[5]) })
		misuse("the same queue", func() { q.AppendFrom(q) })
		misuse("the element is nil", func() { q.InsertHead(nil) })
		misuse("the element is nil", func() { q.Remove(nil) })

		q.Remove(e[1])
		require.Contains(t, panicText(t, func() { q.Remove(e[1]) }), "it is in no queue", "removed twice")
		require.NoError(t, q.Verify())

		// After Append the source is not to be written to before Init.
		q.AppendFrom(other)
		require.Equal(t, []int{0, 2, 3, 4}, keys(q))
		for _, write := range []func(){
			func() { other.InsertHead(free) },
			func() { other.AppendFrom(k.New()) },
			func() { q.AppendFrom(other) },
			func() { other.Remove(free) },
			func() { other.Remove(e[3]) },
		} {
			require.Contains(t, panicText(t, write), "moved by Append")
		}
		other.Init()
		other.InsertHead(free)
		require.Contains(t, panicText(t, func() { other.Remove(e[3]) }), "it is in queue")
	})
}

// An element whose memory was overwritten while it was in a queue is found when
// a neighbor is next changed, not followed.
func TestMisuse_OverwrittenElement(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(4)
		q := k.New()
		insertAll(q, e[0], e[1], e[2])
		e[2].Link = smrq.Link[queuetest.Elem]{}
		require.ErrorContains(t, q.Verify(), "it is in no queue")
		require.Panics(t, func() { q.Remove(e[2]) })
		if k.Name == "List" || k.Name == "TailQ" {
			require.ErrorContains(t, q.Verify(), "it is in no queue")
			require.Contains(t, panicText(t, func() { q.Remove(e[1]) }), "points back at")
			require.Contains(t, panicText(t, func() { q.InsertAfter(e[1], e[3]) }), "it is in no queue")
			require.Contains(t, panicText(t, func() { q.Replace(e[1], e[3]) }), "points back at")
		}
	})
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(4)
		q := k.New()
		insertAll(q, e[0], e[1], e[2])
		other := k.New()
		insertAll(other, e[3])
		e[1].Link = smrq.Link[queuetest.Elem]{} // cuts the queue
		require.Error(t, q.Verify())
		require.Panics(t, func() { q.Remove(e[2]) })
		overwriteLink(e[1], e[0]) // leads to itself
		require.ErrorContains(t, q.Verify(), "back")
		require.Equal(t, []int{3}, keys(other))
	})
}

// A tail that does not match is found by what would use it.
func TestMisuse_TailMismatch(t *testing.T) {
	for _, k := range queuetest.Kinds {
		q, ok := k.New().(queuetest.Tailed)
		if !ok {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			e := queuetest.OnHeap(3)
			insertAll(q, e[0], e[1])
			overwriteLink(e[1], e[0]) // the tail leads on
			for _, use := range []func(){
				func() { q.InsertTail(e[2]) },
				func() { q.AppendFrom(k.New()) },
				func() { k.New().AppendFrom(q) },
			} {
				require.Regexp(t, "the tail is|points back at", panicText(t, use))
			}
		})
	}
}

// overwriteLink copies a Link, which must not be done.
func overwriteLink(to, from *queuetest.Elem) {
	type raw = [unsafe.Sizeof(smrq.Link[queuetest.Elem]{}) / unsafe.Sizeof(uintptr(0))]unsafe.Pointer
	*(*raw)(unsafe.Pointer(&to.Link)) = *(*raw)(unsafe.Pointer(&from.Link))
}

// AllSerialized allows removal of the element that it is at, and tells of one
// that it can't.
func TestAllSerialized_Removal(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(5)
		q := k.New()
		insertAll(q, e...)
		var visited []int
		for at := range q.AllSerialized() {
			visited = append(visited, at.Key)
			switch at.Key {
			case 1:
				q.Remove(at)
				at.Link = smrq.Link[queuetest.Elem]{} // as if freed
			case 2: // moved to the head
				q.Remove(at)
				q.InsertHead(at)
			}
		}
		require.Equal(t, []int{0, 1, 2, 3, 4}, visited)
		require.Equal(t, []int{2, 0, 3, 4}, keys(q))
		text := panicText(t, func() {
			for at := range q.AllSerialized() {
				if at == e[2] {
					q.Remove(e[0]) // the next
				}
			}
		})
		require.Contains(t, text, "AllSerialized of "+k.Name+" ")
		require.Contains(t, text, "it is in no queue")
		for range q.AllSerialized() {
			break
		}
	})
}

// A Link that was overwritten with zeroes, as by a pool that resets what it hands
// out too early, is found where inserting the element again would make a circle.
func TestMisuse_ZeroedAndInsertedAgain(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for n := 1; n <= 3; n++ {
			e := queuetest.OnHeap(n)
			q := k.New()
			insertAll(q, e...)
			e[0].Link = smrq.Link[queuetest.Elem]{}
			require.Contains(t, panicText(t, func() { q.InsertHead(e[0]) }), "overwritten")
			if n > 1 {
				require.Panics(t, func() { q.InsertAfter(e[0], queuetest.OnHeap(1)[0]) })
			}
			if n == 2 {
				require.Panics(t, func() { q.Remove(e[1]) }, "the walk to it, or its neighbor, is damaged")
			}

			q, e = k.New(), queuetest.OnHeap(n)
			insertAll(q, e...)
			if q, ok := q.(queuetest.Tailed); ok {
				e[n-1].Link = smrq.Link[queuetest.Elem]{}
				require.Panics(t, func() { q.InsertTail(e[n-1]) })
				require.Panics(t, func() { q.InsertTail(queuetest.OnHeap(1)[0]) })
			}
		}

		// A source that is cut is not appended, and no element changes hands.
		src, e := k.New(), queuetest.OnHeap(4)
		insertAll(src, e[:3]...)
		e[1].Link = smrq.Link[queuetest.Elem]{}
		q := k.New()
		insertAll(q, e[3])
		require.Panics(t, func() { q.AppendFrom(src) })
		require.NoError(t, q.Verify())
		require.Contains(t, panicText(t, func() { q.Remove(e[0]) }), "it is in queue")

		// An element that only seems to be in the queue is looked for to the end.
		q, e = k.New(), queuetest.OnHeap(4)
		insertAll(q, e[:3]...)
		overwriteLink(e[3], e[2])
		require.Regexp(t, "it is not on the way from the head to the end|the element before it, leads to", panicText(t, func() { q.Remove(e[3]) }))

		// A circle is walked once.
		q, e = k.New(), queuetest.OnHeap(4)
		insertAll(q, e[:3]...)
		overwriteLink(e[2], e[0])
		overwriteLink(e[3], e[0])
		within(t, func() {
			require.Panics(t, func() { q.Remove(e[3]) })
			require.Panics(t, func() { q.AppendFrom(k.New()) })
			require.Error(t, q.Verify())

			// A source with a circle is not appended, and keeps its elements.
			found, dst := q.Verify().Error(), k.New()
			insertAll(dst, queuetest.OnHeap(1)...)
			require.Regexp(t, "leads back to itself|the tail is", panicText(t, func() { dst.AppendFrom(q) }))
			require.EqualError(t, q.Verify(), found)

			// Init looks for loans, also behind a circle.
			q, src, e := k.New(), k.New(), queuetest.OnHeap(3)
			insertAll(src, e...)
			q.AppendFrom(src)
			src.Unpublish()
			overwriteLink(e[2], e[0])
			require.Contains(t, panicText(t, q.Init), "leads back to itself")
		})
	})
}

// What was the first element of an appended queue stays while that queue leads to
// it: who enters there would find it freed.
func TestAppend_SourceHoldsItsFirst(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		e := queuetest.OnHeap(6)
		dst, src, third := k.New(), k.New(), k.New()
		insertAll(src, e[0], e[1])
		dst.AppendFrom(src)
		third.AppendFrom(dst) // now two queues lead to it
		for range 2 {
			const found = "a queue that was appended still leads to it"
			require.Contains(t, panicText(t, func() { third.Remove(e[0]) }), found)
			require.Contains(t, panicText(t, func() { third.Replace(e[0], e[2]) }), found)
			c := third.Cursor()
			c.Step()
			require.Contains(t, panicText(t, func() { c.Erase() }), found)
			require.Equal(t, []int{0, 1}, keys(third))
			s := d.Enter()
			require.Same(t, e[0], src.First(s))
			s.Leave()
			if e[0].Key == 0 && !dst.Empty() {
				dst.Init()
			}
		}
		third.Remove(e[1]) // others may go
		src.Init()
		third.Remove(e[0])
		require.NoError(t, third.Verify())
		require.True(t, src.Empty())
	})
}

// Nor does Init drop it, wherever it stands and whichever queues lead to it, until each of these says
// that it no longer does. Then Init drops it also where no Append brought it.
func TestInit_RefusesLoans(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for _, at := range []int{0, 1} { // where the element that has the loans is
			e := queuetest.OnHeap(3)
			q, src, third := k.New(), k.New(), k.New()
			insertAll(q, e[:at]...)
			insertAll(src, e[at:]...)
			q.AppendFrom(src)
			const found = "a queue that was appended still leads to it"
			require.Contains(t, panicText(t, q.Init), found)
			require.Equal(t, []int{0, 1, 2}, keys(q))
			third.AppendFrom(q)
			for _, end := range []func(){src.Unpublish, q.Init} {
				require.Contains(t, panicText(t, third.Init), found)
				end()
			}
			third.Init()
			require.Empty(t, keys(third))
			for _, x := range e {
				x.Link = smrq.Link[elem]{}
			}
			insertAll(third, e...)
			require.NoError(t, third.Verify())
			src.Init()
		}
	})
}

// After Append nothing of the source can be written to or walked by writers, also
// by a cursor or a walk from before.
func TestAppend_SourceNeedsInit(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(3)
		dst, src := k.New(), k.New()
		insertAll(dst, e[2])
		insertAll(src, e[0], e[1])
		c := src.Cursor()
		c.Step()
		c.Next()
		c.Step()
		dst.AppendFrom(src)
		dst.Remove(e[1])
		const found = "it needs Init first"
		require.Contains(t, panicText(t, func() { c.Erase() }), found)
		require.Contains(t, panicText(t, func() { src.Cursor() }), found)
		require.Contains(t, panicText(t, func() { src.FirstSerialized() }), found)
		require.Contains(t, panicText(t, func() { keys(src) }), found)
		require.ErrorContains(t, src.Verify(), "it needs Init")
		src.Init()
		require.Empty(t, keys(src))

		insertAll(src, e[1])
		src.InsertAfter(e[1], queuetest.OnHeap(1)[0])
		require.Contains(t, panicText(t, func() {
			for range src.AllSerialized() {
				k.New().AppendFrom(src) // that queue takes the id of the source
			}
		}), "it is in queue")
	})
}

func TestAppend_OtherLink(t *testing.T) {
	type two struct{ a, b smrq.Link[two] }
	q := smrq.NewList(func(x *two) *smrq.Link[two] { return &x.a })
	src := smrq.NewList(func(x *two) *smrq.Link[two] { return &x.b })
	src.InsertHead(new(two))
	require.Contains(t, panicText(t, func() { q.Append(src) }), "another Link")
	require.True(t, q.Empty())
	require.NoError(t, src.Verify())
}

// An element is in two queues by two links.
func TestTwoLinks(t *testing.T) {
	type two struct{ a, b smrq.Link[two] }
	q := smrq.NewList(func(x *two) *smrq.Link[two] { return &x.a })
	r := smrq.NewSTailQ(func(x *two) *smrq.Link[two] { return &x.b })
	x := new(two)
	q.InsertHead(x)
	r.InsertTail(x)
	q.Remove(x)
	require.Same(t, x, r.LastSerialized())
	require.False(t, x.a.Linked())
	require.True(t, x.b.Linked())
}

// Init drops what is there. The dropped are known not to be in a queue made later.
func TestInit_DropsElements(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(3)
		q := k.New()
		insertAll(q, e...)
		q.Init()
		require.NoError(t, q.Verify())
		require.True(t, q.Empty())
		require.Panics(t, func() { q.Remove(e[1]) })
		require.Panics(t, func() { q.InsertHead(e[1]) })
		e[1].Link = smrq.Link[queuetest.Elem]{}
		q.InsertHead(e[1])
		require.Equal(t, []int{1}, keys(q))
		if q, ok := q.(queuetest.Tailed); ok {
			require.Same(t, e[1], q.LastSerialized())
		}
	})
}

// Verify is worth something only if it finds what is wrong.
func TestVerify_Finds(t *testing.T) {
	if invariants.Enabled {
		t.Skip("with -tags invariants the layout is another")
	}
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		fresh := func() (queuetest.Queue, []*queuetest.Elem) {
			e := queuetest.OnHeap(3)
			q := k.New()
			insertAll(q, e...)
			require.NoError(t, q.Verify())
			return q, e
		}
		const prev, tail = 1, 1 // words: Link.prev, and queue.tail after head
		if k.Name == "List" || k.Name == "TailQ" {
			q, e := fresh()
			*word(unsafe.Pointer(&e[1].Link), prev) = nil
			require.ErrorContains(t, q.Verify(), "it points back at nothing")
			require.Contains(t, panicText(t, func() { q.Replace(e[1], queuetest.OnHeap(1)[0]) }), "leads to")
			require.Contains(t, panicText(t, func() { q.Remove(e[1]) }), "leads to")
			require.Contains(t, panicText(t, func() { q.Remove(e[0]) }), "points back at")

			src, e := fresh()
			*word(unsafe.Pointer(&e[0].Link), prev) = unsafe.Pointer(&e[2].Link)
			require.Contains(t, panicText(t, func() { k.New().AppendFrom(src) }), "it is the first one")
		}
		if tailed, ok := k.New().(queuetest.Tailed); ok {
			e := queuetest.OnHeap(3)
			insertAll(tailed, e...)
			*word(tailed.Header(), tail) = unsafe.Pointer(&e[1].Link)
			require.ErrorContains(t, tailed.Verify(), "the tail is")
			for _, use := range []func(){
				func() { tailed.Remove(e[2]) },
				func() { tailed.Replace(e[2], queuetest.OnHeap(1)[0]) },
				func() { tailed.InsertAfter(e[2], queuetest.OnHeap(1)[0]) },
			} {
				require.Contains(t, panicText(t, use), "the tail is")
			}
		}
	})
}

// word returns the nth pointer of a structure that begins with pointers.
func word(of unsafe.Pointer, n uintptr) *unsafe.Pointer {
	return (*unsafe.Pointer)(unsafe.Add(of, n*unsafe.Sizeof(uintptr(0))))
}

// A removed element is collected while its queue lives on.
func TestRemove_ElementIsCollected(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		q := k.New()
		var gone []weak.Pointer[queuetest.Elem]
		fill := func() {
			e := queuetest.OnHeap(6)
			insertAll(q, e...)
			q.Remove(e[5])
			q.Remove(e[2])
			q.Remove(e[0])
			q.Replace(e[4], queuetest.OnHeap(1)[0])
			c := q.Cursor()
			c.Step()
			c.Erase()
			for _, i := range []int{0, 1, 2, 4, 5} {
				gone = append(gone, weak.Make(e[i]))
			}
		}
		fill()
		runtime.GC()
		for i, p := range gone {
			require.Nil(t, p.Value(), i)
		}
		require.Equal(t, []int{3, 0}, keys(q), "the others are not")
		runtime.KeepAlive(q)

		// A removed element that is kept keeps what came after it, and not what came
		// before.
		var before []weak.Pointer[queuetest.Elem]
		leave := func() (kept []*queuetest.Elem) {
			e := queuetest.OnHeap(5)
			insertAll(q, e...)
			q.Remove(e[4])
			q.Replace(e[3], queuetest.OnHeap(1)[0])
			for i := range 3 {
				q.Remove(e[i])
				before = append(before, weak.Make(e[i]))
			}
			return []*queuetest.Elem{e[3], e[4]}
		}
		kept := leave()
		runtime.GC()
		for i, p := range before {
			require.Nil(t, p.Value(), i)
		}
		runtime.KeepAlive(kept)
		runtime.KeepAlive(q)
	})
}

func TestNoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("with -tags invariants loads look up their goroutine")
	}
	if !inlines() {
		t.Skip("a walk is free of allocations where it is inlined: not with -gcflags=-l")
	}
	s := newDomain(t).Enter()
	defer s.Leave()
	nodes := make([]node, 10)
	sum := 0
	for name, op := range map[string]func(){
		"SList":  allocProgram(smrq.NewSList(nodeLink), smrq.NewSList(nodeLink), nodes, func(q *smrq.SList[node]) { walkSum(q.All(s), &sum) }),
		"List":   allocProgram(smrq.NewList(nodeLink), smrq.NewList(nodeLink), nodes, func(q *smrq.List[node]) { walkSum(q.All(s), &sum) }),
		"STailQ": allocProgram(smrq.NewSTailQ(nodeLink), smrq.NewSTailQ(nodeLink), nodes, func(q *smrq.STailQ[node]) { walkSum(q.All(s), &sum) }),
		"TailQ":  allocProgram(smrq.NewTailQ(nodeLink), smrq.NewTailQ(nodeLink), nodes, func(q *smrq.TailQ[node]) { walkSum(q.All(s), &sum) }),
	} {
		require.Zero(t, testing.AllocsPerRun(100, op), name)
	}
}

// inlines reports whether this build inlines calls: then the closure stays on the stack.
func inlines() bool {
	sum := 0
	return testing.AllocsPerRun(100, func() { sum += constant(sum)() }) == 0
}

func constant(n int) func() int { return func() int { return n } }

// walkSum ranges over a walk; it is small enough to be inlined, and so is the walk.
func walkSum(all iter.Seq[*node], sum *int) {
	for n := range all {
		*sum += n.key
	}
}

// allocProgram returns a function that changes and walks queues of any kind.
func allocProgram[Q interface {
	InsertHead(*node)
	InsertAfter(at, e *node)
	FirstSerialized() *node
	Remove(*node)
	Init()
	Cursor() smrq.Cursor[node]
	Append(Q)
}](q, src Q, nodes []node, walk func(Q)) func() {
	return func() {
		src.InsertHead(&nodes[0])
		for i := range nodes[1:] {
			src.InsertAfter(&nodes[i], &nodes[i+1])
		}
		walk(src)
		q.Append(src)
		src.Init()
		q.Remove(&nodes[5])
		for c := q.Cursor(); c.Step(); {
			c.Erase()
		}
	}
}

// GuardedBy takes the usual locks.
func TestGuardedBy_Held(t *testing.T) {
	var mu sync.Mutex
	var rw sync.RWMutex
	q := smrq.NewList(nodeLink)
	q.GuardedBy(&rw)
	q.GuardedBy(&mu)
	mu.Lock()
	defer mu.Unlock()
	n := new(node)
	q.InsertHead(n)
	q.Remove(n)
	require.True(t, q.Empty())
}
