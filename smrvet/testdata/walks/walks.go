// Package walks has what is borrowed by a function that is called with it, and kept.
package walks

import (
	"bytes"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

type node struct {
	value int
	link  smrq.Link[node]
}

var (
	dom   = smr.Default()
	root  smr.Pointer[node]
	cache *smrmap.Bytes
	queue *smrq.List[node]
	last  []byte
)

func use(any) {}

func keys() (kept [][]byte) {
	for k := range cache.Keys() {
		kept = append(kept, k) // want `kept in a variable outside of it: keep a copy \(smrwalkescape\)`
	}
	return kept
}

func values() (kept []smrmap.Item) {
	for _, it := range cache.All() {
		kept = append(kept, it) // want `smrwalkescape`
	}
	return kept
}

func index() map[string][]byte {
	m := make(map[string][]byte)
	for k, it := range cache.All() {
		m[string(k)] = it.Value // want `kept in a map`
	}
	return m
}

func found() []byte {
	var hit []byte
	for k := range cache.Keys() {
		if len(k) > 3 {
			hit = k // want `smrwalkescape`
			break
		}
	}
	return hit
}

func view(key []byte) []byte {
	var v []byte
	cache.View(key, func(it smrmap.Item) { v = it.Value }) // want `smrwalkescape`
	return v
}

func scanned() (kept [][]byte) {
	cache.Scan(0, 100, func(k []byte, it smrmap.Item) {
		kept = append(kept, k[1:]) // want `smrwalkescape`
	})
	return kept
}

func read() int {
	var v *node
	dom.Read(func(s smr.Section) { v = root.Load(s) }) // want `smrwalkescape`
	return v.value
}

func sent(c chan []byte) {
	for k := range cache.Keys() {
		c <- k // want `is sent to another goroutine, and nothing waits for that`
	}
}

func started() {
	for k := range cache.Keys() {
		go use(k[0])
		go func() { use(k[0]) }() // want `is used by another goroutine`
	}
}

func startedInSection() {
	s := dom.Enter()
	v := root.Load(s)
	go func() { use(v.value) }() // want `what Load returned at line \d+ is used by another goroutine`
	s.Leave()
}

func later() {
	s := dom.Enter()
	defer s.Leave()
	v := root.Load(s)
	dom.CallFunc(0, func() { use(v.value) }) // want `is used by a function that runs later`
}

func laterByTimer() {
	s := dom.Enter()
	defer s.Leave()
	v := root.Load(s)
	time.AfterFunc(time.Second, func() { use(v.value) }) // want `smrwalkescape`
}

// From here on all is right.

func rightKeys() (kept [][]byte) {
	for k := range cache.Keys() {
		kept = append(kept, bytes.Clone(k))
	}
	return kept
}

func rightStrings() (kept []string) {
	for k := range cache.Keys() {
		kept = append(kept, string(k))
	}
	return kept
}

func rightFlat() (all []byte) {
	for k := range cache.Keys() {
		all = append(all, k...)
	}
	return all
}

func rightIndex() map[string]int {
	m := make(map[string]int)
	for k, it := range cache.All() {
		m[string(k)] = len(it.Value)
	}
	return m
}

func rightScratch() (n int) {
	var entry struct{ key, value []byte }
	for k, it := range cache.All() {
		entry.key, entry.value = k, it.Value // set anew before each use
		n += len(entry.key) + len(entry.value)
	}
	return n
}

func rightInBody() (n int) {
	for k := range cache.Keys() {
		head := k
		if len(head) > 4 {
			head = head[:4]
		}
		n += len(head)
	}
	return n
}

func rightView(key []byte) (v []byte) {
	cache.View(key, func(it smrmap.Item) { v = bytes.Clone(it.Value) })
	return v
}

func rightViewAppend(key, dst []byte) []byte {
	cache.View(key, func(it smrmap.Item) { dst = append(dst, it.Value...) })
	return dst
}

func rightFlag(key []byte) (long bool) {
	cache.View(key, func(it smrmap.Item) { long = len(it.Value) > 10 })
	return long
}

func rightMapWalk(m *smrmap.Map[int, string]) (kept []string) {
	for _, v := range m.All() { // copies
		kept = append(kept, v)
	}
	return kept
}

func rightQueue() (kept []*node) {
	s := dom.Enter()
	defer s.Leave()
	for e := range queue.All(s) {
		kept = append(kept, e)
	}
	use(len(kept))
	return nil
}

func rightAnswered(c chan []byte, done chan bool) {
	for k := range cache.Keys() {
		c <- k
		<-done
	}
}

func rightWaited() {
	s := dom.Enter()
	v := root.Load(s)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		use(v.value)
	}()
	wg.Wait()
	s.Leave()
}

func rightHandedOver() {
	s := dom.Enter()
	v := root.Load(s)
	go func() {
		use(v.value)
		s.Leave()
	}()
}

func rightFreed() {
	s := dom.Enter()
	defer s.Leave()
	v := root.Load(s)
	if root.CompareAndSwap(v, nil) {
		dom.CallFunc(8, func() { use(v.value) })
	}
}

func rightCopyLater() {
	s := dom.Enter()
	defer s.Leave()
	n := root.Load(s).value
	dom.CallFunc(0, func() { use(n) })
}

func rightRead() (n int) {
	dom.Read(func(s smr.Section) { n = root.Load(s).value })
	return n
}

func rightReadNil() (empty bool) {
	dom.Read(func(s smr.Section) {
		v := root.Load(s)
		empty = v == nil
	})
	return empty
}
