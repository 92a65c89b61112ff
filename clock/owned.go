package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// ownedRecord keeps the words of different owners a stride apart.
type ownedRecord struct {
	Record
	_ [pcpu.Stride - unsafe.Sizeof(Record{})%pcpu.Stride]byte
}

// NewOwned registers a record for one reader. Give it back with [Record.Close].
func (c *Clock) NewOwned() *Record { return c.newRecord(&c.owned, ownedCPU, nil) }

// NewQuiescent registers a record whose owner states when it is quiescent: see [Record.Online]. It
// starts offline. report, which may be nil, is called each time before a wait that this record
// holds back spins or parks; it should make the owner call Quiesce or Offline soon. It runs on the
// goroutine of a waiter or, like OnStall (see [Options]), of the clock. It must not block, and may
// be called once more after [Record.Close].
func (c *Clock) NewQuiescent(report func()) *Record {
	return c.newRecord(&c.quiescent, quiescentCPU, report)
}

// registered is a list of registered records.
type registered = satomic.Pointer[Record]

// newRecord reuses the record of a closed reader in the list, or adds one.
func (c *Clock) newRecord(list *registered, cpu int, report func()) *Record {
	var asks *func()
	if report != nil {
		asks = &report
	}
	for r := list.Load(); r != nil; r = r.next.Load() {
		if r.seq.Load() == closedWord && r.seq.CompareAndSwap(closedWord, 0) {
			r.report.Store(asks)
			return r
		}
	}
	r := &new(ownedRecord).Record
	r.init(c, cpu)
	r.report.Store(asks)
	for {
		head := list.Load()
		r.next.StorePrivate(head)
		if list.CompareAndSwap(head, r) {
			return r
		}
	}
}

// A Section is an open section: the record that it is on, and its generation there.
type Section struct {
	Rec *Record
	Gen uint64
}

// Enter opens a section on an Owned record, and returns the section's record and generation. If a
// section is open on the record, it opens the nested one on a tracker. It panics if the record is
// closed or its clock sealed.
func (r *Record) Enter() (*Record, uint64) {
	s := r.EnterOr((*Record).EnterSlow)
	return s.Rec, s.Gen
}

// TryEnter is Enter, except that on a sealed clock it returns no record.
func (r *Record) TryEnter() (*Record, uint64) {
	s := r.EnterOr((*Record).TrySlow)
	return s.Rec, s.Gen
}

// EnterOr is Enter or TryEnter where the compiler can inline it: pass it EnterSlow or TrySlow. A call
// of a parameter counts for less than one of a method, and after inlining it is one.
//
// It stores the moment at which the last section began, and only then loads wr. If that is still the
// moment, this is as good as to load it first, and one load finds both the moment and what sends an
// entry to tryFinish: Seal and SampleSections set exceptions, then move wr.
func (r *Record) EnterOr(slow func(*Record, uint64) Section) Section {
	word := r.seq.Load()
	if word == 0 {
		r.seq.Store(r.last)
		if r.clock.wr.Load() == r.last {
			return Section{r, r.gen.Load()}
		}
	}
	return slow(r, word)
}

// EnterSlow is Enter where EnterOr has found word in seq, and has not stored the current moment. It
// has no stack check: a goroutine preempted there would be in a section, of an old moment.
//
//go:noinline
//go:nosplit
func (r *Record) EnterSlow(word uint64) Section {
	s := r.TrySlow(word)
	if s.Rec == nil {
		r.clock.panicSealed()
	}
	return s
}

