package fuzz

import (
	"context"
	"errors"
	"slices"
	"testing/synctest"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// pending returns how many calls have not run, and their sizes. (The sizes of the last step's calls
// count only if calledNow is true.)
func (p *domainProgram) pending(calledNow bool) (n, bytes int64) {
	for _, c := range p.calls {
		if c.ran == 0 && (calledNow || c.noted) {
			n++
			bytes += int64(c.size)
		}
	}
	return n, bytes
}

// check compares the domain with what must hold when no goroutine runs.
func (p *domainProgram) check() {
	synctest.Wait()
	for _, w := range p.waiters {
		p.checkWaiter(w)
	}
	for _, c := range p.calls {
		p.checkCall(c)
	}
	if p.reported != p.panicked {
		p.fail("%d callbacks have panicked, %d are reported", p.panicked, p.reported)
	}
	n, bytes := p.pending(true)
	holds, st := p.checkHolds(), p.d.Stats()
	if st.Holds != holds {
		p.fail("there are %d holds; Stats says %d", holds, st.Holds)
	}
	if int(st.Calls) != len(p.calls) || st.PendingCalls != n || st.PendingBytes != bytes || st.Sections != len(p.open()) {
		p.fail("there are %d calls, %d pending of %d bytes, %d sections; Stats says %+v", len(p.calls), n, bytes, len(p.open()), st)
	}
}

// checkCall checks that a callback has run if it must have, and not if it must not.
func (p *domainProgram) checkCall(c *call) {
	if !c.noted {
		// It was made in this step. Readers that were reading before, and still are, may hold it.
		c.noted = true
		for _, r := range p.readings {
			if r.open && r.step < p.step {
				c.holders = append(c.holders, r)
			}
		}
	}
	isOpen := func(r *reading) bool { return r.open }
	held := slices.ContainsFunc(c.holders, isOpen)
	switch {
	case c.ran > 1:
		p.fail("a callback ran %d times", c.ran)
	case c.ran == 1 && held:
		p.fail("a callback ran while a section was open from before its Call")
	case c.ran == 1 && c.holds > 0:
		p.fail("a callback ran while its object was held")
	case c.ran == 1:
		c.holders = nil // it is not asked again
	case c.holds > 0:
	case c.flushed && !slices.ContainsFunc(c.before, isOpen):
		p.fail("a callback has not run, though it was flushed and no section is open from before that")
	case p.isLate(c):
		p.fail("a callback has not run in %v", maxDelay)
	}
}

// isLate reports whether a callback must have run by now. The next check-in takes the goal for all
// calls so far, so sections entered before it hold them back.
func (p *domainProgram) isLate(c *call) bool {
	free := c.made
	if c.let.After(free) {
		free = c.let
	}
	for _, r := range p.readings {
		if r.opened.After(c.made.Add(maxDelay / 2)) {
			continue
		}
		if r.open {
			return false
		}
		if r.ended.After(free) {
			free = r.ended
		}
	}
	return time.Since(free) > maxDelay
}

// checkWaiter checks that a wait is over if it must be, and not if it must not be.
func (p *domainProgram) checkWaiter(w *domainWaiter) {
	if w.over {
		return
	}
	may, must := p.mayEnd(w)
	var err error
	select {
	case err = <-w.result:
		w.over = true
		w.cancel()
	default:
		if must || w.want != nil || w.ended {
			p.fail("wait %d has not ended, want error %v", w.what, w.want)
		}
		return
	}
	switch {
	case w.want != nil:
		if !errors.Is(err, w.want) {
			p.fail("wait %d ended with %v, want %v", w.what, err, w.want)
		}
	case err == nil:
		if !may {
			p.fail("wait %d ended too early", w.what)
		}
	case errors.Is(err, context.Canceled):
		if !w.ended || must && w.what <= waitSynchronize {
			p.fail("wait %d ended with %v", w.what, err)
		}
	case err == smr.ErrClosed && w.what == waitThrottle && p.closed:
	default:
		p.fail("wait %d ended with %v", w.what, err)
	}
}

// mayEnd reports whether a wait may have ended successfully, and whether it must have.
func (p *domainProgram) mayEnd(w *domainWaiter) (may, must bool) {
	isOpen := func(r *reading) bool { return r.open }
	open := slices.ContainsFunc(p.readings, isOpen)
	switch w.what {
	case waitBarrier:
		pending := slices.ContainsFunc(w.calls, func(c *call) bool { return c.ran == 0 })
		held := slices.ContainsFunc(w.calls, func(c *call) bool { return c.holds > 0 })
		return !pending, !held && !slices.ContainsFunc(w.before, isOpen)
	case waitThrottle:
		_, atLeast := p.pending(false)
		_, bytes := p.pending(true)
		return p.limit < 0 || atLeast < p.limit, p.limit < 0 || bytes < p.limit || !open && !p.held()
	case waitClose:
		n, _ := p.pending(true)
		return !open && !p.held() && n == 0, !open && !p.held()
	default:
		reached := p.reached(w.goal)
		return reached, reached
	}
}
