package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// maps has a Map grow and shrink all the time while readers copy and borrow its values. Each key
// belongs to one writer, which knows exactly what the map has for it. Readers know that the first
// keys are always present, and that the record of a key never becomes older.
type maps struct{}

const (
	numKeys     = 1 << 12
	numSteady   = 128 // the keys below are always there
	wordsOfItem = 6
)

// A record is a value. It has no pointers, so entries lie off the Go heap where that is
// possible.
type record struct {
	key, generation uint64
	words           [wordsOfItem]uint64 // all of them mix of the two
}

func newRecord(key, generation uint64) (rec record) {
	rec.key, rec.generation = key, generation
	for i := range rec.words {
		rec.words[i] = mix(key, generation)
	}
	return rec
}

// mix returns a checksum.
func mix(key, generation uint64) uint64 {
	return (key+1)*0x9e37_79b9_7f4a_7c15 ^ generation*0xbf58_476d_1ce4_e5b9
}

// sound reports whether the record is one of the key's.
func (rec *record) sound(key uint64) bool {
	if rec.key != key {
		return false
	}
	for _, w := range rec.words {
		if w != mix(key, rec.generation) {
			return false
		}
	}
	return true
}

func (maps) join(r *rig) {
	dom := r.domain("map", nil)
	m, err := smrmap.New[uint64, record](smrmap.Options{Domain: dom})
	if err != nil {
		panic(err)
	}
	resizes := r.counter("resizes")
	r.after(func() {
		resizes.Add(m.Stats().Resizes)
		r.faults.within("Close of the map", m.Close)
	})
	writers := max(2, r.procs)
	for i := range writers {
		name := fmt.Sprintf("writer of the map %d", i)
		w := &mapper{
			m: m, rng: r.rand(name), faults: &r.faults, tally: &r.writes,
			first: uint64(i), step: uint64(writers), known: make(map[uint64]uint64),
		}
		w.setUp()
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				for range 64 {
					w.write()
				}
				w.tally.updates.Add(64)
				p.beat()
				if i%2 == 0 { // the others are suspended anywhere
					runtime.Gosched() // also for the writer that resizes
				}
			}
			w.compare()
		})
	}
	r.start("hurry", func(ctx context.Context, p *pulse) { // so that entries are used again soon
		for ctx.Err() == nil {
			r.gate.pass()
			dom.Flush()
			p.beat()
			runtime.Gosched()
		}
	})
	for i := range max(4, 2*r.procs) {
		name := fmt.Sprintf("reader of the map %d", i)
		rd := &mapReader{reader: reader{rng: r.rand(name), kind: readMap}, m: m, dom: dom, faults: &r.faults}
		r.start(name, func(ctx context.Context, p *pulse) {
			rd.registered = dom.NewReader()
			defer rd.registered.Close()
			for ctx.Err() == nil {
				r.gate.pass()
				for range 256 {
					rd.read()
				}
				if rd.rng.IntN(16) == 0 {
					rd.walk()
				}
				r.reads.take(rd.kind, &rd.count)
				p.beat()
				runtime.Gosched()
			}
		})
	}
}

// A mapper writes to the keys first, first+step, first+2*step and so on.
type mapper struct {
	m           *smrmap.Map[uint64, record]
	rng         *rand.Rand
	faults      *faults
	tally       *writeTally
	first, step uint64

	known      map[uint64]uint64 // the generation of each key that is in the map
	generation uint64
	shrinking  bool
}

func (w *mapper) setUp() {
	for k := w.first; k < numSteady; k += w.step {
		w.store(k)
	}
}

func (w *mapper) next(key uint64) record {
	w.generation++
	w.known[key] = w.generation
	return newRecord(key, w.generation)
}

func (w *mapper) check(err error) {
	if err != nil {
		w.faults.add(faultMap, "a write to the map failed: %v", err)
	}
}

func (w *mapper) store(key uint64) { w.check(w.m.Store(key, w.next(key))) }

// write changes one key. The map mostly grows until it has most of the keys, and then mostly
// shrinks until it has few.
func (w *mapper) write() {
	most := uint64(numKeys)
	if w.rng.IntN(4) == 0 {
		most = numSteady
	}
	key := w.rng.Uint64N((most-w.first+w.step-1)/w.step)*w.step + w.first
	switch n := len(w.known); {
	case n*int(w.step) > numKeys*3/4:
		w.shrinking = true
	case n*int(w.step) <= numSteady*2:
		w.shrinking = false
	}
	_, there := w.known[key]
	steady := key < numSteady
	switch n := w.rng.IntN(64); {
	case !steady && (n == 0 || n < 62 && w.shrinking):
		w.remove(key, there)
	case n < 16 || n == 62:
		w.compute(key, there)
	case n < 32 || n == 63:
		w.loadOrStore(key, there)
	default:
		w.store(key)
	}
	w.ask(key)
}