// TrySlow is EnterSlow for TryEnter.
//
// Between the store in EnterOr and the one here the record holds an old moment, which is the safe
// side. The driver may find it, and sleep on it.
//
//go:noinline
//go:nosplit
func (r *Record) TrySlow(word uint64) (s Section) {
	switch word {
	case closedWord:
		panic("smr: section entered on a closed Reader")
	case 0:
	default:
		s.Rec, s.Gen = r.clock.TryEnter() // nested
		return s
	}
	c := r.clock
	r.last = c.wr.Load() // before exceptions, which is set before wr moves
	r.seq.Store(r.last)
	s = Section{r, r.gen.Load()}
	if exceptions := c.exceptions.Load(); exceptions != 0 {
		r.last = 0
		if uint32(s.Gen) < exceptions {
			s.Rec, s.Gen = c.tryFinish(r, s.Gen)
		}
	}
	if r.waiter.Load() != 0 {
		r.wake()
	}
	return s
}

// Close gives the record back. A Quiescent record goes offline. If a section is open on an Owned
// record, Close changes nothing and reports false. After Close the record may belong to another
// reader: hold [ClosedRecord] in its place.
func (r *Record) Close() bool {
	if r.cpu == quiescentCPU {
		r.Offline()
		r.report.Store(nil)
	}
	return r.seq.CompareAndSwap(0, closedWord) || r.seq.Load() == closedWord
}

// Online makes the owner of a Quiescent record a reader: until it calls Quiesce or Offline, it may
// hold protected pointers. Online does nothing if the record is online or its clock sealed. Online,
// Quiesce and Offline of one record must not overlap: only the owner calls them, or a goroutine
// that excludes it.
func (r *Record) Online() {
	if r.seq.Load() != 0 {
		return
	}
	r.seq.Store(r.clock.wr.Load())
	relacq.Fence()        // the entry's: see Clock.heavyFence
	if r.clock.Sealed() { // see Clock.finishEntry
		r.Offline()
	}
}

// Quiesce states that the owner holds no protected pointer now, and stays a reader: its section
// ends and the next one begins. If the clock is sealed the record goes offline instead. An offline
// record stays so.
func (r *Record) Quiesce() {
	if !r.IsOnline() {
		return
	}
	// The section's generation ends before the new one begins.
	r.gen.Store(r.gen.Load() + genStep)
	// At the same moment the record stays as it is, and no goal waits for it.
	if now := r.clock.wr.Load(); now != r.seq.Load() {
		r.seq.Store(now)
		// Not the entry's fence: until the store is visible, pollers see the older moment.
		relacq.Fence() // pairs with the store in Clock.arm
		if r.waiter.Load() != 0 {
			r.wake()
		}
	}
	if r.clock.Sealed() { // see Clock.finishEntry
		r.Offline()
	}
}

// Offline states that the owner holds no protected pointer, and will hold none before it calls
// Online again. Its section ends.
func (r *Record) Offline() {
	if !r.IsOnline() {
		return
	}
	r.gen.Store(r.gen.Load() + genStep)
	r.seq.Store(0)
	relacq.Fence() // pairs with the store in Clock.arm
	if r.waiter.Load() != 0 {
		r.wake()
	}
}

// Awaited reports whether the grace period for which Quiescent readers were asked last goes on. It
// is a hint: a reader that has answered may let others run that have not.
func (r *Record) Awaited() bool {
	if r.clock == nil {
		return false // closed
	}
	goal := Seq(r.clock.asked.Load())
	return goal != 0 && !r.clock.reached(goal)
}

// IsOnline reports whether a Quiescent record is online.
func (r *Record) IsOnline() bool { return r.open() }

// Section returns the generation of an online Quiescent record's section, which lasts until the
// next quiescent state. ok is false if the record is offline.
func (r *Record) Section() (gen uint64, ok bool) {
	return r.gen.Load() | genQuiescent, r.IsOnline()
}

// Clock returns the clock that the record belongs to.
func (r *Record) Clock() *Clock { return r.clock }

var closedRecord = func() *Record {
	r := new(Record)
	r.seq.Store(closedWord)
	r.next.StorePrivate(r) // an entry that begins here does not find the list: see shrink.go
	return r
}()

// ClosedRecord returns a record that is closed for good: each entry on it panics. A reader that
// gave its own record back holds this one.
func ClosedRecord() *Record { return closedRecord }
