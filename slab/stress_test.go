package slab

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// Everything at once, with readers that check that what they found in a section is
// not handed out under them; Close at the end is exact.
func TestPool_Stress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	type node struct {
		holder atomic.Uint32
		gen    atomic.Uint64 // set anew by each holder
		_      [14]uint64
	}
	for round := range rounds(20) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		b := NewBudget(int64(2+round%8) << 20)
		p := New[node](d, Options{KeepContents: true, Budget: b})
		other := NewBlocks(d, Options{Budget: b})
		var slots [64]atomic.Pointer[node]
		var gen atomic.Uint64
		var bad atomic.Int64
		var stop atomic.Bool
		var readers, writers sync.WaitGroup
		for r := range 3 {
			readers.Go(func() {
				for i := 0; !stop.Load(); i++ {
					var s smr.Section
					pinned := i%8 == 0
					if pinned {
						s = d.Pin()
					} else {
						s = d.Enter()
					}
					n := slots[(i*7+r)%64].Load()
					if n != nil {
						g := n.gen.Load()
						if !pinned {
							for range i % 5 {
								runtime.Gosched()
							}
						}
						if n.gen.Load() != g {
							bad.Add(1)
						}
					}
					s.Leave()
				}
			})
		}
		for w := range 4 {
			writers.Go(func() {
				defer func() {
					if e := recover(); e != nil {
						t.Error(e)
						bad.Add(1)
					}
				}()
				for i := range 30_000 {
					var n *node
					if i%3 == 0 {
						l := p.Pin()
						n = l.Get()
						l.Unpin()
					}
					if n == nil {
						var err error
						if n, err = p.Get(); err != nil {
							runtime.Gosched()
							continue
						}
					}
					if !n.holder.CompareAndSwap(0, 1) {
						bad.Add(1)
					}
					n.gen.Store(gen.Add(1))
					n.holder.Store(2)
					if !n.holder.CompareAndSwap(2, 1) {
						bad.Add(1)
					}
					if i%5 == 0 {
						n.holder.Store(0)
						p.Free(n)
						continue
					}
					old := slots[(i*13+w)%64].Swap(n)
					if old == nil {
						continue
					}
					if !old.holder.CompareAndSwap(1, 0) {
						bad.Add(1)
					}
					switch i % 4 {
					case 0:
						l := p.Pin()
						ok := l.Retire(old)
						l.Unpin()
						if !ok {
							p.Retire(old)
						}
					case 1:
						smr.Call(d, old, 100, func(n *node) {
							p.Free(n)
							if m, err := p.Get(); err == nil {
								p.Retire(m)
							}
						})
					default:
						p.Retire(old)
					}
					if i%1000 == w {
						p.Trim()
						p.Stats()
					}
					if i%512 == 0 {
						if bl, err := other.Get(1 << (i / 512 % 18)); err == nil {
							other.Retire(bl)
						}
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { writers.Wait(); close(done) }()
		for i := 0; ; i++ {
			select {
			case <-done:
			case <-time.After(2 * time.Millisecond):
				runtime.GOMAXPROCS(1 + i%4)
				if st := p.Stats(); st.InUse < 0 || st.Pending < 0 {
					t.Errorf("%+v", st)
				}
				continue
			}
			break
		}
		stop.Store(true)
		readers.Wait()
		require.Zero(t, bad.Load())
		for i := range slots {
			if n := slots[i].Load(); n != nil {
				p.Free(n)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		for range 2 {
			require.NoError(t, d.Barrier(ctx))
		}
		require.NoError(t, p.Close(ctx))
		require.NoError(t, other.Close(ctx))
		require.NoError(t, d.Close(ctx)) // what #1 leaves
		st := p.Stats()
		require.Zero(t, st.ReservedBytes)
		require.Zero(t, st.InUse)
		require.Zero(t, st.Pending)
		require.EqualValues(t, 0, b.Used())
		cancel()
	}
}