func (w *mapper) compute(key uint64, there bool) {
	before := w.known[key]
	_, _, err := w.m.Compute(key, func(old record, loaded bool) (record, smrmap.Op) {
		if loaded != there || loaded && (!old.sound(key) || old.generation != before) {
			w.faults.add(faultMap, "Compute of key %d showed %+v, %v, after generation %d, %v", key, old, loaded, before, there)
		}
		return w.next(key), smrmap.UpdateOp
	})
	w.check(err)
}

func (w *mapper) loadOrStore(key uint64, there bool) {
	rec := newRecord(key, w.generation+1)
	if !there {
		rec = w.next(key)
	}
	actual, loaded, err := w.m.LoadOrStore(key, rec)
	w.check(err)
	if loaded != there || !actual.sound(key) || actual.generation != w.known[key] {
		w.faults.add(faultMap, "LoadOrStore of key %d returned %+v, %v, not generation %d, %v", key, actual, loaded, w.known[key], there)
	}
}

func (w *mapper) remove(key uint64, there bool) {
	if w.rng.IntN(2) == 0 {
		if ok := w.m.Delete(key); ok != there {
			w.faults.add(faultMap, "Delete of key %d returned %v", key, ok)
		}
	} else if rec, ok := w.m.LoadAndDelete(key); ok != there || ok && (!rec.sound(key) || rec.generation != w.known[key]) {
		w.faults.add(faultMap, "LoadAndDelete of key %d returned %+v, %v", key, rec, ok)
	}
	delete(w.known, key)
}

// ask checks that the map has what this writer, the key's only one, stored.
func (w *mapper) ask(key uint64) {
	want, there := w.known[key]
	rec, ok := w.m.Load(key)
	if ok != there || ok && (!rec.sound(key) || rec.generation != want) {
		w.faults.add(faultMap, "Load of key %d returned %+v, %v, after generation %d, %v", key, rec, ok, want, there)
	}
}

// compare asks for all keys of this writer.
func (w *mapper) compare() {
	for key := w.first; key < numKeys; key += w.step {
		w.ask(key)
	}
}

// A mapReader reads.
type mapReader struct {
	reader
	m          *smrmap.Map[uint64, record]
	dom        *smr.Domain
	registered *smr.Reader
	faults     *faults

	seen [numSteady]uint64 // the last generation of the steady keys
}

// read borrows a value and checks it twice, or copies one.
func (rd *mapReader) read() {
	key := rd.rng.Uint64N(numKeys)
	if rd.rng.IntN(2) == 0 {
		key %= numSteady
	}
	rd.count.others++
	if rd.rng.IntN(2) == 0 {
		rec, ok := rd.m.Load(key)
		rd.judge("Load", key, &rec, ok, ok && rec.sound(key))
		return
	}
	s, pinned := enterAny(rd.dom, rd.registered, rd.rng)
	p, ok := rd.m.LoadIn(s, key)
	var rec record
	sound := false
	if ok {
		rec = *p
		if pinned {
			drawPinnedStay(rd.rng).pass(rd.rng)
		} else {
			drawStay(rd.rng, rd.rng.IntN(1024) == 0).pass(rd.rng)
		}
		sound = rec.sound(key) && *p == rec
	}
	s.Leave()
	rd.count.sections++
	rd.judge("LoadIn", key, &rec, ok, sound)
}

// judge reports what is wrong with a read.
func (rd *mapReader) judge(how string, key uint64, rec *record, ok, sound bool) {
	switch {
	case ok && !sound:
		rd.faults.add(faultPayload, "%s of key %d showed %+v, or it changed", how, key, *rec)
	case key >= numSteady:
	case !ok:
		rd.faults.add(faultMap, "%s did not find key %d, which is always there", how, key)
	case rec.generation < rd.seen[key]:
		rd.faults.add(faultMap, "%s of key %d showed generation %d after %d", how, key, rec.generation, rd.seen[key])
	default:
		rd.seen[key] = rec.generation
	}
}

// walk checks that a walk shows no key twice, and each key that is always present.
func (rd *mapReader) walk() {
	var times [numKeys]uint8
	for key, rec := range rd.m.All() {
		rd.count.others++
		if key >= numKeys || !rec.sound(key) {
			rd.faults.add(faultPayload, "a walk showed %+v for key %d", rec, key)
			continue
		}
		if times[key]++; times[key] == 2 {
			rd.faults.add(faultMap, "a walk showed key %d twice", key)
		}
	}
	for key, n := range times[:numSteady] {
		if n == 0 {
			rd.faults.add(faultMap, "a walk did not show key %d, which is always there", key)
		}
	}
}
