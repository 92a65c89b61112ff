package holds

import (
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type whole struct{ part node }

var (
	wholes smr.Pointer[whole]
	texts  *smrmap.Bytes
	nodes  *smrmap.Map[int, node]
)

func leakedItem(key []byte) int {
	s := texts.Enter()
	h, ok := texts.Hold(s, key) // want `the hold is not released on the way that returns at line \d+ \(smrhold\)`
	s.Leave()
	if !ok {
		return 0
	}
	n := len(h.Get().Value)
	if n == 0 {
		return 0
	}
	h.Release()
	return n
}

func leakedValue() int {
	s := nodes.Enter()
	defer s.Leave()
	if h, ok := nodes.Hold(s, 1); ok { // want `the hold is not released on the way that returns at line \d+ \(smrhold\)`
		return h.Get().value
	}
	return 0
}

func droppedItem(key []byte) {
	s := texts.Enter()
	_, ok := texts.Hold(s, key) // want `the hold that Hold opens is dropped: it is never released \(smrhold\)`
	s.Leave()
	if ok {
		println("it is there")
	}
}

func itemAfter(key []byte) byte {
	s := texts.Enter()
	h, ok := texts.Hold(s, key)
	s.Leave()
	if !ok {
		return 0
	}
	b := h.Get().Value
	h.Release()
	return b[0] // want `what Get returned at line \d+ is used after its hold was released at line \d+ \(smruseafterleave\)`
}

func leakedPart() int {
	s := dom.Enter()
	defer s.Leave()
	w := wholes.Load(s)
	h := smr.HoldPart(s, w, &w.part) // want `the hold is not released on the way that returns at line \d+ \(smrhold\)`
	return h.Get().value
}

func itemOutside(key []byte) {
	s := texts.Enter()
	s.Leave()
	if h, ok := texts.Hold(s, key); ok { // want `Hold is called with a section that was left before`
		h.Release()
	}
}

// From here on all is right.

func rightItem(key []byte) int {
	s := texts.Enter()
	h, ok := texts.Hold(s, key)
	s.Leave()
	if !ok {
		return 0
	}
	defer h.Release()
	return len(h.Get().Value)
}

func rightValue() int {
	s := nodes.Enter()
	h, ok := nodes.Hold(s, 1)
	s.Leave()
	if !ok {
		return 0
	}
	defer h.Release()
	return h.Get().value
}

func rightReturnedItem(key []byte) (smrmap.HeldItem, bool) {
	s := texts.Enter()
	defer s.Leave()
	return texts.Hold(s, key)
}

func rightItemCopied(key []byte) []byte {
	s := texts.Enter()
	h, ok := texts.Hold(s, key)
	s.Leave()
	if !ok {
		return nil
	}
	b := append([]byte(nil), h.Get().Value...)
	h.Release()
	return b
}
