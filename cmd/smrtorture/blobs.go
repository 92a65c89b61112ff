package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// blobs has a map of bytes with too little memory: values of all sizes are stored, expire, are
// swept, evicted, and moved by CompactFor, while readers borrow them. An entry may be missing, but
// one that is found is what its writer stored last, whole, and not expired.
type blobs struct{}

const (
	numBlobs   = 1 << 14
	blobBudget = 2 << 20
	blobHead   = 16 // bytes of the key's number and the generation, which begin a value

	// forcedShare is the divisor of the budget by which a map may exceed it: a quarter of its table
	// for chained buckets, and half of that while it shrinks, where a table is half of the whole.
	forcedShare = 4
)

func (blobs) join(r *rig) {
	dom := r.domain("blobs", nil)
	budget := r.budget("blobs", blobBudget, blobBudget/forcedShare)
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget.Budget})
	if err != nil {
		panic(err)
	}
	evicted := r.counter("entries evicted")
	expired := r.counter("entries expired")
	r.after(func() {
		st := m.Stats()
		evicted.Add(st.Evicted)
		expired.Add(st.Expired)
		r.faults.within("Close of the blobs", m.Close)
	})
	stored, refused := r.counter("blobs stored"), r.rare("blobs refused")
	r.after(func() { r.faults.refused(stored.Load(), refused.Load()) })
	writers := max(2, r.procs)
	for i := range writers {
		name := fmt.Sprintf("writer of blobs %d", i)
		w := &blobWriter{
			m: m, rng: r.rand(name), faults: &r.faults, first: uint64(i), step: uint64(writers),
			known: make(map[uint64]blob), stored: stored, refused: refused,
		}
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				w.write(ctx)
				budget.look()
				r.writes.updates.Add(1)
				p.beat()
				runtime.Gosched()
			}
		})
	}
	for i := range max(3, r.procs) {
		name := fmt.Sprintf("reader of blobs %d", i)
		rd := &blobReader{reader: reader{rng: r.rand(name), kind: readBytes}, m: m, dom: dom, faults: &r.faults}
		r.start(name, func(ctx context.Context, p *pulse) {
			rd.registered = dom.NewReader()
			defer rd.registered.Close()
			for ctx.Err() == nil {
				r.gate.pass()
				for range 64 {
					rd.read()
				}
				if rd.rng.IntN(64) == 0 {
					rd.walk()
				}
				r.reads.take(rd.kind, &rd.count)
				p.beat()
				runtime.Gosched()
			}
		})
	}
	rng := r.rand("janitor of blobs")
	r.start("janitor of blobs", func(ctx context.Context, p *pulse) {
		for cursor := uint64(0); ctx.Err() == nil; {
			r.gate.pass()
			switch rng.IntN(16) { // seldom, so that writers exhaust the budget
			case 0:
				m.EvictBytes(1 + rng.IntN(1<<16))
			case 1, 2:
				if _, err := m.CompactFor(context.Background(), rng.IntN(4096)); err != nil {
					r.faults.add(faultWait, "CompactFor: %v", err)
				}
			default:
				cursor = m.Sweep(cursor, 256).Next
			}
			pause(ctx, below(rng, 2*time.Millisecond))
			p.beat()
		}
	})
}

// A blob is a writer's record of an entry.
type blob struct {
	generation uint64
	expires    int64
}

// appendKey and appendBlob make keys and values. The head of a value identifies it; the other bytes
// are all equal.
func appendKey(dst []byte, key uint64) []byte { return fmt.Appendf(dst, "blob:%d", key) }

func appendBlob(dst []byte, key, generation uint64, size int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, key)
	dst = binary.LittleEndian.AppendUint64(dst, generation)
	for range size {
		dst = append(dst, byte(mix(key, generation)))
	}
	return dst
}

// parseBlob returns the generation of a value, and whether the value is a sound one of the key.
func parseBlob(value []byte, key uint64) (generation uint64, sound bool) {
	if len(value) < blobHead || binary.LittleEndian.Uint64(value) != key {
		return 0, false
	}
	generation = binary.LittleEndian.Uint64(value[8:])
	rest := value[blobHead:]
	fill := byte(mix(key, generation))
	return generation, bytes.Count(rest, []byte{fill}) == len(rest)
}

type blobWriter struct {
	m           *smrmap.Bytes
	rng         *rand.Rand
	faults      *faults
	first, step uint64

	known      map[uint64]blob
	generation uint64
	stored     *counter
	refused    *counter // for lack of memory, although it evicted
	key, value []byte   // scratch
}

