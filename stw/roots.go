package stw

import "fmt"

// A rootStack has the words that a domain declares as roots, in frames cut from chunks. It keeps
// its chunks, so a push allocates only when the stack grows deeper than ever before.
type rootStack struct {
	chunks [][]uintptr
	frames []rootFrame
}

type rootFrame struct{ chunk, start, end int }

const rootChunk = 256

// PushRoots adds a frame of n words, all 0, to the domain's roots and returns it. The domain may
// change the words at any time; [Domain.Scan] visits them. To Go's collector they are numbers: store
// handles, or addresses off the Go heap. PushRoots panics, and changes nothing, if n is negative or
// more than Go can allocate. Call it only from the domain's own goroutine.
func (d *Domain) PushRoots(n int) []uintptr {
	if n < 0 {
		panic("stw: PushRoots of a negative number of words")
	}
	r := &d.roots
	var f rootFrame
	if len(r.frames) > 0 {
		top := r.frames[len(r.frames)-1]
		f.chunk, f.start = top.chunk, top.end
	}
	for f.chunk < len(r.chunks) && n > len(r.chunks[f.chunk])-f.start {
		f.chunk, f.start = f.chunk+1, 0
	}
	if f.chunk == len(r.chunks) {
		r.chunks = append(r.chunks, make([]uintptr, max(n, rootChunk)))
	}
	f.end = f.start + n
	r.frames = append(r.frames, f)
	words := r.words(f)
	clear(words)
	return words
}

// PopRoots drops the frame that was pushed last, and panics if there is none. Call it only from the
// domain's own goroutine.
func (d *Domain) PopRoots() {
	r := &d.roots
	if len(r.frames) == 0 {
		panic("stw: PopRoots without PushRoots")
	}
	r.frames = r.frames[:len(r.frames)-1]
}

// words returns the words of a frame.
func (r *rootStack) words(f rootFrame) []uintptr { return r.chunks[f.chunk][f.start:f.end:f.end] }

// visit calls fn for each frame, in the order of their pushes, until fn returns an error.
func (r *rootStack) visit(fn func(frame []uintptr) error) error {
	for _, f := range r.frames {
		if err := fn(r.words(f)); err != nil {
			return err
		}
	}
	return nil
}

// Scan visits the frames of the domain's roots, in the order of their pushes, until visit returns
// an error, which Scan returns. Frames are visited in place: where the program knows that a word is
// a reference, visit may change it, for instance in the evacuation of a [Reservation].
//
// The domain must not run user code meanwhile. So call Scan while the domain is suspended or the
// world is stopped by [World.Stop]; in a function that runs for the domain; or in a stop, where a
// handler may scan another participant until the last [Stop.Barrier] that both come to. If the
// domain is running, or blocked but free to come back, Scan panics; for its own goroutine there is
// [Domain.ScanOwn]. A domain that is starting or dead has no roots.
func (d *Domain) Scan(visit func(frame []uintptr) error) error {
	d.mu.Lock()
	p, held := d.phase, d.noted.held
	d.mu.Unlock()
	switch {
	case p == starting || p == dead:
		return nil
	case !held && !p.inService():
		panic(fmt.Sprintf("stw: Scan of %v, which is %v and neither suspended nor stopped", d, phases[p].state))
	}
	return d.roots.visit(visit)
}

// ScanOwn is [Domain.Scan] for a domain that is running. Call it only from the domain's own
// goroutine.
func (d *Domain) ScanOwn(visit func(frame []uintptr) error) error {
	d.currentPhase().mustRun("ScanOwn")
	d.check("ScanOwn")
	return d.roots.visit(visit)
}

// Scan visits every root of every domain while the world is stopped by [World.Stop], and panics if
// it is not. A word may be a reference or just a number, so the memory it seems to refer to must
// stay where it is.
func (w *World) Scan(visit func(d *Domain, word uintptr)) {
	w.mu.Lock()
	s := w.held
	w.mu.Unlock()
	if s == nil {
		panic("stw: Scan of a world that is not stopped by Stop")
	}
	scan(s.participants, visit)
}

// Scan visits every root of every domain that s suspends: see [World.Scan].
func (s *Suspension) Scan(visit func(d *Domain, word uintptr)) { scan(s.Domains(), visit) }

// scan visits the roots of domains that run no user code.
func scan(domains []*Domain, visit func(*Domain, uintptr)) {
	for _, d := range domains {
		d.roots.visit(func(frame []uintptr) error {
			for _, word := range frame {
				visit(d, word)
			}
			return nil
		})
	}
}
