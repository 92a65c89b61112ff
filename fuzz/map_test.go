package fuzz

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A byteReader reads a program: past its end all is 0.
type byteReader []byte

func (r *byteReader) next() int {
	if len(*r) == 0 {
		return 0
	}
	b := (*r)[0]
	*r = (*r)[1:]
	return int(b)
}

// Programs of all operations on both maps, and holds of their entries, with few keys and many, under budgets from none to
// almost nothing, while time passes, give what a Go map would; and at the end all memory is
// returned.
//
// Its corpus alone catches the bugs held-and-reused and held-value-not-entry (see package mutant).
func FuzzMap(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 2, 3, 1, 4, 5, 6, 3, 1, 7, 9})
	// What is held is replaced so often that its memory would be another's.
	f.Add([]byte("\x00\x00\x00" + "\x00\x01" + "\x07\x01" + "\x00\x01" + strings.Repeat("\x04\x01\xff", 30) + "\x08\x00\x00"))
	f.Add([]byte("\x00\x01\x00" + "\x0b\x01\xff" + "\x08\x01\x00" + strings.Repeat("\x0b\x01\xff", 1000) + "\x09\x01\x00\x00"))
	f.Add([]byte(strings.Repeat("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", 20)))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4000 {
			t.Skip("a longer program shows nothing more")
		}
		d, err := smr.New(smr.Options{Name: "FuzzMap"})
		require.NoError(t, err)
		defer d.Close(context.Background())
		r := byteReader(program)
		budget := slab.NewBudget(int64([]int{0, 0, 1 << 20, 300 << 10}[r.next()%4]))
		if r.next()%2 == 0 {
			runMap(t, d, budget, r)
		} else {
			runBytes(t, d, budget, r)
		}
		require.Zero(t, budget.Used())
	})
}

func runMap(t *testing.T, d *smr.Domain, budget *slab.Budget, r byteReader) {
	m, err := smrmap.New[uint32, [3]uint64](smrmap.Options{Domain: d, Budget: budget})
	require.NoError(t, err)
	want := make(map[uint32][3]uint64)
	type hold struct {
		smr.Held[[3]uint64]
		want [3]uint64
	}
	var holds []hold
	keys := 1 << (1 + r.next()%8)
	stored := func(k uint32, v [3]uint64, err error) {
		if err != nil {
			require.ErrorIs(t, err, slab.ErrNoMemory)
			require.NotZero(t, budget.Limit())
			return
		}
		want[k] = v
	}
	for i := uint64(1); len(r) > 0; i++ {
		op := r.next()
		k := uint32(r.next()%keys) * 0x01010101
		old, had := want[k]
		v := [3]uint64{i, uint64(k), i}
		switch op % 10 {
		case 0:
			stored(k, v, m.Store(k, v))
		case 1:
			got, loaded := m.LoadAndDelete(k)
			require.Equal(t, had, loaded)
			require.Equal(t, old, got)
			delete(want, k)
		case 2:
			got, loaded, err := m.LoadOrStore(k, v)
			require.Equal(t, had, loaded)
			if had {
				require.NoError(t, err)
				require.Equal(t, old, got)
			} else {
				stored(k, v, err)
			}
		case 3:
			op := smrmap.Op(op / 9 % 3)
			got, ok, err := m.Compute(k, func(o [3]uint64, loaded bool) ([3]uint64, smrmap.Op) {
				require.Equal(t, had, loaded)
				require.Equal(t, old, o)
				return v, op
			})
			switch op {
			case smrmap.UpdateOp:
				stored(k, v, err)
			case smrmap.DeleteOp:
				delete(want, k)
			}
			now, has := want[k]
			require.Equal(t, has, ok)
			require.Equal(t, now, got)
		case 4: // many at once, so that the table grows
			for j := range uint32(r.next() * 4) {
				k := k + j + 1<<31
				stored(k, v, m.Store(k, v))
			}
		case 5: // and shrinks
			for k := range want {
				if k&7 != 0 {
					require.True(t, m.Delete(k))
					delete(want, k)
				}
			}
		case 6:
			if op > 250 {
				m.Clear()
				clear(want)
			}
		case 7: // what is held stays as it is, whatever is done to its key
			d.Read(func(s smr.Section) {
				h, ok := m.Hold(s, k)
				require.Equal(t, had, ok)
				if ok {
					holds = append(holds, hold{h, old})
				}
			})
		case 8:
			if len(holds) > 0 {
				i := r.next() % len(holds)
				require.Equal(t, holds[i].want, *holds[i].Get())
				holds[i].Release()
				holds = slices.Delete(holds, i, i+1)
			}
		default:
			got, ok := m.Load(k)
			require.Equal(t, had, ok)
			require.Equal(t, old, got)
		}
		require.Equal(t, len(want), m.Len())
	}
	n := 0
	for k, v := range m.All() {
		require.Equal(t, want[k], v)
		n++
	}
	require.Equal(t, len(want), n)
	for _, h := range holds {
		require.Equal(t, h.want, *h.Get())
		h.Release()
	}
	require.NoError(t, m.Close(context.Background()))
}

