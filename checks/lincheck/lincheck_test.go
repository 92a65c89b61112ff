package lincheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type kind int

const (
	load kind = iota
	loadIn
	loadAll // with all other keys
	hold
	store
	storeAll
	loadOrStore
	loadAndDelete
	add  // Compute: one more than before, or the given value
	drop // Compute: delete
	cancel
	kinds
)

// An input is an operation on one key; an output is the value it answered with, 0 for
// none. Values are never 0.
type input struct {
	kind  kind
	key   int
	value uint64
}

// model is one key of a map: its state is the value, 0 for none.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[int][]porcupine.Operation)
		for _, op := range history {
			k := op.Input.(input).key
			byKey[k] = append(byKey[k], op)
		}
		var parts [][]porcupine.Operation
		for _, p := range byKey {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, in, out any) (bool, any) {
		v, i, o := state.(uint64), in.(input), out.(uint64)
		switch i.kind {
		case load, loadIn, loadAll, hold, cancel:
			return o == v, v
		case store, storeAll:
			return true, i.value
		case loadOrStore:
			if v != 0 {
				return o == v, v
			}
			return o == i.value, i.value
		case loadAndDelete, drop:
			return o == v, uint64(0)
		default: // add
			next := v + 1
			if v == 0 {
				next = i.value
			}
			return o == next, next
		}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %v", in, out) },
}

// A subject is a map, as a function that executes an operation; others are keys that are
// stored and deleted to make it grow and shrink.
type subject struct {
	do    func(smr.Section, input) uint64
	shelf *shelf
	other func(i int, keep bool)
	stats func() smrmap.Stats
	close func(context.Context) error

	crowded   bool              // the table stays as it is
	churn     func(i int) error // what goes on beside; nil: others come and go
	compact   func(context.Context) (int64, error)
	compacted *atomic.Int64 // bytes; nil: entries do not move
}

// A shelf has the last few values that were held, and checks that each is the same when it is released.
type shelf struct {
	mu    sync.Mutex
	holds [8]holding
	next  int
}

type holding struct {
	value   uint64
	read    func() uint64
	release func()
}

// keep returns what read does, or no value at all if what is released instead had changed.
func (sh *shelf) keep(read func() uint64, release func()) uint64 {
	value := read()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := &sh.holds[sh.next%len(sh.holds)]
	sh.next++
	was := *old
	*old = holding{value, read, release}
	if !was.end() {
		return ^uint64(0)
	}
	return value
}

func (h holding) end() (same bool) {
	if h.read == nil {
		return true
	}
	defer h.release()
	return h.read() == h.value
}

func (sh *shelf) clear() error {
	for i, h := range sh.holds {
		if sh.holds[i] = (holding{}); !h.end() {
			return errors.New("what was held has changed")
		}
	}
	return nil
}

func newMap(t *testing.T, d *smr.Domain) subject {
	m, err := smrmap.New[uint64, [4]uint64](smrmap.Options{Domain: d})
	require.NoError(t, err)
	spread := func(v uint64) [4]uint64 { return [4]uint64{v, v, v, v} }
	one := func(v [4]uint64) uint64 {
		if v != spread(v[0]) {
			return ^uint64(0) // torn: nobody ever stored it
		}
		return v[0]
	}
	sh := new(shelf)
	return subject{
		shelf: sh,
		do: func(s smr.Section, in input) (out uint64) {
			k := uint64(in.key)
			switch in.kind {
			case load:
				v, _ := m.Load(k)
				return one(v)
			case loadAll:
				var values [7][4]uint64
				m.LoadAll([]uint64{0, 1, 2, k, 3, 4, 1000}, values[:], make([]bool, 7))
				return one(values[3])
			case storeAll:
				if n, _ := m.StoreAll([]uint64{k}, [][4]uint64{spread(in.value)}); n != 1 {
					return ^uint64(0)
				}
				return 0
			case loadIn:
				if v, ok := m.LoadIn(s, k); ok {
					return one(*v)
				}
				return 0
			case hold:
				if h, ok := m.Hold(s, k); ok {
					return sh.keep(func() uint64 { return one(*h.Get()) }, h.Release)
				}
				return 0
			case store:
				if m.Store(k, spread(in.value)) != nil {
					return ^uint64(0)
				}
				return 0
			case loadOrStore:
				v, _, _ := m.LoadOrStore(k, spread(in.value))
				return one(v)
			case loadAndDelete:
				v, _ := m.LoadAndDelete(k)
				return one(v)
			}
			m.Compute(k, func(old [4]uint64, loaded bool) ([4]uint64, smrmap.Op) {
				switch out = one(old); in.kind {
				case drop:
					return old, smrmap.DeleteOp
				case cancel:
					return old, smrmap.CancelOp
				}
				if out++; !loaded {
					out = in.value
				}
				return spread(out), smrmap.UpdateOp
			})
			return out
		},
		other: func(i int, keep bool) {
			if keep {
				m.Store(uint64(i), spread(1))
			} else {
				m.Delete(uint64(i))
			}
		},
		stats: m.Stats,
		close: m.Close,
	}
}

