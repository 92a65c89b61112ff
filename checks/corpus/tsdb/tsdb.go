// Package tsdb stores time series: the newest points in chunks off the Go heap, older ones in files that
// queries read where they lie.
package tsdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
	"github.com/gosmr/gosmr/smrmap"
)

// chunkPoints is how many points a chunk has.
const chunkPoints = 32

// A Point is a value at a time, in milliseconds.
type Point struct {
	At    int64
	Value float64
}

// A chunk has the newest points of a series. A writer adds points, and then publishes their number.
type chunk struct {
	n      atomic.Int32
	points [chunkPoints]Point
}

func (c *chunk) filled() []Point { return c.points[:c.n.Load()] }

// A head is where a series is written to.
type head struct {
	id    uint32
	mu    sync.Mutex
	chunk smr.Pointer[chunk]
}

// recordLen is the length of a point in a block: series, time, value.
const recordLen = 20

// A DB is a database.
type DB struct {
	dom    *smr.Domain
	files  *smr.Domain // of its own, as closing files takes long
	dir    string
	heads  *smrmap.Map[uint32, *head]
	chunks *slab.Pool[chunk]
	blocks *smrfile.Set[int]

	mu      sync.Mutex
	pending []record // full chunks to be written
	next    int
}

type record struct {
	series uint32
	Point
}

// Open returns an empty database in dir.
func Open(dir string, budget *slab.Budget) (_ *DB, err error) {
	db := &DB{dir: dir}
	defer func() {
		if err == nil {
			return
		}
		if db.heads != nil {
			db.heads.Close(context.Background())
		}
		if db.dom != nil {
			db.dom.Close(context.Background())
		}
	}()
	if db.dom, err = smr.New(smr.Options{Name: "tsdb"}); err != nil {
		return nil, err
	}
	if db.heads, err = smrmap.New[uint32, *head](smrmap.Options{Domain: db.dom}); err != nil {
		return nil, err
	}
	if db.files, err = smr.New(smr.Options{Name: "tsdb files"}); err != nil {
		return nil, err
	}
	db.chunks = slab.New[chunk](db.dom, slab.Options{Name: "chunks", Budget: budget})
	db.blocks = smrfile.NewSet[int](db.files)
	return db, nil
}

// head returns the head of a series. Heads stay.
func (db *DB) head(id uint32) (*head, error) {
	if h, ok := db.heads.Load(id); ok {
		return h, nil
	}
	h, _, err := db.heads.LoadOrStore(id, &head{id: id})
	return h, err
}

// Append adds a point to a series. Points come in the order of time.
func (db *DB) Append(id uint32, p Point) error {
	h, err := db.head(id)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chunk.LoadSerialized()
	if c != nil {
		if n := c.n.Load(); n < chunkPoints {
			c.points[n] = p
			c.n.Store(n + 1)
			return nil
		}
	}
	fresh, err := db.chunk(c)
	if err != nil {
		return err
	}
	fresh.points[0] = p
	fresh.n.Store(1)
	if c != nil {
		// First to where queries look next, then out of where they look first.
		db.mu.Lock()
		for _, q := range c.filled() {
			db.pending = append(db.pending, record{id, q})
		}
		db.mu.Unlock()
	}
	h.chunk.Store(fresh)
	if c != nil {
		db.chunks.Retire(c)
	}
	return nil
}

// chunk returns an empty chunk. The first attempt takes it from this processor's share.
func (db *DB) chunk(before *chunk) (c *chunk, err error) {
	if before != nil {
		l := db.chunks.Pin()
		c = l.Get()
		l.Unpin()
	}
	if c == nil {
		if c, err = db.chunks.Get(); err != nil {
			return nil, err
		}
	}
	c.n.Store(0)
	return c, nil
}

// Flush writes what is pending to a block, and drops the blocks before the last keep.
func (db *DB) Flush(ctx context.Context, keep int) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.pending) == 0 {
		return nil
	}
	slices.SortStableFunc(db.pending, func(a, b record) int { return int(a.series) - int(b.series) })
	var data []byte
	for _, r := range db.pending {
		data = binary.LittleEndian.AppendUint32(data, r.series)
		data = binary.LittleEndian.AppendUint64(data, uint64(r.At))
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(r.Value))
	}
	n := db.next
	path := filepath.Join(db.dir, fmt.Sprintf("block-%d", n))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	f, err := smrfile.Open(db.files, path, smrfile.Options{})
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	drop, err := db.oldest(keep - 1)
	if err != nil {
		return errors.Join(err, f.Remove(ctx))
	}
	add := []smrfile.Entry[int]{{Key: n, File: f}}
	if err := db.blocks.Replace(ctx, add, drop, smrfile.RemoveDropped); err != nil {
		return errors.Join(err, f.Remove(ctx))
	}
	db.next++
	db.pending = db.pending[:0]
	return nil
}

