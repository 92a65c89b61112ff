//go:build invariants

package smr

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/pinned"
)

// openHolds lists what is held in all domains, each clone as well.
var openHolds struct {
	mu  pinned.Lock // pinned goroutines may take it
	all map[*holdInfo]struct{}
}

// A holdInfo describes one hold, or one clone of it. It is constant.
type holdInfo struct {
	dom   *Domain
	addr  unsafe.Pointer
	fate  *fate.Hold
	stack []uintptr // of the Hold or Clone
}

// A holdHandle is reachable only from the copies of one Held: its cleanup runs when the last copy is
// gone.
type holdHandle struct{ info *holdInfo }

type holdDebug struct{ handle *holdHandle }

// opened registers a hold of the object at p. It panics if the object is free in its pool, or is a
// map's.
func (sl *holdSlot) opened(p unsafe.Pointer, gen uint64) holdDebug {
	if pages.IsLent(p) {
		sl.release(gen)
		sl.dom.misuse(fmt.Sprintf("smr: Hold, on domain %s, of %p, which is in a value that a map of smrmap lends: the map's Hold keeps that", sl.dom.opts.Name, p))
	}
	return sl.register(p, gen)
}

// cloned registers a clone.
func (sl *holdSlot) cloned(of holdDebug, gen uint64) holdDebug {
	return sl.register(of.handle.info.addr, gen)
}

func (sl *holdSlot) register(p unsafe.Pointer, gen uint64) holdDebug {
	pcs := make([]uintptr, 32)
	info := &holdInfo{dom: sl.dom, addr: p, stack: pcs[:runtime.Callers(4, pcs)]}
	info.fate = &fate.Hold{Domain: sl.dom.opts.Name, At: callers.Stack(info.stack)}
	fate.AddHold(p, info.fate)
	if back, ok := fate.BackOf(p); ok && back.Became == fate.Free {
		fate.RemoveHold(p, info.fate)
		sl.release(gen)
		sl.dom.misuse(fmt.Sprintf("smr: Hold, on domain %s, of %p, which is %s in pool %s: its next user may have it at any time. "+
			"Hold what was loaded in this section, and Retire what readers may hold. It was given back at:\n%sand held at:\n%s",
			sl.dom.opts.Name, p, back.Became, back.Pool, back.At, info.fate.At))
	}
	openHolds.mu.Lock()
	if openHolds.all == nil {
		openHolds.all = make(map[*holdInfo]struct{})
	}
	openHolds.all[info] = struct{}{}
	openHolds.mu.Unlock()
	h := &holdHandle{info}
	runtime.AddCleanup(h, (*holdInfo).dropped, info)
	return holdDebug{h}
}

// releasing unregisters the hold. It panics if this clone was released before, also while others are
// not.
func (hd holdDebug) releasing() {
	open := hd.handle.info.close()
	runtime.KeepAlive(hd.handle) // or its cleanup might run before close has the lock
	if !open {
		hd.handle.info.dom.misuse("smr: Release of a Held that was released before, held at:\n" + hd.handle.info.trace())
	}
}

// close unregisters the hold, and reports whether it was there.
func (info *holdInfo) close() bool {
	openHolds.mu.Lock()
	defer openHolds.mu.Unlock()
	_, open := openHolds.all[info]
	delete(openHolds.all, info)
	if open {
		fate.RemoveHold(info.addr, info.fate)
	}
	return open
}

// dropped reports a hold that was dropped without Release. It runs as a cleanup, and so must not
// block.
func (info *holdInfo) dropped() {
	if !info.close() {
		return
	}
	st := info.dom.newStall(0, 0)
	st.LeakedHold = info.trace()
	info.dom.report(st)
}

// holdStacks lists some of the open holds with the stacks that took them, for an error.
func (d *Domain) holdStacks() string {
	var b strings.Builder
	for _, stack := range d.someHoldStacks(func(*holdInfo) bool { return true }) {
		b.WriteString("\nheld at:\n" + stack)
	}
	return b.String()
}

// holdStacksOf lists some of the stacks that hold the object at addr.
func (d *Domain) holdStacksOf(addr uintptr) []string {
	return d.someHoldStacks(func(info *holdInfo) bool { return uintptr(info.addr) == addr })
}

// someHoldStacks lists at most maxNamed stacks of the domain's open holds that are asked for.
func (d *Domain) someHoldStacks(asked func(*holdInfo) bool) (stacks []string) {
	openHolds.mu.Lock()
	defer openHolds.mu.Unlock()
	for info := range openHolds.all {
		if len(stacks) == maxNamed {
			break
		}
		if info.dom == d && asked(info) {
			stacks = append(stacks, info.trace())
		}
	}
	return stacks
}

func (info *holdInfo) trace() string { return (&sectionInfo{stack: info.stack}).trace() }