func runBytes(t *testing.T, d *smr.Domain, budget *slab.Budget, r byteReader) {
	now := int64(1000)
	m, err := smrmap.NewBytes(smrmap.Options{Domain: d, Budget: budget, Now: func() time.Time { return time.UnixMilli(now) }})
	require.NoError(t, err)
	type item struct {
		value   string
		expires int64
	}
	want := make(map[string]item)
	type hold struct {
		smrmap.HeldItem
		want item
	}
	var holds []hold
	same := func(h hold) {
		got := h.Get()
		require.Equal(t, h.want, item{string(got.Value), got.Expires})
	}
	keys := 1 << (1 + r.next()%8)
	for len(r) > 0 {
		op := r.next()
		k := strings.Repeat("k", op/16) + fmt.Sprint(r.next()%keys)
		old, had := want[k]
		if had && old.expires != 0 && old.expires <= now {
			old, had = item{}, false
		}
		it := smrmap.Item{Value: []byte(strings.Repeat(string(rune(op)), r.next()<<(op%7)))}
		if op%5 == 0 {
			it.Expires = now + int64(r.next()) - 20
		}
		stored := func(err error) {
			if err != nil {
				require.ErrorIs(t, err, slab.ErrNoMemory)
				require.NotZero(t, budget.Limit())
				return
			}
			want[k] = item{string(it.Value), it.Expires}
		}
		switch op % 11 {
		case 0:
			stored(m.StoreItem([]byte(k), it))
		case 1:
			got, loaded := m.LoadAndDelete([]byte(k), nil)
			require.Equal(t, had, loaded)
			require.Equal(t, old.value, string(got))
			delete(want, k)
		case 2:
			got, loaded, err := m.LoadOrStore([]byte(k), it, nil)
			require.Equal(t, had, loaded)
			if had {
				require.NoError(t, err)
				require.Equal(t, old.value, string(got))
			} else {
				stored(err)
			}
		case 3, 4:
			op := smrmap.Op(op / 9 % 4)
			_, err := m.Compute([]byte(k), func(o smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
				require.Equal(t, had, loaded)
				require.Equal(t, old, item{string(o.Value), o.Expires})
				return it, op
			})
			switch {
			case op == smrmap.UpdateOp:
				stored(err)
			case op == smrmap.DeleteOp:
				delete(want, k)
			case op == smrmap.ExpireOp && had:
				want[k] = item{old.value, it.Expires}
			}
		case 5:
			now += int64(r.next())
		case 6:
			m.Sweep(0, 1<<30)
		case 7:
			if m.EvictBytes(op) > 0 {
				for k := range want {
					if _, ok := m.Load([]byte(k), nil); !ok {
						delete(want, k)
					}
				}
			}
		case 8: // what is held stays as it is, also while entries are moved
			d.Read(func(s smr.Section) {
				h, ok := m.Hold(s, []byte(k))
				require.Equal(t, had, ok)
				if ok {
					holds = append(holds, hold{h, old})
				}
			})
		case 9:
			if len(holds) > 0 {
				i := r.next() % len(holds)
				same(holds[i])
				holds[i].Release()
				holds = slices.Delete(holds, i, i+1)
			}
		default:
			got, ok := m.Load([]byte(k), nil)
			require.Equal(t, had, ok)
			require.Equal(t, old.value, string(got))
		}
	}
	seen := make(map[string]bool)
	for cursor := uint64(0); ; {
		cursor = m.Scan(cursor, 3, func(k []byte, it smrmap.Item) {
			require.False(t, seen[string(k)])
			seen[string(k)] = true
			require.Equal(t, want[string(k)], item{string(it.Value), it.Expires})
		})
		if cursor == 0 {
			break
		}
	}
	for k, it := range want {
		require.Equal(t, it.expires == 0 || it.expires > now, seen[k])
	}
	for _, h := range holds {
		same(h)
		h.Release()
	}
	require.NoError(t, m.Close(context.Background()))
}
