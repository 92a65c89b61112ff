//go:build smr_sched

package smrmap

import (
	"bytes"
	"context"
	"hash/maphash"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A reader holds an item and uses it after its section, while the entry is moved, and its old block
// written to as soon as it is free. It is the same until the Release.
func TestSchedules_HoldAgainstCompact(t *testing.T) {
	seed := maphash.MakeSeed() // the same in each execution
	sched.Explore(t, sched.Options{Schedules: 5_000, Unlocks: true}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		m, err := NewBytes(Options{Domain: d})
		if err != nil {
			x.Fail("New: %v", err)
		}
		m.seed = seed
		name := []byte("name")
		value := bytes.Repeat([]byte{1}, 60_000) // a magazine has one such block
		if err := m.Store(name, value); err != nil {
			x.Fail("Store: %v", err)
		}
		blocks := compaction.Of(m.blocks)
		var free [][]byte // but for one, to which the entry moves
		for range 2 {     // the first slab opens as far as it is asked for
			b, err := m.blocks.Get(len(value))
			if err != nil {
				x.Fail("Get: %v", err)
			}
			free = append(free, b)
		}
		for {
			b := blocks.GetFree(len(value))
			if b == nil {
				break
			}
			free = append(free, b)
		}
		giveBack := func() {
			m.blocks.Free(free[0])
			free = free[1:]
		}
		giveBack()
		m.blocks.Trim() // it may be in the cache of another processor
		x.Go("reader", 0, func() {
			s := d.Enter()
			h, ok := m.Hold(s, name)
			s.Leave()
			if !ok {
				x.Fail("the item is not found")
			}
			for range 2 {
				if v := h.Get().Value; v[0] != 1 || v[len(v)-1] != 1 {
					x.Fail("what is held has changed")
				}
				sched.Plain()
			}
			h.Release()
		})
		x.Go("compact", 1, func() {
			e := m.entryOf(name)
			m.vacate(e.block(), func(*header) bool { return true })
			if m.entryOf(name) == e {
				x.Fail("the entry stays where it was")
			}
			m.blocks.Trim()
			if b := blocks.GetFree(len(value)); b != nil {
				clear(b[:cap(b)])
				free = append(free, b)
			}
		})
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			for len(free) > 0 {
				giveBack()
			}
			if err := m.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
			if err := d.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
		}
	})
}
