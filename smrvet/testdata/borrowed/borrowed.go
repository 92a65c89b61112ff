// Package borrowed has values that are used after their section.
package borrowed

import (
	"bytes"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

type node struct {
	value int
	name  string
	data  []byte // freed with the node
	heap  []byte // not
	array [4]int
	inner struct{ a, b int }
	next  smr.Pointer[node]
	link  smrq.Link[node]
	refs  atomic.Int32
}

// tryRef is a count of references, as users make them.
func (n *node) tryRef() bool {
	for refs := n.refs.Load(); refs > 0; refs = n.refs.Load() {
		if n.refs.CompareAndSwap(refs, refs+1) {
			return true
		}
	}
	return false
}

func acquire(n *node) *node {
	n.refs.Add(1)
	return n
}

var (
	dom   = smr.Default()
	root  smr.Pointer[node]
	queue *smrq.TailQ[node]
	rows  *smrmap.Map[int, node]
	cache *smrmap.Bytes
	pool  *slab.Pool[node]
	mu    sync.Mutex
)

func use(...any)           {}
func readNode(n *node) int { return n.value }
func unmap([]byte)         {}

func (n *node) free() { unmap(n.data) }

func keepAlive(n *node) bool { return n != nil }
func first(b []byte) byte    { return b[0] }
func part(b []byte) []byte   { return b[1:] }
func clone(b []byte) []byte  { return append([]byte(nil), b...) }
func must[T any](v T, ok bool) T {
	if !ok {
		panic("missing")
	}
	return v
}

func field() int {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return v.value // want `what Load returned at line \d+ is used after its section was left at line \d+ \(smruseafterleave\)`
}

func element() int {
	s := dom.Enter()
	v := &root.Load(s).array
	s.Leave()
	return v[1] // want `smruseafterleave`
}

func innerField() int {
	s := dom.Enter()
	v := &root.Load(s).inner
	s.Leave()
	return v.b // want `smruseafterleave`
}

func write() {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	v.value++ // want `smruseafterleave`
}

func bytesOf() byte {
	s := dom.Enter()
	data := root.Load(s).data
	s.Leave()
	return data[0] // want `smruseafterleave`
}

func item(key []byte) byte {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	s.Leave()
	return it.Value[0] // want `smruseafterleave`
}

func itemToString(key []byte) string {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	s.Leave()
	return string(it.Value) // want `smruseafterleave`
}

func slicedItem(key []byte) byte {
	s := cache.Enter()
	it, ok := cache.LoadIn(s, key)
	head := it.Value[2:4]
	s.Leave()
	if !ok {
		return 0
	}
	return head[0] // want `smruseafterleave`
}

func row(k int) int {
	s := rows.Enter()
	v, ok := rows.LoadIn(s, k)
	s.Leave()
	if !ok {
		return 0
	}
	return v.value // want `smruseafterleave`
}

func throughMust(k int) int {
	s := rows.Enter()
	v := must(rows.LoadIn(s, k))
	s.Leave()
	return v.value // want `smruseafterleave`
}

func passedOn() int {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return readNode(v) // want `smruseafterleave`
}

func passedToLibrary(key []byte) bool {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	s.Leave()
	return bytes.Equal(it.Value, key) // want `smruseafterleave`
}

func helperReturnsPart(key []byte) byte {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	p := part(it.Value)
	s.Leave()
	return first(p) // want `smruseafterleave`
}

func loadIn(s smr.Section) *node { return root.Load(s) }

func helperLoads() int {
	s := dom.Enter()
	v := loadIn(s)
	s.Leave()
	return v.value // want `smruseafterleave`
}

func converted() uint64 {
	s := dom.Enter()
	p := (*uint64)(unsafe.Pointer(root.Load(s)))
	s.Leave()
	return *p // want `smruseafterleave`
}

func unsafeString(key []byte) byte {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	str := unsafe.String(&it.Value[0], len(it.Value))
	s.Leave()
	return str[0] // want `smruseafterleave`
}

func eitherWay(k bool) int {
	s := dom.Enter()
	v := root.Load(s)
	if k {
		v = v.next.Load(s)
	}
	s.Leave()
	return v.value // want `smruseafterleave`
}

func inLoop(n int) (sum int) {
	for range n {
		s := dom.Enter()
		v := root.Load(s)
		s.Leave()
		sum += v.value // want `smruseafterleave`
	}
	return sum
}

func walkGoesOn() (n int) {
	s := dom.Enter()
	e := queue.First(s)
	s.Leave()
	for e != nil {
		n += e.value         // want `smruseafterleave`
		e = queue.Next(s, e) // want `Next is called with a section that was left before`
	}
	return n
}

func inClosure() func() int {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return func() int { return v.value } // want `smruseafterleave`
}

func returned() *node {
	s := dom.Enter()
	defer s.Leave()
	return root.Load(s) // want `what Load returned at line \d+ is returned, but its section is left: return a copy \(smrreturnborrowed\)`
}

func returnedBytes(key []byte) ([]byte, bool) {
	s := cache.Enter()
	defer s.Leave()
	it, ok := cache.LoadIn(s, key)
	if !ok {
		return nil, false
	}
	return it.Value, true // want `smrreturnborrowed`
}

type reply struct {
	status int
	body   []byte
}

func returnedInStruct(key []byte) reply {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return reply{200, it.Value} // want `smrreturnborrowed`
}

func returnedInNew(key []byte) *reply {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return &reply{200, it.Value} // want `smrreturnborrowed`
}

func returnedPart(key []byte) []byte {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	v := it.Value[:1]
	s.Leave()
	return v // want `smrreturnborrowed`
}

func writeItem(key []byte) {
	s := cache.Enter()
	defer s.Leave()
	it, ok := cache.LoadIn(s, key)
	if ok {
		it.Value[0] = 1 // want `a write to a value that is borrowed from a map`
	}
}

func writeRow(k int) {
	s := rows.Enter()
	defer s.Leave()
	if v, ok := rows.LoadIn(s, k); ok {
		v.value++ // want `smrwriteborrowed`
	}
}

func copyInto(key []byte) {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	copy(it.Value, "new") // want `copy into a value that is borrowed`
}

func appendToPart(key []byte) []byte {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return append(it.Value[:4], "-new"...) // want `append to a part` `smrreturnborrowed`
}

func writeInView(k int) {
	rows.View(k, func(v *node) {
		v.value = 0 // want `smrwriteborrowed`
	})
}

func lend(fn func(b []byte), key []byte) {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	fn(it.Value)
}

func writeWhatIsLent(key []byte) {
	lend(func(b []byte) {
		b[0] = 1 // want `smrwriteborrowed`
	}, key)
}

// From here on all is right.

func rightCopyField() int {
	s := dom.Enter()
	v := root.Load(s).value
	s.Leave()
	return v
}

func rightCopyStruct() int {
	s := dom.Enter()
	v := root.Load(s).inner
	s.Leave()
	return v.a
}

func rightString() string {
	s := dom.Enter()
	name := root.Load(s).name
	s.Leave()
	return name
}

func rightClone(key []byte) []byte {
	s := cache.Enter()
	defer s.Leave()
	it, ok := cache.LoadIn(s, key)
	if !ok {
		return nil
	}
	return bytes.Clone(it.Value)
}

func rightAppendCopy(key, dst []byte) []byte {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return append(dst, it.Value...)
}

func rightAppendWhole(key []byte) []byte {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return append(it.Value[:4:4], "-new"...)
}

func rightToString(key []byte) string {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return string(it.Value)
}

func rightHelperClones(key []byte) []byte {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	return clone(it.Value)
}

func rightReplaced(key []byte) reply {
	s := cache.Enter()
	defer s.Leave()
	it, _ := cache.LoadIn(s, key)
	r := reply{200, it.Value}
	r.body = bytes.Clone(r.body)
	return r
}

func rightLength(key []byte) int {
	s := cache.Enter()
	it, _ := cache.LoadIn(s, key)
	s.Leave()
	return len(it.Value)
}

func rightExpiry(key []byte) (n int64, ok bool) {
	s := cache.Enter()
	it, ok := cache.LoadIn(s, key)
	s.Leave()
	use(it.Expires)
	return n, ok
}

func rightCompare() bool {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return v != nil
}

func rightCompareInHelper() bool {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return keepAlive(v)
}

func rightDefault(k bool) *node {
	s := dom.Enter()
	defer s.Leave()
	if root.Load(s) == nil {
		return nil
	}
	return &node{}
}

func rightPerhapsNew(k bool) int {
	s := dom.Enter()
	v := root.Load(s)
	if k {
		v = &node{value: v.value}
	}
	s.Leave()
	return v.value // only the strict rules know better
}

func rightPop() int {
	s := dom.Enter()
	v := root.Load(s)
	if v == nil || !root.CompareAndSwap(v, v.next.Load(s)) {
		s.Leave()
		return 0
	}
	s.Leave()
	n := v.value // its own now
	pool.Retire(v)
	return n
}

func rightRetireLater() {
	s := dom.Enter()
	v := root.Load(s)
	root.Clear()
	s.Leave()
	pool.Retire(v)
}

func rightLocked() int {
	mu.Lock()
	defer mu.Unlock()
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return v.value // no writer comes
}

func rightHeld() int {
	s := dom.Enter()
	v := root.Load(s)
	h := smr.Hold(s, v)
	s.Leave()
	defer h.Release()
	return v.value
}

func rightOtherSection() int {
	outer := dom.Enter()
	defer outer.Leave()
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return v.value
}

func rightCallersSection(outer smr.Section) *node {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	return v
}

func rightBothReturned() (*node, smr.Section) {
	s := dom.Enter()
	return root.Load(s), s
}

func rightBorrowedFromCaller(s smr.Section, key []byte) []byte {
	it, _ := cache.LoadIn(s, key)
	return it.Value
}

func rightLoadAgain() int {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	s = dom.Enter()
	v = root.Load(s)
	defer s.Leave()
	return v.value
}

func rightSerialized() int {
	v := root.LoadSerialized()
	s := dom.Enter()
	s.Leave()
	return v.value
}

func rightMapLoad(k int) int {
	v, _ := rows.Load(k)
	v.value++
	return v.value
}

func rightWriteObject() {
	s := dom.Enter()
	defer s.Leave()
	root.Load(s).value = 1 // an object that this goroutine may write to, for all one knows
}

func rightMapOfSlices(m *smrmap.Map[int, []byte], k int) byte {
	s := m.Enter()
	v, _ := m.LoadIn(s, k)
	b := *v
	s.Leave()
	return b[0]
}

func rightCompute(key []byte) {
	cache.Compute(key, func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
		return smrmap.Item{Value: old.Value[1:]}, smrmap.UpdateOp
	})
}

func rightUnknown(fn func(*node)) {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	fn(v)
}

func rightHeapBytes() byte {
	s := dom.Enter()
	b := root.Load(s).heap
	s.Leave()
	return b[0]
}

func rightInSection() {
	s := dom.Enter()
	defer s.Leave()
	func() {
		inner := dom.Enter()
		v := root.Load(inner)
		inner.Leave()
		use(v.value)
	}()
}

func rightCounted() *node {
	s := dom.Enter()
	defer s.Leave()
	if v := root.Load(s); v != nil && v.tryRef() {
		return v
	}
	return nil
}

func rightCountedByFunction() *node {
	s := dom.Enter()
	v := root.Load(s)
	acquire(v)
	s.Leave()
	use(v.value)
	return v
}

func statistic() *node {
	s := dom.Enter()
	v := root.Load(s)
	v.refs.Add(1) // a count in place is not taken for one of references
	s.Leave()
	return v // want `smrreturnborrowed`
}
