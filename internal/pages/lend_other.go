//go:build invariants && unix && !linux && !race

package pages

func protectLent(b block, prot int) error { return protect(b, prot) }
