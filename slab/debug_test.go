//go:build invariants && !smr_sched

package slab

import (
	"context"
	"path"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// What may block is refused in a pinned section; Retire never blocks.
func TestInvariants_BlockingWhilePinned(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "held"})
	require.NoError(t, err)
	p := New[[64]byte](d, Options{})
	b := NewBlocks(d, Options{})
	obj, err := p.Get()
	require.NoError(t, err)
	block, err := b.Get(64)
	require.NoError(t, err)
	for what, call := range map[string]func(){
		"pool/Get":    func() { p.Get() },
		"pool/Free":   func() { p.Free(obj) },
		"pool/Trim":   p.Trim,
		"blocks/Get":  func() { b.Get(64) },
		"blocks/Free": func() { b.Free(block) },
		"blocks/Trim": b.Trim,
	} {
		t.Run(what, func(t *testing.T) {
			text := self.Dies(t, func() {
				s := d.Pin()
				call()
				s.Leave()
			})
			require.Contains(t, text, "slab: "+path.Base(what)+" inside a pinned section of domain held")
		})
	}
	s := d.Pin()
	p.Retire(obj)
	b.Retire(block)
	s.Leave()
}

func giveBackFirst[T any](p *Pool[T], obj *T, retire bool) { giveBack(p, obj, retire) }

func giveBackAgain[T any](p *Pool[T], obj *T, retire bool) { giveBack(p, obj, retire) }

func giveBack[T any](p *Pool[T], obj *T, retire bool) {
	if retire {
		p.Retire(obj)
	} else {
		p.Free(obj)
	}
}

// An object that is given back twice, by whichever of Free and Retire, is told with both stacks, the
// pool's name and type, and what to do. So it is after the grace period of the first.
func TestInvariants_GivenBackTwice(t *testing.T) {
	how := map[bool][2]string{false: {"Free", "freed"}, true: {"Retire", "retired"}}
	for _, first := range []bool{false, true} {
		for _, second := range []bool{false, true} {
			for _, later := range []bool{false, true} {
				d := newDomain(t)
				p := New[flat](d, Options{Name: "tables"})
				obj := get(t, p)
				get(t, p) // so that the slab stays
				giveBackFirst(p, obj, first)
				if later {
					p.Trim()
					settle(t, d)
				}
				text := panicText(t, func() { giveBackAgain(p, obj, second) })
				require.Regexp(t, "^slab: pool tables of slab.flat: "+how[second][0]+" of 0x[0-9a-f]+, which was "+how[first][1]+" before", text)
				require.Contains(t, text, "Give each object back once")
				require.Regexp(t, "(?s)It was "+how[first][1]+"\n.*giveBackFirst.*to be "+how[second][1]+" again\n.*giveBackAgain", text)
			}
		}
	}
}

// An object given to another pool than its own is told with the names of both.
func TestInvariants_AnotherPool(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "tables"})
	other := New[flat](d, Options{Name: "rows"})
	for _, retire := range []bool{false, true} {
		obj := get(t, other)
		text := panicText(t, func() { giveBack(p, obj, retire) })
		require.Regexp(t, "^slab: pool tables of slab.flat: .* of 0x[0-9a-f]+, which is an object of pool rows of slab.flat", text)
		require.Regexp(t, `(?s)Give it back to that one, where it was gotten\n.*TestInvariants_AnotherPool`, text)
		other.Free(obj)
		require.Contains(t, panicText(t, func() { giveBack(p, new(flat), retire) }), "not an object of this pool, nor of another")
	}
	closeEmpty(t, p)
	closeEmpty(t, other)
}

