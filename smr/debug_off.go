//go:build !invariants

package smr

import "github.com/gosmr/gosmr/clock"

// Without -tags invariants the types below are empty and the functions do nothing. See debug_on.go.

const debugging = false

//lint:ignore U1000 it has fields under -tags invariants
type domainDebug struct{}

//lint:ignore U1000 it has fields under -tags invariants
type sectionDebug struct{}

type pointerDebug struct{}

func (d *Domain) opened(rec *clock.Record, gen uint64, _ clock.Kind) Section {
	return Section{rec: rec, gen: gen}
}

func (s Section) leaving() {}

func (s Section) using() {}

func (p *pointerDebug) loading(Section) {}

// CheckSection panics if s is not an open section of the domain. It is for data structures whose
// methods take their reader's section. Without -tags invariants it does nothing.
func (d *Domain) CheckSection(Section) {}

func (d *Domain) checkNoOwnSection(string) {}

func (d *Domain) openStacks() string { return "" }

func (d *Domain) stackOf(*clock.Record) string { return "" }
