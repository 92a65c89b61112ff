package stw

// A rootStack holds the words that a domain declares as roots, in frames that are
// cut from chunks. Chunks are kept, so that pushing allocates only when the stack
// is deeper than ever.
type rootStack struct {
	chunks [][]uintptr
	frames []rootFrame
}

type rootFrame struct{ chunk, start, end int }

const rootChunk = 256

// PushRoots adds a frame of n words, all 0, to the domain's roots and returns it.
// The domain may change its words at any time; what it stores there is visited by
// [World.Scan]. Owner.
//
// Words are not pointers to Go's collector: keep in them addresses of memory that
// it does not own, or handles. It panics, and changes nothing, if n is negative or more
// words than Go can allocate.
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

// PopRoots drops the frame that was pushed last. It panics if there is none. Owner.
func (d *Domain) PopRoots() {
	r := &d.roots
	if len(r.frames) == 0 {
		panic("stw: PopRoots without PushRoots")
	}
	r.frames = r.frames[:len(r.frames)-1]
}

func (r *rootStack) words(f rootFrame) []uintptr { return r.chunks[f.chunk][f.start:f.end:f.end] }

// Scan visits every root of every domain while the world is stopped by
// [World.Stop]: words that may be references or not, which is why what they refer
// to must not be moved. It panics if the world is not stopped. Idea: ambiguous
// references of the Memory Pool System.
func (w *World) Scan(visit func(d *Domain, word uintptr)) {
	w.mu.Lock()
	s := w.held
	w.mu.Unlock()
	if s == nil {
		panic("stw: Scan of a world that is not stopped by Stop")
	}
	scan(s.participants, visit)
}

// Scan visits every root of every domain that is suspended by s: see [World.Scan].
func (s *Suspension) Scan(visit func(d *Domain, word uintptr)) { scan(s.domains, visit) }

func scan(domains []*Domain, visit func(*Domain, uintptr)) {
	for _, d := range domains {
		for _, f := range d.roots.frames {
			for _, word := range d.roots.words(f) {
				visit(d, word)
			}
		}
	}
}
