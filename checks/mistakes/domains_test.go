package mistakes

import (
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// Sections of the wrong domain.

func pointerInOtherDomain() {
	tables, index := quiet("tables"), quiet("index")
	var p smr.Pointer[record]
	p.In(tables)
	p.Init(&record{good})
	s := index.Enter()
	v := p.Load(s)
	replace(tables, &p)
	overwritten(&v.value, good)
	read(&v.value)
}

// An element is a record in a queue.
type element struct {
	record
	link smrq.Link[element]
}

func newQueue() *smrq.TailQ[element] {
	return smrq.NewTailQ(func(e *element) *smrq.Link[element] { return &e.link })
}

func (e *element) free() { e.record.free() }

func queueInOtherDomain() {
	sessions, index := quiet("sessions"), quiet("index")
	q := newQueue()
	q.InsertTail(&element{record: record{good}})
	sessions.Read(func(s smr.Section) { q.First(s) }) // other readers do right
	s := index.Enter()
	v := q.First(s)
	q.Remove(v)
	smr.Call(sessions, v, 8, (*element).free)
	overwritten(&v.value, good)
	read(&v.value)
}

func mapInOtherDomain() {
	rows, index := quiet("rows"), quiet("index")
	m := must(smrmap.New[uint64, record](smrmap.Options{Domain: rows}))
	check(m.Store(1, record{good}))
	s := index.Enter()
	v, _ := m.LoadIn(s, 1)
	go storeAgain(m, v)
	overwritten(&v.value, good)
	read(&v.value)
}

// storeAgain stores other values until the memory of the old one is reused.
func storeAgain(m *smrmap.Map[uint64, record], old *record) {
	for peek(&old.value) == good {
		check(m.Store(1, record{fresh}))
	}
}

// The README of old: a domain of one's own, and a map on the default one.
func bytesInOtherDomain() {
	dom := quiet("tables")
	b := must(smrmap.NewBytes(smrmap.Options{Budget: slab.NewBudget(1 << 30)}))
	check(b.Store(key, body))
	s := dom.Enter()
	item, _ := b.LoadIn(s, key)
	v := word(item.Value)
	go storeBytesAgain(b, v)
	overwritten(v, bodyWord)
	read(v)
}

var (
	key   = []byte("key-0001")
	body  = []byte("body0001")
	other = []byte("OTHER999")
)

var bodyWord = *word(body)

// word returns the address of the first eight bytes.
func word(b []byte) *uint64 { return (*uint64)(unsafe.Pointer(&b[0])) }

func storeBytesAgain(b *smrmap.Bytes, old *uint64) {
	for peek(old) == bodyWord {
		check(b.Store(key, other))
	}
}