// oldest returns the numbers of all blocks but the last keep.
func (db *DB) oldest(keep int) (drop []int, err error) {
	s, ok := db.files.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	v := db.blocks.Load(s)
	for i := range max(v.Len()-keep, 0) {
		n, _ := v.At(i)
		drop = append(drop, n)
	}
	return drop, nil
}

// points iterates over the points of a series in a block.
func points(data []byte, id uint32) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for ; len(data) >= recordLen; data = data[recordLen:] {
			switch at := binary.LittleEndian.Uint32(data); {
			case at < id:
				continue
			case at > id:
				return
			}
			p := Point{
				int64(binary.LittleEndian.Uint64(data[4:])),
				math.Float64frombits(binary.LittleEndian.Uint64(data[12:])),
			}
			if !yield(p) {
				return
			}
		}
	}
}

// Query calls fn with the points of a series from lo to hi, in no order of blocks. A block that another
// process has cut is an error, not a crash.
func (db *DB) Query(id uint32, lo, hi int64, fn func(Point)) error {
	in := func(p Point) {
		if p.At >= lo && p.At <= hi {
			fn(p)
		}
	}
	seen := int64(math.MinInt64) // the newest point of the blocks
	var newest []Point
	h, ok := db.heads.Load(id)
	if ok {
		s, ok := db.dom.TryEnter()
		if !ok {
			return smr.ErrClosed
		}
		if c := h.chunk.Load(s); c != nil {
			newest = slices.Clone(c.filled())
		}
		s.Leave()
	}
	db.mu.Lock()
	var waiting []Point
	for _, r := range db.pending {
		if r.series == id {
			waiting = append(waiting, r.Point)
		}
	}
	fs, open := db.files.TryEnter() // before a Flush can move what waits
	db.mu.Unlock()
	if !open {
		return smr.ErrClosed
	}
	defer fs.Leave()
	for _, f := range db.blocks.Load(fs).All() {
		err := f.Read(fs, 0, int(f.SizeIn(fs)), func(b []byte) error {
			for p := range points(b, id) {
				seen = max(seen, p.At)
				in(p)
			}
			return nil
		})
		var fault *smrfile.FaultError
		if errors.As(err, &fault) {
			return fmt.Errorf("tsdb: %s is damaged at %d: %w", fault.Path, fault.Off, err)
		}
		if err != nil {
			return err
		}
	}
	for _, list := range [][]Point{waiting, newest} {
		for _, p := range list {
			if p.At <= seen {
				continue
			}
			seen = p.At
			in(p)
		}
	}
	return nil
}

// Last returns the newest point of a series.
func (db *DB) Last(id uint32) (p Point, ok bool) {
	s, open := db.dom.TryEnter()
	if !open {
		return p, false
	}
	defer s.Leave()
	hp, ok := db.heads.LoadIn(s, id)
	if !ok {
		return p, false
	}
	c := (*hp).chunk.Load(s)
	if c == nil {
		return p, false
	}
	filled := c.filled()
	return filled[len(filled)-1], true
}

// Mean returns the mean of a series in a time.
func (db *DB) Mean(id uint32, lo, hi int64) (mean float64, n int, err error) {
	sum := 0.0
	err = db.Query(id, lo, hi, func(p Point) {
		sum += p.Value
		n++
	})
	if err != nil || n == 0 {
		return math.NaN(), 0, err
	}
	return sum / float64(n), n, nil
}

// Blocks returns how many blocks there are.
func (db *DB) Blocks() int {
	s := db.files.Enter()
	defer s.Leave()
	return db.blocks.Load(s).Len()
}

// Close ends the database. There must be no Append any more.
func (db *DB) Close(ctx context.Context) error {
	for _, h := range db.heads.All() {
		h.mu.Lock()
		if c := h.chunk.LoadSerialized(); c != nil {
			h.chunk.Clear()
			db.chunks.Retire(c)
		}
		h.mu.Unlock()
	}
	return errors.Join(
		db.heads.Close(ctx), db.chunks.Close(ctx), db.dom.Close(ctx),
		db.blocks.Close(ctx), db.files.Close(ctx),
	)
}
