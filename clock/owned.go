package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/pcpu"
)

// ownedRecord keeps two owners' words a stride apart.
type ownedRecord struct {
	Record
	_ [pcpu.Stride - unsafe.Sizeof(Record{})%pcpu.Stride]byte
}

// NewOwned registers a record for one reader that enters and leaves it by
// itself. Give it back with [Record.Close].
func (c *Clock) NewOwned() *Record { return c.newRecord(Owned, nil) }

// NewQuiescent registers a record that is driven from outside: see
// [Record.Online]. It starts offline. report, which may be nil, is called when a wait
// is held back by this record, each time before the wait spins or parks; it should
// make the owner call Quiesce or Offline soon. It is called on the goroutine of a
// waiter or, as OnStall is (see [Options]), on one of the clock's. It must not block, and
// may be called once more after the record was given back with [Record.Close].
func (c *Clock) NewQuiescent(report func()) *Record { return c.newRecord(Quiescent, report) }

// newRecord uses the record of a closed reader of that kind again, or makes one.
func (c *Clock) newRecord(kind Kind, report func()) *Record {
	var asks *func()
	if report != nil {
		asks = &report
	}
	for r := c.owned.Load(); r != nil; r = r.next {
		if r.kind == kind && r.seq.Load() == retiredWord && r.seq.CompareAndSwap(retiredWord, 0) {
			r.report.Store(asks)
			return r
		}
	}
	r := &new(ownedRecord).Record
	r.init(c, kind, -1)
	r.report.Store(asks)
	for {
		head := c.owned.Load()
		r.next = head
		if c.owned.CompareAndSwap(head, r) {
			return r
		}
	}
}

// Enter opens a section on an owned record and returns the record and the
// section's generation. A section nested in another one of the record is opened
// on a tracker instead. It panics if the record or its clock is closed.
//
//go:nosplit
func (r *Record) Enter() (*Record, uint64) {
	if r.seq.Load() != 0 {
		return r.enterOdd()
	}
	r.seq.Store(r.clock.wr.Load())
	return r, r.clock.entered(r, r.gen.Load())
}

//go:noinline
func (r *Record) enterOdd() (*Record, uint64) {
	if r.seq.Load() == retiredWord {
		panic("smr: section entered on a closed Reader")
	}
	return r.clock.Enter() // which panics if sealed
}

// Close gives the record back. Its holder must not use it any more, since it may
// be another's next; hold [ClosedRecord] instead. A Quiescent record goes
// offline; on an Owned one, if a section is open on it, Close changes nothing and
// reports false.
func (r *Record) Close() bool {
	if r.kind == Quiescent {
		r.Offline()
		r.report.Store(nil)
	}
	return r.seq.CompareAndSwap(0, retiredWord) || r.seq.Load() == retiredWord
}

// Online makes the owner of a Quiescent record a reader: from now on it may
// hold protected pointers until it calls Quiesce or Offline. Only the owner, or
// one acting for it in mutual exclusion, may call Online, Quiesce and Offline.
// Online does nothing if the record is online, or its clock sealed.
func (r *Record) Online() {
	if r.seq.Load() != 0 {
		return
	}
	r.seq.Store(r.clock.wr.Load())
	r.fence()
	if r.clock.Sealed() { // see Clock.enteredOdd
		r.Offline()
	}
}

// Quiesce states that the owner holds no protected pointer at this moment, and
// stays a reader, unless its clock is sealed: then it goes offline. Sections from
// before end. If the record is offline it stays so.
func (r *Record) Quiesce() {
	if !r.IsOnline() {
		return
	}
	// The section's generation ends before the new one begins.
	r.gen.Store(r.gen.Load() + genStep)
	r.seq.Store(r.clock.wr.Load())
	r.fence() // also before the look at waiter
	if r.waiter.Load() != 0 {
		r.wake()
	}
	if r.clock.Sealed() { // see Clock.enteredOdd
		r.Offline()
	}
}

// Offline states that the owner holds no protected pointer and will not until
// it is Online again. Sections from before end.
func (r *Record) Offline() {
	if !r.IsOnline() {
		return
	}
	r.gen.Store(r.gen.Load() + genStep)
	r.seq.Store(0)
	r.fence()
	if r.waiter.Load() != 0 {
		r.wake()
	}
}

// IsOnline reports whether the owner of a Quiescent record is a reader now.
func (r *Record) IsOnline() bool { return r.open() }

// Section returns the generation of the section that an online Quiescent record
// is in, until its next quiescent state. ok is false if it is offline.
func (r *Record) Section() (gen uint64, ok bool) {
	return r.gen.Load() | genQuiescent, r.IsOnline()
}

// Clock returns the clock that the record belongs to.
func (r *Record) Clock() *Clock { return r.clock }

var closedRecord = func() *Record {
	r := new(Record)
	r.seq.Store(retiredWord)
	return r
}()

// ClosedRecord returns a record that is closed for good: no entry on it
// succeeds. A reader that gave its own record back holds this one instead.
func ClosedRecord() *Record { return closedRecord }
