// Package fixes has mistakes that can be corrected.
package fixes

import "github.com/gosmr/gosmr/smr"

var (
	dom  = smr.Default()
	root smr.Pointer[int]
)

func unleft() int {
	s := dom.Enter() // want `smrunleft`
	return *root.Load(s)
}

func held(p *int) int {
	s := dom.Enter()
	defer s.Leave()
	h := smr.Hold(s, p) // want `smrhold`
	return *h.Get()
}

func inLoop() {
	for range 100 {
		s := dom.Enter() // want `smrunleft`
		_ = root.Load(s)
	}
}

func useless() {
	dom.Enter().Leave() //smr:ok it is right // want `silences nothing`
}