func (w *blobWriter) write(ctx context.Context) {
	key := w.rng.Uint64N((numBlobs-w.first+w.step-1)/w.step)*w.step + w.first
	w.key = appendKey(w.key[:0], key)
	switch n := w.rng.IntN(16); {
	case n < 12:
		w.store(ctx, key)
	case n < 14:
		w.m.Delete(w.key)
		delete(w.known, key)
	default: // shorten its life, or end it
		b := w.known[key]
		b.expires = time.Now().UnixMilli() + w.rng.Int64N(3)
		w.known[key] = b
		_, err := w.m.Compute(w.key, func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
			if !loaded {
				return old, smrmap.CancelOp
			}
			w.judge(key, old.Value)
			return smrmap.Item{Expires: b.expires}, smrmap.ExpireOp
		})
		w.checkError(err)
	}
	w.value, _ = w.load(key)
}

// load checks that the map has what this writer, the key's only one, stored.
func (w *blobWriter) load(key uint64) (value []byte, ok bool) {
	b, stored := w.known[key]
	now := time.Now().UnixMilli()
	value, ok = w.m.Load(w.key, w.value[:0])
	switch {
	case !ok:
	case !stored:
		w.faults.add(faultMap, "blob %d is there after it was deleted", key)
	case b.expires != 0 && b.expires < now:
		w.faults.add(faultMap, "blob %d is there %d ms after its time", key, now-b.expires)
	default:
		w.judge(key, value)
	}
	return value, ok
}

func (w *blobWriter) judge(key uint64, value []byte) {
	generation, sound := parseBlob(value, key)
	if !sound || generation != w.known[key].generation {
		w.faults.add(faultMap, "blob %d is of generation %d, not %d, or not whole: %x", key,
			generation, w.known[key].generation, value[:min(len(value), 2*blobHead)])
	}
}

// store stores a value, and evicts others if it needs room.
func (w *blobWriter) store(ctx context.Context, key uint64) {
	w.generation++
	b := blob{generation: w.generation}
	if w.rng.IntN(4) == 0 {
		b.expires = time.Now().UnixMilli() + w.rng.Int64N(50)
	}
	w.value = appendBlob(w.value[:0], key, b.generation, w.rng.IntN(1<<(4+w.rng.IntN(9))))
	item := smrmap.Item{Value: w.value, Expires: b.expires}
	switch err := press(ctx, w.m, w.key, item); {
	case err == nil:
		w.known[key] = b
		w.stored.Add(1)
	case ctx.Err() != nil: // it gave up, and the entry is unchanged
	case errors.Is(err, slab.ErrNoMemory): // here, too
		w.refused.Add(1)
	default:
		w.checkError(err)
	}
}

// refused checks that few stores are refused: a writer evicts what it needs, and is refused only if
// others take that, time after time.
func (f *faults) refused(stored, refused uint64) {
	if refused > 16+stored/64 {
		f.add(faultMap, "%d stores had no memory, whatever was evicted for them, and %d had", refused, stored)
	}
}

func (w *blobWriter) checkError(err error) {
	if err != nil && !errors.Is(err, slab.ErrNoMemory) {
		w.faults.add(faultMap, "a write to the blobs failed: %v", err)
	}
}

type blobReader struct {
	reader
	m          *smrmap.Bytes
	dom        *smr.Domain
	registered *smr.Reader
	faults     *faults

	key, value []byte // scratch
}

// read borrows a value and checks it twice, or copies one.
func (rd *blobReader) read() {
	key := rd.rng.Uint64N(numBlobs)
	rd.key = appendKey(rd.key[:0], key)
	rd.count.others++
	if rd.rng.IntN(4) == 0 {
		value, ok := rd.m.Load(rd.key, rd.value[:0])
		rd.value = value
		if ok {
			rd.judge("Load", key, value)
		}
		return
	}
	s, pinned := enterAny(rd.dom, rd.registered, rd.rng)
	it, ok := rd.m.LoadIn(s, rd.key)
	if ok {
		rd.value = append(rd.value[:0], it.Value...)
		if pinned {
			drawPinnedStay(rd.rng).pass(rd.rng)
		} else {
			drawStay(rd.rng, rd.rng.IntN(1024) == 0).pass(rd.rng)
		}
		if !bytes.Equal(rd.value, it.Value) {
			rd.value = nil // not sound
		}
	}
	s.Leave()
	rd.count.sections++
	if ok {
		rd.judge("LoadIn", key, rd.value)
	}
}

func (rd *blobReader) judge(how string, key uint64, value []byte) {
	if _, sound := parseBlob(value, key); !sound {
		rd.faults.add(faultPayload, "%s of blob %d showed %x, or it changed", how, key, value[:min(len(value), 2*blobHead)])
	}
}

func (rd *blobReader) walk() {
	for key, it := range rd.m.All() {
		rd.count.others++
		var number uint64
		if n, err := fmt.Sscanf(string(key), "blob:%d", &number); n != 1 || err != nil || number >= numBlobs {
			rd.faults.add(faultPayload, "a walk showed the key %q", key)
			continue
		}
		rd.judge("a walk", number, it.Value)
	}
}