// newOnHeap is a map whose entries are on the Go heap.
func newOnHeap(t *testing.T, d *smr.Domain) subject {
	return newOnHeapOf(t, smrmap.Options{Domain: d})
}

// newCrowded is a map whose table can't grow, so that buckets are chained and go again.
func newCrowded(t *testing.T, d *smr.Domain) subject {
	const table, larger, others = 512, 1024, 60
	s := newOnHeapOf(t, smrmap.Options{Domain: d, Budget: slab.NewBudget(table + larger - 1)})
	s.crowded = true
	s.churn = func(i int) error {
		s.other(1000+i*7%others, i/others%2 == 0)
		return nil
	}
	return s
}

func newOnHeapOf(t *testing.T, o smrmap.Options) subject {
	m, err := smrmap.New[string, *uint64](o)
	require.NoError(t, err)
	deref := func(p *uint64) uint64 {
		if p == nil {
			return 0
		}
		return *p
	}
	sh := new(shelf)
	return subject{
		shelf: sh,
		do: func(s smr.Section, in input) (out uint64) {
			k, value := strconv.Itoa(in.key), in.value
			switch in.kind {
			case load:
				v, _ := m.Load(k)
				return deref(v)
			case loadAll:
				var values [7]*uint64
				m.LoadAll([]string{"0", "1", "2", k, "3", "4", "none"}, values[:], make([]bool, 7))
				return deref(values[3])
			case storeAll:
				m.StoreAll([]string{k}, []*uint64{&value})
				return 0
			case loadIn:
				if v, ok := m.LoadIn(s, k); ok {
					return deref(*v)
				}
				return 0
			case hold:
				if h, ok := m.Hold(s, k); ok {
					return sh.keep(func() uint64 { return deref(*h.Get()) }, h.Release)
				}
				return 0
			case store:
				m.Store(k, &value)
				return 0
			case loadOrStore:
				v, _, _ := m.LoadOrStore(k, &value)
				return deref(v)
			case loadAndDelete:
				v, _ := m.LoadAndDelete(k)
				return deref(v)
			}
			m.Compute(k, func(old *uint64, loaded bool) (*uint64, smrmap.Op) {
				switch out = deref(old); in.kind {
				case drop:
					return nil, smrmap.DeleteOp
				case cancel:
					return nil, smrmap.CancelOp
				}
				if out++; !loaded {
					out = in.value
				}
				next := out
				return &next, smrmap.UpdateOp
			})
			return out
		},
		other: func(i int, keep bool) {
			if keep {
				m.Store(strconv.Itoa(i), nil)
			} else {
				m.Delete(strconv.Itoa(i))
			}
		},
		stats: m.Stats,
		close: m.Close,
	}
}

func newBytes(t *testing.T, d *smr.Domain) subject { return newBytesOf(t, d, 100) }

// newLarge is a map with values of up to 40 KB, many of which are made without a lock.
func newLarge(t *testing.T, d *smr.Domain) subject { return newBytesOf(t, d, 40_000) }

// newMoving is a map whose entries are moved all the time. They are of one size class, and
// in several slabs with room in each: elsewhere they would be evicted.
func newMoving(t *testing.T, d *smr.Domain) subject {
	const others = 2000
	s := newBytesOf(t, d, 12)
	s.compacted = new(atomic.Int64)
	for i := range 2 * others {
		s.other(1000+i, true)
	}
	for i := range others - 1 { // so that the first turn compacts, however few there are
		s.other(1000+2*i, false)
	}
	s.churn = func(i int) error {
		i += others - 1
		keep := i/others%2 == 1
		s.other(1000+2*(i%others), keep)
		if i%others == others-1 && !keep {
			n, err := s.compact(t.Context())
			s.compacted.Add(n)
			return err
		}
		return nil
	}
	return s
}

