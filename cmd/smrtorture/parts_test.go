package main

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
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

func TestDelay_SeesCallbackThatIsHeldUp(t *testing.T) {
	d := &delay{faults: new(faults), dom: testkit.Domain(t), rng: newRand(), most: time.Millisecond}
	require.NotZero(t, d.round())
	require.Zero(t, d.faults.total())
	s := d.dom.Enter()
	require.Zero(t, d.round())
	require.EqualValues(t, 1, d.faults.count[faultDelay])
	s.Leave()
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

func TestLongStay_SeesScansForNothing(t *testing.T) {
	ls := &longStay{faults: new(faults)}
	ls.count(stayScans)
	require.Zero(t, ls.faults.total())
	ls.count(stayScans + 1)
	require.EqualValues(t, 1, ls.faults.count[faultIdle])
}

func TestTurnover_SeesMemoryThatGrows(t *testing.T) {
	dom := testkit.Domain(t)
	m, err := smrmap.New[uint64, uint64](smrmap.Options{Domain: dom})
	require.NoError(t, err)
	w := &window{m: m, dom: dom, faults: new(faults)}
	for range firstTurns {
		w.turn(new(pulse))
	}
	require.Zero(t, w.faults.total())
	require.Positive(t, w.least)
	w.turns++
	w.compare(smrmap.Stats{Len: windowKeys, ReservedBytes: w.least * 3 / 2, EntryBytes: w.least / 8})
	require.EqualValues(t, 1, w.faults.count[faultMemory])
	w.compare(smrmap.Stats{Len: windowKeys - 1})
	require.EqualValues(t, 1, w.faults.count[faultMap], "an entry is missing")
	require.NoError(t, m.Close(t.Context()))

	c := &cache{faults: new(faults), full: true}
	c.compare(cacheLeast)
	require.Zero(t, c.faults.total())
	c.compare(cacheLeast - 1)
	require.EqualValues(t, 1, c.faults.count[faultMemory])
}

func TestSizes_SeeMoreEvictedThanNeeded(t *testing.T) {
	sz := &sizing{faults: new(faults)}
	require.True(t, sz.compare(100_000, 100_001, 1000), "nothing was evicted")
	require.True(t, sz.compare(100_000, 98_001, 1000))
	require.Zero(t, sz.faults.total())
	require.False(t, sz.compare(100_000, 97_000, 1000))
	require.False(t, sz.compare(487_721, 1, 1000))
	require.EqualValues(t, 2, sz.faults.count[faultMemory])
}

func TestNeighbours_SeeCostsThatGrowAndLocks(t *testing.T) {
	nb := &neighbour{faults: &faults{patience: time.Millisecond}, dom: testkit.Domain(t), rng: newRand()}
	nb.compareCosts("", time.Microsecond, costGrowth*time.Microsecond)
	require.Zero(t, nb.faults.total())
	nb.compareCosts("", time.Microsecond, costGrowth*time.Microsecond+1)
	require.EqualValues(t, 1, nb.faults.count[faultIdle])
	release := make(chan struct{})
	nb.unhindered("", func() { <-release })
	close(release)
	require.EqualValues(t, 2, nb.faults.count[faultIdle])
}

func TestEndings_SeeWhatIsNotGivenBack(t *testing.T) {
	e := &ending{faults: new(faults)}
	e.compare(0)
	require.Zero(t, e.faults.total())
	e.compare(1)
	require.EqualValues(t, 1, e.faults.count[faultLeak])
	e.check(slab.ErrNoMemory)
	require.EqualValues(t, 1, e.faults.count[faultPool])
}

func TestExtremes_SeeSizesOutOfRange(t *testing.T) {
	ex := &extreme{faults: new(faults), rng: newRand()}
	ex.refused("", func() { panic("slab: negative size") })
	ex.notNegative("", 0)
	require.Zero(t, ex.faults.total())
	ex.refused("", func() { panic("runtime error: index out of range") })
	ex.notNegative("", -1)
	require.EqualValues(t, 2, ex.faults.count[faultSize])
	for range 1000 {
		n := ex.near(math.MaxInt)
		require.GreaterOrEqual(t, n, 0)
	}
}

func TestDrops_SeeWhatStays(t *testing.T) {
	dr := &dropping{dom: testkit.Domain(t), ending: ending{faults: &faults{patience: time.Millisecond}}}
	budget := slab.NewBudget(0)
	dr.await(budget, new(pulse))
	require.Zero(t, dr.faults.total())
	budget.Force(1)
	dr.await(budget, new(pulse))
	require.NotZero(t, dr.faults.count[faultLeak])
}

func TestPurse_SeesBudgetExceeded(t *testing.T) {
	p := &purse{Budget: slab.NewBudget(100), limit: 100, allowed: 10, faults: new(faults), peak: new(counter)}
	p.Force(110)
	p.look()
	require.Zero(t, p.faults.total())
	require.EqualValues(t, 110, p.peak.Load())
	p.Force(1)
	p.look()
	p.Put(111)
	require.EqualValues(t, 1, p.faults.count[faultBudget])
	p.look()
	require.EqualValues(t, 1, p.faults.total())
	require.EqualValues(t, 111, p.peak.Load())
}

func TestFaults_SeeStoresThatAreDropped(t *testing.T) {
	f := new(faults)
	f.refused(6400, 116)
	require.Zero(t, f.total())
	f.refused(6400, 117)
	require.EqualValues(t, 1, f.count[faultMap])
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
	elsewhere(func() { s = dom.Enter() }) // who waits has no section
	c.checkGoals(dom)                     // not alone there
	s.Leave()
	require.EqualValues(t, 5, c.faults.count[faultGoal], "three goals were not reached")
}

func TestStock_SeesObjectOfSomebodyElses(t *testing.T) {
	dom := testkit.Domain(t)
	st := &stock{dom: dom, pool: slab.New[object](dom, slab.Options{Keep: true}), faults: new(faults), tally: new(writeTally)}
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
