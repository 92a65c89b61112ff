package main

import "github.com/gosmr/gosmr/smr"

// visitLate and readLate enter as readers do that may come late.
//
//go:noinline
func visitLate(d *smr.Domain, p *smr.Pointer[int]) int {
	s, ok := d.TryEnter()
	if !ok {
		return 0
	}
	v := *p.Load(s)
	s.Leave()
	return v
}

//go:noinline
func readLate(r *smr.Reader, p *smr.Pointer[int]) int {
	s, ok := r.TryEnter()
	if !ok {
		return 0
	}
	v := *p.Load(s)
	s.Leave()
	return v
}
