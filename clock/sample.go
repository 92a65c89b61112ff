package clock

import (
	"runtime"
	"time"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// One section in n may record the stack that enters it. An entry compares its generation with
// Clock.exceptions, which it loads anyway, and goes to tryFinish if it is below. So whether samples
// are taken or not, the sections that take none pay nothing. (Those of an Owned record do not load
// exceptions while wr stays where it is; while samples are taken, they do, in TrySlow.)
//
// As 32 bits, the generations of a record's sections are the multiples of 0x9E3779B8, the golden
// section of 2^32. Those of any run of sections are spread evenly (Weyl; Knuth calls it Fibonacci
// hashing), so about one in n of them is below 2^32/n, whatever pattern its program enters them in.
// The trackers of a slot begin at generations in turn, so one in n of their first sections is, too.
//
// Rejected: a counter for each processor, which each entry would store to; a timer, which makes the
// next entry on each processor a slow one, as a scan does to shrink a slot: it samples few sections
// of a busy program, and no Reader's.

// sampling is what Clock.exceptions does not say.
type sampling struct {
	mu    ssync.Mutex // serializes SampleSections
	oneIn int         // guarded by mu

	// below is the bound that exceptions has while no flag is set. Stored under mu; loaded by entries
	// that are exceptions. It orders nothing.
	below satomic.Uint32
}

// SampleSections makes about one section in oneIn record the stack that enters it, from now on: each
// of them if oneIn is 1, none if it is 0 or less. It returns what oneIn was before. The sections of
// Quiescent records are not sampled.
func (c *Clock) SampleSections(oneIn int) (before int) {
	below := uint32(0)
	switch {
	case oneIn <= 0:
		oneIn = 0
	case oneIn == 1:
		below = everyEntry
	default:
		below = uint32(max(genBits+1, (1<<32)/uint64(oneIn)&^genBits))
	}
	sp := &c.sampling
	sp.mu.Lock()
	defer sp.mu.Unlock()
	before, sp.oneIn = sp.oneIn, oneIn
	sp.below.Store(below)
	for {
		was := c.exceptions.Load()
		if was&(fencedFlag|sealedFlag) != 0 {
			return before
		}
		if c.exceptions.CompareAndSwap(was, below) {
			if was == 0 && below != 0 {
				c.tellOwned()
			}
			return before
		}
	}
}

// Sampling returns the oneIn of the last SampleSections.
func (c *Clock) Sampling() (oneIn int) {
	sp := &c.sampling
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.oneIn
}

// maxFrames bounds a sample's stack: a Sample takes 192 bytes, and a record keeps its last one.
const maxFrames = 20

// A Sample is the entry of one section. It is constant.
type Sample struct {
	Entered time.Time

	gen uint64
	pcs [maxFrames]uintptr // ends with a 0 if it is not full
}

// sample records the caller's stack as that which enters the section of generation gen.
//
//go:noinline
func (r *Record) sample(gen uint64) {
	s := &Sample{Entered: time.Now(), gen: gen &^ genBits}
	runtime.Callers(2, s.pcs[:])
	r.sampled.Store(s)
}

// Stack returns the program counters of the stack, for [runtime.CallersFrames]. It begins inside
// this package.
func (s *Sample) Stack() []uintptr {
	for i, pc := range s.pcs {
		if pc == 0 {
			return s.pcs[:i]
		}
	}
	return s.pcs[:]
}

// sampleOf returns the sample of the section of generation gen, or nil if it has none or was left.
func (r *Record) sampleOf(gen uint64) *Sample {
	if s := r.sampled.Load(); s != nil && s.gen == gen && r.gen.Load() == gen {
		return s
	}
	return nil
}
