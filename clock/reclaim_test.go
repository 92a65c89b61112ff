package clock

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/relacq"
)

// The property that all else is for: what a reader loaded in its section is not
// reclaimed before it leaves. A writer replaces an object, takes a goal, polls
// until that is reached, and poisons the old object with a plain store; readers
// read with plain loads. A premature reclamation is seen as poison, and by the
// race detector as a race.

const poison = 0xdead

type object struct {
	word uint64
	_    [7]uint64
}

type reclaimConfig struct {
	sections func(c *Clock) (enter func() (leave func()))
}

func TestReclaim_Membarrier(t *testing.T) {
	reclaim(t, newClock(Options{}), reclaimConfig{})
}

func TestReclaim_Fenced(t *testing.T) {
	reclaim(t, newClock(Options{Fenced: true}), reclaimConfig{})
}

func TestReclaim_Wrapping(t *testing.T) {
	reclaim(t, newClock(Options{Start: belowWrap(100)}), reclaimConfig{})
}

func TestReclaim_Kinds(t *testing.T) {
	for name, sections := range map[string]func(c *Clock) func() func(){
		"Pin": func(c *Clock) func() func() {
			return func() func() { r, g := c.Pin(); return func() { r.Leave(g) } }
		},
		"Owned": func(c *Clock) func() func() {
			rec := c.NewOwned()
			return func() func() { r, g := rec.Enter(); return func() { r.Leave(g) } }
		},
		"Quiescent": func(c *Clock) func() func() {
			rec := c.NewQuiescent(nil)
			rec.Online()
			return func() func() { return rec.Quiesce }
		},
		"Nested": func(c *Clock) func() func() {
			return func() func() {
				r1, g1 := c.Enter()
				r2, g2 := c.Enter()
				r1.Leave(g1)
				return func() { r2.Leave(g2) }
			}
		},
		"Bursts": func(c *Clock) func() func() {
			return func() func() {
				r, g := c.Enter()
				leaveSome(enterMany(c, 50), func(int) bool { return true })
				for _, sl := range c.slots.All() {
					c.giveBack(sl)
				}
				return func() { r.Leave(g) }
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			reclaim(t, newClock(Options{}), reclaimConfig{sections: sections})
		})
	}
}

// reclaim runs readers against a writer.
func reclaim(t *testing.T, c *Clock, cfg reclaimConfig) {
	t.Helper()
	length := time.Second
	if testing.Short() || !relacq.Plain {
		length = 200 * time.Millisecond
	}
	if cfg.sections == nil {
		cfg.sections = func(c *Clock) func() func() {
			return func() func() { r, g := c.Enter(); return func() { r.Leave(g) } }
		}
	}
	var cell relacq.Pointer[object]
	cell.Store(&object{word: 1})
	var stop, early atomic.Bool
	var wg sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		wg.Go(func() {
			enter := cfg.sections(c)
			for i := 0; !stop.Load(); i++ {
				leave := enter()
				o := cell.Load()
				for range 200 + i%8192 {
					if o.word == poison {
						early.Store(true)
					}
				}
				leave()
				if i%1024 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	free := []*object{}
	rounds := 0
	for end := time.Now().Add(length); rounds%256 != 0 || time.Now().Before(end); rounds++ {
		i := rounds
		var next *object
		if n := len(free); n > 0 {
			k := rand.IntN(n)
			next, free[k], free = free[k], free[n-1], free[:n-1]
			next.word = 1
		} else {
			next = &object{word: 1}
		}
		for range i % 128 { // let the reader get hold of the cell again
		}
		old := cell.Load()
		cell.Store(next)
		var goal Seq
		if i%2 == 0 {
			goal = c.Advance()
		} else {
			goal = c.DeferredAdvance()
			c.Commit(goal)
		}
		for !c.Poll(goal) {
			runtime.Gosched()
		}
		old.word = poison
		free = append(free, old)
		if early.Load() {
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d objects reclaimed", rounds)
	require.False(t, early.Load(), "a reader saw an object reclaimed in its section")
}
