package main

import (
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// As checks_test.go, for the parts of scenarios.

func TestLedger_SeesBarrierThatIsNotExact(t *testing.T) {
	l := &ledger{faults: new(faults), dom: testkit.Domain(t)}
	l.accounts[1].sent.Store(2)
	l.accounts[1].done.Store(1)
	l.barrier(false)
	require.EqualValues(t, 1, l.faults.count[faultBarrier], "one callback is missing")
	l.accounts[1].done.Store(3)
	l.barrier(false)
	require.EqualValues(t, 1, l.faults.count[faultBarrier], "what is called meanwhile may have run")
	l.barrier(true)
	require.EqualValues(t, 2, l.faults.count[faultBarrier], "nothing was called meanwhile")
}

func TestFlood_SeesBoundExceeded(t *testing.T) {
	f := &flood{faults: new(faults), limit: 2 * elementSize}
	for range 2 + floodWriters {
		f.called()
	}
	require.Zero(t, f.faults.total())
	f.called()
	require.EqualValues(t, 1, f.faults.count[faultThrottle])
	f.checkIdle()
	require.EqualValues(t, 1, f.faults.count[faultLeak])
}

func TestJar_SeesGoalThatIsNotReachedAnyMore(t *testing.T) {
	p, f := broken(t)
	j := &jar{writer: writer{shelf: p, rng: newRand(), tally: new(writeTally)}}
	reached, open := cookie{goal: p.dom.Advance()}, cookie{goal: p.dom.DeferredAdvance()}
	require.True(t, j.poll(&reached))
	require.False(t, j.poll(&open))
	require.Zero(t, f.total())
	open.reached = true // it says
	require.False(t, j.poll(&open))
	require.EqualValues(t, 1, f.count[faultGoal])

	// The later one is reached and the earlier one is not: they are the wrong way round.
	f.count[faultGoal] = 0
	j.cookies = []cookie{{goal: p.dom.DeferredAdvance()}, reached}
	for f.count[faultGoal] == 0 {
		j.ask()
	}
}

func TestHoldBack_SeesGoalReachedInSection(t *testing.T) {
	f := new(faults)
	dom, other := testkit.Domain(t), testkit.Domain(t)
	for range 100 {
		holdBack(dom, dom, newRand(), f)
	}
	require.Zero(t, f.total())
	holdBack(other, dom, newRand(), f)
	require.EqualValues(t, 1, f.count[faultGoal])
}

func TestSpate_SeesWhatIsPendingThatShouldNotBe(t *testing.T) {
	sp := &spate{faults: new(faults), dom: testkit.Domain(t), rng: newRand()}
	sp.round()
	require.Zero(t, sp.faults.total())
	sp.compare(smr.Stats{PendingCalls: 1})
	sp.settled(smr.Stats{PendingBytes: -1})
	require.EqualValues(t, 2, sp.faults.count[faultThrottle])
	sp.called.Add(1)
	sp.settled(smr.Stats{})
	require.EqualValues(t, 1, sp.faults.count[faultBarrier], "a call without a callback")
}

func TestSleepers_SeeWhoSleepsOn(t *testing.T) {
	stopped := make(chan string, 1)
	f := &faults{patience: time.Millisecond, fatal: func(text string) { stopped <- text }}
	sl := &sleeping{rng: newRand(), faults: f}
	var wg sync.WaitGroup
	wg.Add(1)
	sl.awake(&wg)
	require.Contains(t, <-stopped, "sleep in Throttle")
	wg.Done()
	func() {
		defer sl.refusedCall()
		panic("deliberate")
	}()
	require.EqualValues(t, 1, f.count[faultDomain])
}

// endless is a queue whose last element leads to its first.
type endless struct{ *smrq.TailQ[node] }

func (q endless) Next(s smr.Section, n *node) *node {
	if next := q.TailQ.Next(s, n); next != nil {
		return next
	}
	return q.First(s)
}

func TestWalker_SeesWhatIsMissing(t *testing.T) {
	dom, f := testkit.Domain(t), new(faults)
	w := &walker{reader: reader{rng: newRand(), kind: readQueue}, dom: dom, faults: f, registered: dom.NewReader()}
	defer w.registered.Close()
	q := smrq.NewTailQ(nodeLink)
	var marks []*node
	insert := func(mark int) *node {
		n := &node{mark: mark}
		n.begin(1)
		q.InsertTail(n)
		return n
	}
	for i := range numMarks {
		insert(0)
		marks = append(marks, insert(i+1))
	}
	last := insert(0)
	w.walk(q, "sound", true)
	require.Zero(t, f.total())
	require.EqualValues(t, 2*numMarks+1, w.count.ages[live])

	last.end()
	w.walk(q, "poisoned", true)
	require.EqualValues(t, 1, f.count[faultAge])
	require.EqualValues(t, 1, f.count[faultPayload])
	last.begin(2)

	w.walk(endless{q}, "endless", false)
	require.EqualValues(t, 1, f.count[faultQueue])
	twice := insert(numMarks)
	w.walk(q, "twice", true)
	require.EqualValues(t, 2, f.count[faultQueue])
	q.Remove(twice)
	q.Remove(marks[1])
	w.walk(q, "missing", true)
	require.EqualValues(t, 3, f.count[faultQueue])
	q.Remove(marks[numMarks-1])
	w.walk(q, "the last is missing", true)
	require.EqualValues(t, 4, f.count[faultQueue])
}

func TestChurn_SeesGoalsThatAreWrong(t *testing.T) {
	dom := testkit.Domain(t)
	c := &churn{rng: newRand(), faults: new(faults)}
	c.checkGoals(dom)
	require.Zero(t, c.faults.total())
	require.NotZero(t, c.foreign)
	c.checkGoals(dom) // whose goal is not foreign
	require.EqualValues(t, 2, c.faults.count[faultGoal], "Poll and Wait took it for one of theirs")

	c.foreign = 0
	var s smr.Section
	elsewhere(func() { s = dom.Enter() }) // a goroutine that waits must have no section
	c.checkGoals(dom)                     // not alone there
	s.Leave()
	require.EqualValues(t, 5, c.faults.count[faultGoal], "three goals were not reached")
}

func TestStock_SeesObjectOfSomebodyElses(t *testing.T) {
	dom := testkit.Domain(t)
	st := &stock{dom: dom, pool: slab.New[object](dom, slab.Options{KeepContents: true}), faults: new(faults), tally: new(writeTally)}
	o := st.get()
	require.Zero(t, st.faults.total())
	st.enter(o)
	require.EqualValues(t, 1, st.faults.count[faultPool], "given out twice")
	st.leave(o)
	st.leave(o)
	require.EqualValues(t, 2, st.faults.count[faultPool], "given back twice")
	o.birthmark.Store(7)
	st.enter(o)
	require.EqualValues(t, 3, st.faults.count[faultPool], "another type's")

	// And a reader.
	st.freed[0].Store(o)
	b := &browser{stock: st, reader: reader{rng: newRand(), kind: readObject}, registered: dom.NewReader()}
	defer b.registered.Close()
	o.birthmark.Store(7)
	st.lumps[0].Store(&lump{[]byte{1, 2}, 1})
	for st.faults.count[faultPool] == 3 || st.faults.count[faultPayload] == 0 {
		b.read()
	}
	st.freed[0].Clear()
	st.pool.Free(o)
	require.NoError(t, st.pool.Close(t.Context()))
}

func TestMaps_SeeWrongEntries(t *testing.T) {
	dom := testkit.Domain(t)
	m, err := smrmap.New[uint64, record](smrmap.Options{Domain: dom})
	require.NoError(t, err)
	f := new(faults)
	w := &mapper{m: m, rng: newRand(), faults: f, tally: new(writeTally), step: 1, known: make(map[uint64]uint64)}
	w.setUp()
	rd := &mapReader{reader: reader{rng: newRand(), kind: readMap}, m: m, dom: dom, faults: f, registered: dom.NewReader()}
	defer rd.registered.Close()
	w.compare()
	for range 100 {
		rd.read()
	}
	rd.walk()
	require.Zero(t, f.total())
	expect := func(kind faultKind, what string, do func()) {
		t.Helper()
		before := f.count[kind]
		do()
		require.Greater(t, f.count[kind], before, what)
	}
	read := func(key uint64) func() {
		return func() {
			rec, ok := m.Load(key)
			rd.judge("Load", key, &rec, ok, ok && rec.sound(key))
		}
	}

	read(3)()
	require.NoError(t, m.Store(3, newRecord(3, 1))) // older
	expect(faultMap, "older than before", read(3))
	expect(faultMap, "another's store", func() { w.ask(3) })
	require.NoError(t, m.Store(3, newRecord(4, 1))) // another key's
	expect(faultPayload, "another key's", read(3))
	expect(faultPayload, "another key's", rd.walk)
	expect(faultMap, "another key's", func() { w.ask(3) })
	expect(faultMap, "another key's", func() { w.compute(3, true) })
	m.Delete(3)
	expect(faultMap, "not there", read(3))
	expect(faultMap, "not there", rd.walk)
	expect(faultMap, "not there", func() { w.loadOrStore(3, true) })
	m.Delete(3)
	expect(faultMap, "not there", func() { w.remove(3, true) })
	expect(faultMap, "it is there", func() { w.remove(4, false) })
	require.NoError(t, m.Close(t.Context()))
}

func TestBlobs_SeeWrongEntries(t *testing.T) {
	dom := testkit.Domain(t)
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom})
	require.NoError(t, err)
	f := new(faults)
	w := &blobWriter{m: m, rng: newRand(), faults: f, step: 1, known: make(map[uint64]blob), stored: new(counter), refused: new(counter)}
	rd := &blobReader{reader: reader{rng: newRand(), kind: readBytes}, m: m, dom: dom, faults: f}
	const key = 5
	w.key = appendKey(nil, key)
	for w.known[key].expires == 0 {
		w.store(t.Context(), key)
	}
	require.Zero(t, f.total())

	// As if its time had not been given to the map.
	require.NoError(t, m.Store(w.key, appendBlob(nil, key, w.generation, 10)))
	w.known[key] = blob{w.generation, 1}
	w.load(key)
	require.EqualValues(t, 1, f.count[faultMap], "expired")
	delete(w.known, key)
	w.load(key)
	require.EqualValues(t, 2, f.count[faultMap], "deleted")
	w.known[key] = blob{generation: w.generation + 1}
	w.load(key)
	require.EqualValues(t, 3, f.count[faultMap], "older")

	rd.walk()
	require.Zero(t, f.count[faultPayload])
	torn := append(appendBlob(nil, key, 1, 10), 0)
	require.NoError(t, m.Store(w.key, torn))
	rd.walk()
	require.EqualValues(t, 1, f.count[faultPayload], "torn")
	require.NoError(t, m.Store(appendKey(nil, key+1), appendBlob(nil, key, 1, 10)))
	rd.walk()
	require.EqualValues(t, 3, f.count[faultPayload], "another key's")
	require.NoError(t, m.Close(t.Context()))
}

