//go:build unix

// Package geotab finds the place of an address in a table that is mapped from a file. The table's texts
// are strings in the mapping itself: who keeps one copies it.
package geotab

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// A file is a number of rows, the rows, and texts:
//
//	row   first address (4), offset of the country (4), offset of the city (4)
//	text  length (1), bytes
const rowLen = 12

// ErrFormat is wrapped by the errors for files that are no tables.
var ErrFormat = errors.New("geotab: wrong format")

// A table is a mapped file.
type table struct {
	data []byte
	rows int
}

func mapTable(path string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() < 4 {
		return nil, fmt.Errorf("%w: %s is short", ErrFormat, path)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	t := &table{data: data, rows: int(binary.LittleEndian.Uint32(data))}
	if err := t.check(); err != nil {
		t.unmap() // nobody has it
		return nil, fmt.Errorf("%w in %s", err, path)
	}
	return t, nil
}

func (t *table) unmap() {
	if t.data != nil {
		syscall.Munmap(t.data)
		t.data = nil
	}
}

func (t *table) check() error {
	if t.rows > (len(t.data)-4)/rowLen {
		return fmt.Errorf("%w: %d rows", ErrFormat, t.rows)
	}
	for i := range t.rows {
		_, country, city := t.row(i)
		for _, off := range [...]uint32{country, city} {
			if int(off) >= len(t.data) || int(off)+1+int(t.data[off]) > len(t.data) {
				return fmt.Errorf("%w: row %d", ErrFormat, i)
			}
		}
	}
	return nil
}

func (t *table) row(i int) (first, country, city uint32) {
	b := t.data[4+i*rowLen:]
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
}

// text returns a text where it lies: it is valid while the table is mapped.
func (t *table) text(off uint32) string {
	b := t.data[off+1 : int(off)+1+int(t.data[off])]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// A Place is a place. Its texts are borrowed from a table, unless it is a clone.
type Place struct {
	Country, City string
}

// Clone returns a place that borrows nothing.
func (p Place) Clone() Place { return Place{strings.Clone(p.Country), strings.Clone(p.City)} }

func (t *table) find(addr uint32) (Place, bool) {
	i, found := 0, t.rows
	for i < found {
		mid := (i + found) / 2
		if first, _, _ := t.row(mid); first <= addr {
			i = mid + 1
		} else {
			found = mid
		}
	}
	if i == 0 {
		return Place{}, false
	}
	_, country, city := t.row(i - 1)
	return Place{t.text(country), t.text(city)}, true
}

// places iterates over the places of the table, which borrow from it.
func (t *table) places() iter.Seq2[uint32, Place] {
	return func(yield func(uint32, Place) bool) {
		for i := range t.rows {
			first, country, city := t.row(i)
			if !yield(first, Place{t.text(country), t.text(city)}) {
				return
			}
		}
	}
}

// A DB has the current table.
type DB struct {
	dom     *smr.Domain
	current smr.Pointer[table]
	mu      sync.Mutex
	closed  bool
}

// Open maps a table.
func Open(path string) (*DB, error) {
	t, err := mapTable(path)
	if err != nil {
		return nil, err
	}
	dom, err := smr.New(smr.Options{Name: "geotab"})
	if err != nil {
		t.unmap()
		return nil, err
	}
	db := &DB{dom: dom}
	db.current.In(dom)
	db.current.GuardedBy(&db.mu)
	db.current.Init(t)
	return db, nil
}

// Load maps another table, and unmaps the present one when nobody reads it.
func (db *DB) Load(path string) error {
	t, err := mapTable(path)
	if err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		t.unmap()
		return smr.ErrClosed
	}
	old := db.current.LoadSerialized()
	db.current.Store(t)
	smr.Call(db.dom, old, len(old.data), (*table).unmap)
	return nil
}

// Find returns the place of an address, borrowed until s is left.
func (db *DB) Find(s smr.Section, addr uint32) (Place, bool) { return db.current.Load(s).find(addr) }

// Enter opens a section for Find.
func (db *DB) Enter() smr.Section { return db.dom.Enter() }

// Lookup returns the place of an address.
func (db *DB) Lookup(addr uint32) (Place, bool) {
	s := db.dom.Enter()
	defer s.Leave()
	p, ok := db.Find(s, addr)
	return p.Clone(), ok
}

// InCountry reports whether an address is in a country. It copies nothing.
func (db *DB) InCountry(addr uint32, country string) bool {
	s := db.dom.Enter()
	p, ok := db.Find(s, addr)
	same := ok && p.Country == country
	s.Leave()
	return same
}

// A Stat is how many ranges a country has.
type Stat struct {
	Country string
	Ranges  int
	Cities  []string
}

// Stats describes the table, by country.
func (db *DB) Stats() []Stat {
	s := db.dom.Enter()
	defer s.Leave()
	byCountry := make(map[string]*Stat) // its keys are borrowed; it does not outlive the section
	for _, p := range db.current.Load(s).places() {
		st := byCountry[p.Country]
		if st == nil {
			st = &Stat{Country: strings.Clone(p.Country)}
			byCountry[p.Country] = st
		}
		st.Ranges++
		if p.City != "" && !slices.Contains(st.Cities, p.City) {
			st.Cities = append(st.Cities, strings.Clone(p.City))
		}
	}
	stats := make([]Stat, 0, len(byCountry))
	for _, st := range byCountry {
		slices.Sort(st.Cities)
		stats = append(stats, *st)
	}
	slices.SortFunc(stats, func(a, b Stat) int { return cmp.Compare(a.Country, b.Country) })
	return stats
}

// Tally counts addresses by country, for each batch by one table.
func (db *DB) Tally(batches <-chan []uint32) map[string]int {
	counts := make(map[string]*int)
	r := db.dom.NewReader()
	defer r.Close()
	for batch := range batches {
		s := r.Enter()
		for _, addr := range batch {
			p, ok := db.Find(s, addr)
			if !ok {
				continue
			}
			n := counts[p.Country]
			if n == nil {
				n = new(int)
				counts[strings.Clone(p.Country)] = n
			}
			*n++ // not counts[p.Country]++: an assignment keeps the key that it is given
		}
		s.Leave()
	}
	tally := make(map[string]int, len(counts))
	for country, n := range counts {
		tally[country] = *n
	}
	return tally
}

// Close unmaps the table when its readers have left.
func (db *DB) Close(ctx context.Context) error {
	db.mu.Lock()
	db.closed = true
	db.mu.Unlock()
	if err := db.dom.Close(ctx); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.current.LoadSerialized().unmap()
	return nil
}

// Write writes a table of places, by their first addresses. It replaces a file, which may be mapped, by
// another one: one that is truncated ends the process of who reads its mapping.
func Write(path string, places map[uint32]Place) error {
	addrs := make([]uint32, 0, len(places))
	for a := range places {
		addrs = append(addrs, a)
	}
	slices.Sort(addrs)
	texts := make(map[string]uint32)
	var tail []byte
	base := uint32(4 + len(addrs)*rowLen)
	text := func(s string) uint32 {
		off, ok := texts[s]
		if !ok {
			off = base + uint32(len(tail))
			texts[s] = off
			tail = append(append(tail, byte(len(s))), s...)
		}
		return off
	}
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(addrs)))
	for _, a := range addrs {
		data = binary.LittleEndian.AppendUint32(data, a)
		data = binary.LittleEndian.AppendUint32(data, text(places[a].Country))
		data = binary.LittleEndian.AppendUint32(data, text(places[a].City))
	}
	draft := path + ".draft"
	if err := os.WriteFile(draft, append(data, tail...), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
