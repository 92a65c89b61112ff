//go:build invariants

package smr

import (
	"fmt"
	"runtime"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/callers"
)

// A site is a line at which one goroutine enters sections.
type site struct {
	goid uint64
	pc   uintptr
}

// maxFromSite is how many sections that one goroutine entered at one line may be open.
const maxFromSite = 1000

// countLocked counts a section that is open, and reports whether its site should be looked into.
func (dd *domainDebug) countLocked(info *sectionInfo) (suspect bool) {
	if info.kind == clock.Owned { // a goroutine may own any number of Readers
		return false
	}
	if dd.sites == nil {
		dd.sites = make(map[site]int)
	}
	info.counted = site{info.by, info.stack[0]}
	dd.sites[info.counted]++
	return dd.sites[info.counted]%maxFromSite == 0
}

// uncountLocked is for a section that is left, or is another goroutine's now.
func (dd *domainDebug) uncountLocked(info *sectionInfo) {
	if info.counted == (site{}) {
		return
	}
	if dd.sites[info.counted]--; dd.sites[info.counted] == 0 {
		delete(dd.sites, info.counted)
	}
	info.counted = site{}
}

// checkRepeated panics if the site of s, from which many sections are open, is in a loop that does
// not leave them. In a recursion, which leaves them as it returns, its function or, if that only
// enters for others, one of its nearest callers is on the stack once for each.
func (d *Domain) checkRepeated(s Section) {
	info := s.handle.info
	d.debug.mu.Lock()
	open := d.debug.sites[info.counted]
	d.debug.mu.Unlock()
	const nearest = 8
	calls := make(map[string]int)
	var frame runtime.Frame // of the site
	n := 0
	for f := range info.stack.Frames() {
		if n == 0 {
			frame = f
		}
		calls[f.Function] = 0
		if n++; n == nearest {
			break
		}
	}
	pcs := make([]uintptr, 1<<16)
	most := 0
	for f := range callers.Stack(pcs[:runtime.Callers(1, pcs)]).Frames() {
		if n, ok := calls[f.Function]; ok {
			calls[f.Function], most = n+1, max(most, n+1)
		}
	}
	if open < maxFromSite*most {
		return
	}
	s.Leave()
	info.dom.misuse(fmt.Sprintf("smr: goroutine %d has %d sections of domain %s open that it entered at %s:%d. A deferred Leave runs when its "+
		"function returns, not at the end of a loop's round: leave in the loop, or make the round a function. It enters the last one at:\n%s",
		info.by, open, d.opts.Name, frame.File, frame.Line, callers.Here(2)))
}