// What a reader kept beyond its section is poisoned when the grace period is over, though nothing
// reuses it: after two of the domain's calls at the latest.
func TestInvariants_RetiredIsPoisonedSoon(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	all := getAll(t, p, 3)
	leave := enter(t, d)
	for _, obj := range all {
		obj.key = 7
		p.Retire(obj)
		require.EqualValues(t, 7, obj.key, "a section may hold it")
	}
	leave()
	settle(t, d)
	const poison = 0xdbdbdbdbdbdbdbdb
	for _, obj := range all {
		require.EqualValues(t, uint64(poison), obj.key)
	}
	require.EqualValues(t, 3, p.Stats().Pending, "they are in the cache, and nothing is to reuse them")
	all[1].key = 8
	require.Regexp(t, `(?s)byte \d+ of 0x[0-9a-f]+ was written after it was retired. .*It was retired\n.*TestInvariants_RetiredIsPoisonedSoon`,
		panicText(t, func() { p.s.check.ready(&magazine{n: 1, objs: [magazineCap]unsafe.Pointer{unsafe.Pointer(all[1])}}) }))
	all[1].key = poison
	p.s.check.objects[unsafe.Pointer(all[1])].state = isRetired
	closeEmpty(t, p)
}

// A write to a freed object that is not given out again is found when its slab goes, at Close.
func TestInvariants_WriteFoundAtClose(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "tables", PrivateFree: true})
	obj := get(t, p)
	p.Free(obj)
	obj.key = 8
	text := panicText(t, func() { p.Close(watchdogContext(t)) })
	require.Regexp(t, `(?s)^slab: pool tables of slab.flat: byte \d+ of 0x[0-9a-f]+ was written after it was freed.*TestInvariants_WriteFoundAtClose`, text)
}

// An object that is reused, and perhaps retired again, before the call that was to poison it comes,
// is not poisoned by that.
func TestInvariants_ReusedIsNotPoisoned(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	obj := get(t, p)
	early := retirement{unsafe.Pointer(obj), p.s.check.objects[unsafe.Pointer(obj)], 1}
	p.Retire(obj)
	p.Trim()
	settle(t, d)
	for p.Stats().InUse < int64(p.s.perSlab) { // the object is among them
		*get(t, p) = flat{key: 7}
	}
	late := func() {
		p.s.check.mu.Lock()
		p.s.check.called = []retirement{early}
		p.s.check.mu.Unlock()
		p.s.check.unread()
	}
	late()
	require.EqualValues(t, 7, obj.key)
	leave := enter(t, d)
	p.Retire(obj)
	late()
	require.EqualValues(t, 7, obj.key, "a section may hold it")
	leave()
}

// A pool that was closed or dropped is not kept to tell whose an object is.
func TestInvariants_EndedPoolIsForgotten(t *testing.T) {
	skipControlled(t)
	d := newDomain(t)
	listed := func(c *checks) bool {
		everyPool.mu.Lock()
		defer everyPool.mu.Unlock()
		return slices.Contains(everyPool.checks, c)
	}
	p, b := New[flat](d, Options{}), NewBlocks(d, Options{})
	checks := []*checks{&p.s.check, &b.classes[0].check}
	for _, c := range checks {
		require.True(t, listed(c))
	}
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
	for _, c := range checks {
		require.False(t, listed(c))
	}
	dropped(func() {
		p := New[flat](d, Options{})
		get(t, p)
		checks[0] = &p.s.check
	})
	collectUntil(func() bool { return !listed(checks[0]) })
}

// Close waits for readers, so in a section of the domain it is refused, and the pool stays open.
func TestInvariants_CloseInSection(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "mine"})
	require.NoError(t, err)
	p, b := New[[64]byte](d, Options{}), NewBlocks(d, Options{})
	ctx := watchdogContext(t)
	s := d.Enter()
	for _, closing := range []func(context.Context) error{p.Close, b.Close} {
		text := panicText(t, func() { closing(ctx) })
		require.Contains(t, text, "slab: Close inside a section of domain mine, for which it may wait: Leave first")
	}
	s.Leave()
	obj, err := p.Get()
	require.NoError(t, err)
	p.Free(obj)
	require.NoError(t, p.Close(ctx))
	require.NoError(t, b.Close(ctx))
}