func newBytesOf(t *testing.T, d *smr.Domain, lengths uint64) subject {
	m, err := smrmap.NewBytes(smrmap.Options{Domain: d})
	require.NoError(t, err)
	key := func(k int) []byte { return []byte(strconv.Itoa(k)) }
	// Lengths differ, so that blocks change their size class.
	encode := func(v uint64) []byte {
		b := make([]byte, 8+v%lengths)
		for i := range b {
			b[i] = byte(v)
		}
		binary.LittleEndian.PutUint64(b, v)
		return b
	}
	decode := func(b []byte) uint64 {
		if len(b) == 0 {
			return 0
		}
		v := binary.LittleEndian.Uint64(b)
		if len(b) != int(8+v%lengths) {
			return ^uint64(0)
		}
		for _, x := range b[8:] {
			if x != byte(v) {
				return ^uint64(0)
			}
		}
		return v
	}
	sh := new(shelf)
	return subject{
		shelf: sh,
		do: func(s smr.Section, in input) (out uint64) {
			k := key(in.key)
			switch in.kind {
			case load:
				b, _ := m.Load(k, nil)
				return decode(b)
			case loadAll:
				var items [7]smrmap.Item
				m.LoadAllIn(s, [][]byte{key(0), key(1), key(2), k, key(3), key(4), key(1000)}, items[:], make([]bool, 7))
				return decode(items[3].Value)
			case storeAll:
				m.StoreAll([][]byte{k}, [][]byte{encode(in.value)})
				return 0
			case loadIn:
				it, _ := m.LoadIn(s, k)
				return decode(it.Value)
			case hold:
				if h, ok := m.Hold(s, k); ok {
					return sh.keep(func() uint64 { return decode(h.Get().Value) }, h.Release)
				}
				return 0
			case store:
				m.Store(k, encode(in.value))
				return 0
			case loadOrStore:
				b, _, _ := m.LoadOrStore(k, smrmap.Item{Value: encode(in.value)}, nil)
				return decode(b)
			case loadAndDelete:
				b, _ := m.LoadAndDelete(k, nil)
				return decode(b)
			}
			m.Compute(k, func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
				switch out = decode(old.Value); in.kind {
				case drop:
					return old, smrmap.DeleteOp
				case cancel:
					return old, smrmap.CancelOp
				}
				if out++; !loaded {
					out = in.value
				}
				return smrmap.Item{Value: encode(out)}, smrmap.UpdateOp
			})
			return out
		},
		other: func(i int, keep bool) {
			if keep {
				m.Store(key(i), encode(1))
			} else {
				m.Delete(key(i))
			}
		},
		compact: func(ctx context.Context) (int64, error) { return m.CompactFor(ctx, 0) },
		stats:   m.Stats,
		close:   m.Close,
	}
}

func TestMaps_Linearizable(t *testing.T) {
	for name, make := range map[string]func(*testing.T, *smr.Domain) subject{
		"Map off the Go heap": newMap, "Map on the Go heap": newOnHeap,
		"Map with chains": newCrowded, "Bytes": newBytes, "Bytes that move": newMoving,
		"Bytes of large values": newLarge,
	} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
			histories := 200
			if testing.Short() {
				histories = 20
			}
			resizes, evicting, compacted, moves, crowded := uint64(0), 0, int64(0), false, false
			for seed := range uint64(histories) {
				d, err := smr.New(smr.Options{})
				require.NoError(t, err)
				s := make(t, d)
				history, err := record(d, s, seed)
				require.NoError(t, err)
				resizes += s.stats().Resizes
				crowded = s.crowded
				if moves = s.compacted != nil; moves {
					compacted += s.compacted.Load()
				}
				evicted := s.stats().Evicted > 0
				require.NoError(t, s.close(t.Context()))
				require.NoError(t, d.Close(t.Context()))
				if evicted { // by CompactFor; the model knows nothing of that
					evicting++
					continue
				}
				result, info := porcupine.CheckOperationsVerbose(model, history, 20*time.Second)
				if result == porcupine.Illegal {
					out, err := os.CreateTemp("", "history-*.html") // stays
					require.NoError(t, err)
					require.NoError(t, porcupine.Visualize(model, info, out))
					t.Fatalf("history %d is not linearizable: see %s", seed, out.Name())
				}
				require.Equal(t, porcupine.Ok, result, "history %d: too long to check", seed)
			}
			require.Less(t, evicting, histories/2)
			require.Equal(t, moves, compacted > 0)
			require.Equal(t, crowded, resizes == 0, "the maps grew %d times", resizes)
		})
	}
}

// record has goroutines operate on few keys at random, while another makes the map grow
// and shrink, and returns what they saw.
func record(d *smr.Domain, s subject, seed uint64) (all []porcupine.Operation, err error) {
	const goroutines, ops, keys = 4, 400, 5
	var clock, values atomic.Int64
	var wg, resizer sync.WaitGroup
	var stop atomic.Bool
	churn := s.churn
	if churn == nil {
		churn = func(i int) error {
			s.other(keys+i%500, i/500%2 == 0)
			return nil
		}
	}
	resizer.Go(func() {
		for i := 0; err == nil && (i == 0 || !stop.Load()); i++ {
			err = churn(i)
			if i%50 == 0 {
				runtime.Gosched()
			}
		}
	})
	histories := make([][]porcupine.Operation, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(g)))
			for range ops {
				in := input{kind(rnd.IntN(int(kinds))), rnd.IntN(keys), uint64(values.Add(1000))}
				sec := d.Enter()
				call := clock.Add(1)
				out := s.do(sec, in)
				ret := clock.Add(1)
				sec.Leave()
				histories[g] = append(histories[g], porcupine.Operation{ClientId: g, Input: in, Call: call, Output: out, Return: ret})
				if rnd.IntN(20) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	resizer.Wait()
	err = errors.Join(err, s.shelf.clear())
	for _, h := range histories {
		all = append(all, h...)
	}
	return all, err
}

// The model refutes what is not linearizable.
func TestModel_RefutesStaleRead(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 0, Input: input{store, 1, 7}, Call: 1, Output: uint64(0), Return: 2},
		{ClientId: 1, Input: input{load, 1, 0}, Call: 3, Output: uint64(0), Return: 4},
	}
	require.False(t, porcupine.CheckOperations(model, history))
	history[1].Output = uint64(7)
	require.True(t, porcupine.CheckOperations(model, history))
}
