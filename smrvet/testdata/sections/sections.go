// Package sections has sections that are opened and left, or not.
package sections

import (
	"errors"
	"os"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

type node struct{ value int }

var (
	dom  = smr.Default()
	root smr.Pointer[node]
	errX = errors.New("x")
)

func work() error { return nil }

func droppedAlone() {
	dom.Enter() // want `the section that Enter opens is dropped: it is never left \(smrdropped\)`
}

func droppedBlank() {
	_ = dom.Pin() // want `smrdropped`
}

func droppedDeferred() {
	defer dom.Enter() // want `smrdropped`
}

func droppedGo() {
	go dom.Enter() // want `smrdropped`
}

func droppedTry() bool {
	if _, ok := dom.TryEnter(); ok { // want `smrdropped`
		return true
	}
	return false
}

func droppedReader(r *smr.Reader) {
	r.Enter() // want `smrdropped`
}

func droppedShare(p *slab.Pool[node]) {
	p.Pin() // want `the share of a pool that Pin opens is dropped: it is never unpinned \(smrdropped\)`
}

func opens() smr.Section { return dom.Enter() }

func droppedOfHelper() {
	opens() // want `the section that opens opens is dropped`
}

func unleftAlways() int {
	s := dom.Enter() // want `the section is not left on the way that returns at line \d+ \(smrunleft\)`
	v := root.Load(s).value
	return v
}

func unleftOnError() error {
	s := dom.Enter() // want `smrunleft`
	if root.Load(s) == nil {
		return errX
	}
	s.Leave()
	return nil
}

func unleftInSwitch(k int) int {
	s := dom.Pin() // want `smrunleft`
	switch k {
	case 0:
		s.Leave()
		return 0
	case 1:
		return 1
	default:
		s.Leave()
	}
	return 2
}

func unleftInLoop(keys []int) {
	for _, k := range keys {
		s := dom.Enter() // want `still open where the loop comes back here`
		if k == 0 {
			continue
		}
		_ = root.Load(s)
		s.Leave()
	}
}

func unleftByGoto(n int) {
again:
	s := dom.Enter() // want `smrunleft`
	if root.Load(s) == nil {
		n--
		if n > 0 {
			goto again
		}
	}
	s.Leave()
}

func unleftTry() int {
	s, ok := dom.TryEnter() // want `smrunleft`
	if !ok {
		return 0
	}
	return root.Load(s).value
}

func unleftActive() bool {
	return dom.Enter().Active() // want `smrunleft`
}

func deferInLoop(keys []int) {
	for range keys {
		s := dom.Enter()
		defer s.Leave() // want `a deferred Leave in a loop runs when the function returns: until then each turn's section stays open \(smrdeferinloop\)`
		_ = root.Load(s)
	}
}

func deferClosureInLoop(keys []int) {
	for range keys {
		s := dom.Enter()
		defer func() { // want `smrdeferinloop`
			s.Leave()
		}()
	}
}

func deferInWalk(keys func(func(int) bool)) {
	for range keys {
		s := dom.Enter()
		defer s.Leave() // want `smrdeferinloop`
	}
}

func twice() {
	s := dom.Enter()
	s.Leave()
	s.Leave() // want `the section is left twice`
}

func twiceByDefer(early bool) {
	s := dom.Enter()
	defer s.Leave()
	if early {
		s.Leave() // want `left twice: here, and by the defer statement`
		return
	}
	_ = root.Load(s)
}

func usedAfter() *node {
	s := dom.Enter()
	s.Leave()
	return root.Load(s) // want `smrreturnborrowed` `Load is called with a section that was left before`
}

// From here on all is right.

func rightDefer() int {
	s := dom.Enter()
	defer s.Leave()
	return root.Load(s).value
}

func rightDeferClosure() int {
	s := dom.Enter()
	defer func() { s.Leave() }()
	return root.Load(s).value
}

func rightDeferArgument() int {
	s := dom.Enter()
	defer func(s smr.Section) { s.Leave() }(s)
	return root.Load(s).value
}

func rightImmediately() { dom.Enter().Leave() }

func rightDeferredAtOnce() {
	defer dom.Enter().Leave()
}

func rightBothWays(k int) int {
	s := dom.Enter()
	if k == 0 {
		s.Leave()
		return 0
	}
	s.Leave()
	return 1
}

func rightSameCondition(k bool) {
	s := dom.Enter()
	if k {
		s.Leave()
	}
	if !k {
		s.Leave()
	}
}

func rightRemembered(keys []int) {
	s := dom.Enter()
	left := false
	for range keys {
		if work() != nil {
			s.Leave()
			left = true
			break
		}
	}
	if !left {
		s.Leave()
	}
}

func rightLoop(keys []int) (n int) {
	for range keys {
		s := dom.Enter()
		n += root.Load(s).value
		s.Leave()
	}
	return n
}

func rightLoopFunc(keys []int) (n int) {
	for range keys {
		func() {
			s := dom.Enter()
			defer s.Leave()
			n += root.Load(s).value
		}()
	}
	return n
}

func rightRetry() int {
	for {
		s, ok := dom.TryEnter()
		if !ok {
			if work() != nil {
				return 0
			}
			continue
		}
		defer s.Leave()
		return root.Load(s).value
	}
}

func rightTry() int {
	s, ok := dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	return root.Load(s).value
}

func rightTryIf() int {
	if s, ok := dom.TryEnter(); ok {
		defer s.Leave()
		return root.Load(s).value
	}
	return 0
}

func rightReenter() int {
	s := dom.Enter()
	a := root.Load(s).value
	s.Leave()
	s = dom.Enter()
	b := root.Load(s).value
	s.Leave()
	return a + b
}

func rightReenterInLoop(n int) {
	s := dom.Enter()
	for i := range n {
		if i%100 == 99 { // let memory go
			s.Leave()
			s = dom.Enter()
		}
		_ = root.Load(s)
	}
	s.Leave()
}

func rightEither(pin bool) int {
	var s smr.Section
	if pin {
		s = dom.Pin()
	} else {
		s = dom.Enter()
	}
	defer s.Leave()
	return root.Load(s).value
}

func rightReturned() smr.Section { return dom.Enter() }

func rightReturnedWithValue() (smr.Section, *node) {
	s := dom.Enter()
	return s, root.Load(s)
}

func leave(s smr.Section) { s.Leave() }

func rightLeftByHelper() {
	s := dom.Enter()
	leave(s)
}

func maybeLeave(s smr.Section, now bool) {
	if now {
		s.Leave()
	}
}

func rightPerhapsByHelper() {
	s := dom.Enter()
	maybeLeave(s, true)
}

func load(s smr.Section) *node { return root.Load(s) }

func rightHelperLoads() int {
	s := dom.Enter()
	v := load(s).value
	s.Leave()
	return v
}

func unleftHelperLoads() int {
	s := dom.Enter() // want `smrunleft`
	return load(s).value
}

func rightPassed(use func(smr.Section)) {
	s := dom.Enter()
	use(s)
}

func rightMethodValue(later func(func())) {
	s := dom.Enter()
	later(s.Leave)
}

func rightOtherGoroutine() {
	s := dom.Enter()
	go func() {
		_ = root.Load(s)
		s.Leave()
	}()
}

func rightChannel(c chan smr.Section) { c <- dom.Enter() }

func rightExit(k bool) {
	s := dom.Enter()
	if k {
		os.Exit(1)
	}
	s.Leave()
}

func rightPanic(k bool) {
	s := dom.Enter()
	if k {
		panic("a bug")
	}
	s.Leave()
}

func rightForever() {
	s := dom.Enter()
	_ = root.Load(s)
	select {}
}

func rightNamedResult() (err error) {
	s := dom.Enter()
	defer func() {
		s.Leave()
		if r := recover(); r != nil {
			err = errX
		}
	}()
	return work()
}

func rightConditionalDefer() (s smr.Section, err error) {
	s = dom.Enter()
	defer func() {
		if err != nil {
			s.Leave()
		}
	}()
	return s, work()
}

func rightRead() (v int) {
	dom.Read(func(s smr.Section) { v = root.Load(s).value })
	return v
}

func rightGoto(n int) {
again:
	s := dom.Enter()
	v := root.Load(s).value
	s.Leave()
	if v < n {
		goto again
	}
}

func rightShare(p *slab.Pool[node]) *node {
	l := p.Pin()
	defer l.Unpin()
	return l.Get()
}

func rightArray() {
	var open [3]smr.Section
	for i := range open {
		open[i] = dom.Enter()
	}
	for _, s := range open {
		s.Leave()
	}
}

func rightFewSections() {
	for range 3 {
		s := dom.Enter()
		defer s.Leave()
	}
	for _, v := range []int{1, 2, 3} {
		s := dom.Enter()
		defer s.Leave()
		_ = v
	}
}

func rightOpposite() {
	s := dom.Enter()
	err := work()
	if err != nil {
		s.Leave()
	}
	if err == nil {
		_ = root.Load(s)
		s.Leave()
	}
}
