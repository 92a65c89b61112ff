package stw

import (
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
)

// A parking is where goroutines wait for a condition on atomic words. Whoever
// changes such a word calls wake.
//
// A waiter counts itself in parked and then looks at the condition once more;
// whoever makes it true looks at parked after that. Both are sequentially
// consistent, so at least one of them sees the other.
type parking struct {
	parked atomic.Int32
	mu     sync.Mutex
	cond   sync.Cond
}

// wait returns once done does. It looks spins times, and parks. It does not yield
// in between: who yields queues up behind goroutines that run for a whole time slice
// each, and who is woken goes first.
func (p *parking) wait(spins int, done func() bool) {
	for range spins {
		if done() {
			return
		}
	}
	if done() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cond.L == nil {
		p.cond.L = &p.mu
	}
	p.parked.Add(1)
	for !done() {
		p.cond.Wait()
	}
	p.parked.Add(-1)
}

// wake makes all that wait look again.
func (p *parking) wake() {
	if p.parked.Load() == 0 {
		return
	}
	p.mu.Lock()
	//lint:ignore SA2001 whoever held the lock had looked, and sleeps now
	p.mu.Unlock()
	p.cond.Broadcast()
}

// How long to spin: about as long as it takes a running domain to get to its next
// poll. With two parties the one waited for is likely to be running; with more
// parties than processors it is likely not to be, and spinning keeps it from that.
const (
	spinsForTwo  = 1000
	spinsForMany = 300
)

// yieldWhile lets others run while they have to do so, but not for long. Go does not
// take the processor from a goroutine that runs for the sake of one that is woken;
// so where there are more parties than processors, each that has done its part
// yields to the others, or they wait a time slice for every one of those that went
// on. When all had their turns some times over, whoever is missing is not waiting
// for a processor.
func yieldWhile(oversubscribed bool, waiting func() bool) {
	if !oversubscribed {
		return
	}
	for n := 0; n < 4 && waiting(); n++ {
		sched.Gosched()
	}
}

func spinsFor(parties int) int {
	switch procs := sched.Procs(); {
	case parties > procs:
		return 0
	case parties <= 2:
		return max(sched.Spins(spinsForTwo), 1)
	default:
		return max(sched.Spins(spinsForMany), 1)
	}
}
