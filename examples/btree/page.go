package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// A page is a leaf or a branch of the tree:
//
//	kind (2 bytes), how many items (2), the offset of each item (2 each), the items
//	item:  length of the key (2), length of the value (2), key, value
//
// The value of a branch's item is the number of a page (8 bytes), and its key the least that is there,
// or less. (The first key of a branch does not count: what is less than it is there, too.)
const (
	pageSize   = 4096
	pageHeader = 4
	itemHeader = 4
	itemOffset = 2

	leaf   = 1
	branch = 2

	// maxItem has three items, and so two children, fit in a page.
	maxItem = (pageSize-pageHeader)/3 - itemHeader - itemOffset
)

var (
	// ErrTooLarge is returned for a record that does not fit in a page.
	ErrTooLarge = errors.New("key and value are too large")

	errCorrupt = errors.New("the file is corrupt")
)

type item struct{ key, value []byte }

func (it item) size() int { return itemOffset + itemHeader + len(it.key) + len(it.value) }

func (it item) page() uint64 { return binary.LittleEndian.Uint64(it.value) }

func branchItem(key []byte, page uint64) item {
	return item{key, binary.LittleEndian.AppendUint64(nil, page)}
}

// encode returns a page of items, which fit.
func encode(kind uint16, items []item) []byte {
	p := make([]byte, pageSize)
	binary.LittleEndian.PutUint16(p, kind)
	binary.LittleEndian.PutUint16(p[2:], uint16(len(items)))
	at := pageHeader + itemOffset*len(items)
	for i, it := range items {
		binary.LittleEndian.PutUint16(p[pageHeader+itemOffset*i:], uint16(at))
		binary.LittleEndian.PutUint16(p[at:], uint16(len(it.key)))
		binary.LittleEndian.PutUint16(p[at+2:], uint16(len(it.value)))
		at += itemHeader
		at += copy(p[at:], it.key)
		at += copy(p[at:], it.value)
	}
	return p
}

// A node reads a page where it lies.
type node []byte

// check returns an error unless all items can be read. A file is checked once, when it is opened.
func (n node) check() error {
	if kind := n.kind(); kind != leaf && kind != branch || n.len() > pageSize/(itemOffset+itemHeader) {
		return errCorrupt
	}
	for i := range n.len() {
		at := n.offset(i)
		if at+itemHeader > pageSize {
			return errCorrupt
		}
		key, value := int(binary.LittleEndian.Uint16(n[at:])), int(binary.LittleEndian.Uint16(n[at+2:]))
		if at+itemHeader+key+value > pageSize || n.kind() == branch && value != 8 {
			return errCorrupt
		}
	}
	return nil
}

func (n node) kind() uint16 { return binary.LittleEndian.Uint16(n) }

func (n node) len() int { return int(binary.LittleEndian.Uint16(n[2:])) }

func (n node) offset(i int) int {
	return int(binary.LittleEndian.Uint16(n[pageHeader+itemOffset*i:]))
}

func (n node) item(i int) item {
	at := n.offset(i)
	key, value := int(binary.LittleEndian.Uint16(n[at:])), int(binary.LittleEndian.Uint16(n[at+2:]))
	b := n[at+itemHeader:]
	return item{b[:key:key], b[key : key+value : key+value]}
}

// items returns all items.
func (n node) items() []item {
	items := make([]item, n.len())
	for i := range items {
		items[i] = n.item(i)
	}
	return items
}

// seek returns the number of the first item whose key is not less.
func (n node) seek(key []byte) int {
	return sort.Search(n.len(), func(i int) bool { return string(n.item(i).key) >= string(key) })
}

// child returns the number of the item, of a branch, that leads to key.
func (n node) child(key []byte) int {
	i := sort.Search(n.len(), func(i int) bool { return string(n.item(i).key) > string(key) })
	return max(i-1, 0)
}

// A meta says where the tree is. The file has two, in its first two pages, which are written in turn:
// so one is whole, whenever the program crashes.
type meta struct {
	txn   uint64 // the number of the transaction that wrote it
	root  uint64 // the page of the root
	pages uint64 // how many pages of the file were ever used
}

const magic = 0x676f736d72627472

func (m meta) encode() []byte {
	b := make([]byte, 0, 40)
	for _, word := range []uint64{magic, m.txn, m.root, m.pages, magic ^ m.txn*31 ^ m.root*37 ^ m.pages*41} {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b
}

func decodeMeta(b []byte) (meta, error) {
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	m := meta{word(1), word(2), word(3)}
	if string(m.encode()) != string(b[:40]) {
		return meta{}, fmt.Errorf("meta page: %w", errCorrupt)
	}
	return m, nil
}