func TestArchive_SeesWhatIsNotTheFiles(t *testing.T) {
	f := new(faults)
	a := &archive{dir: t.TempDir(), dom: testkit.Domain(t), faults: f, ended: new(counter), faulted: new(counter)}
	v, other := a.makeVolume(newRand(), false, false), a.makeVolume(newRand(), false, true)
	require.NotNil(t, v)
	require.NotNil(t, other)
	r := fileRead{volume: v, off: 8, n: 800, rng: newRand()}
	a.look(r, v.pattern(8, 800), false)
	require.Zero(t, f.total())
	for _, b := range [][]byte{v.pattern(0, 800), v.pattern(8, 792), other.pattern(8, 800), make([]byte, 800)} {
		before := f.count[faultPayload]
		a.look(r, b, false)
		require.Equal(t, before+1, f.count[faultPayload])
	}
	a.look(r, make([]byte, 800), true) // beside a writer
	require.EqualValues(t, 4, f.count[faultPayload])

	fault := &smrfile.FaultError{Path: other.path}
	a.allow(fileRead{volume: v}, fs.ErrClosed)
	a.allow(fileRead{volume: other}, fault)
	a.permit(other, "Grow", fault)
	require.EqualValues(t, 2, a.faulted.Load())
	require.Zero(t, f.count[faultFile])
	a.allow(fileRead{volume: v, open: true}, fs.ErrClosed)
	a.allow(fileRead{volume: v}, &smrfile.FaultError{Path: v.path})
	a.permit(v, "Grow", smrfile.ErrGrown)
	require.EqualValues(t, 3, f.count[faultFile])

	a.compareLeft(0, 0)
	require.Zero(t, f.count[faultLeak])
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		a.compareLeft(leftOf(a.dir))
		require.EqualValues(t, 1, f.count[faultLeak], "they are open")
	}
	a.endOnce(v, nil)
	require.EqualValues(t, 4, f.count[faultFile], "it was not closed before")
	a.endOnce(v, nil)
	require.EqualValues(t, 4, f.count[faultFile])
	require.NoError(t, other.Remove(t.Context()))
}
