//go:build !invariants

package smr

func (q *Quiescent) ending() string { return "" }
