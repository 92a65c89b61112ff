//go:build !invariants

package smr

import "github.com/gosmr/gosmr/clock"

// Without -tags invariants the types below are empty and the functions vanish.

const debugging = false

type domainDebug struct{}

type sectionDebug struct{}

type pointerDebug struct{}

func (d *Domain) opened(rec *clock.Record, gen uint64, _ clock.Kind) Section {
	return Section{rec: rec, gen: gen}
}

func (s Section) leaving() {}

func (s Section) using() {}

func (p *pointerDebug) loading(Section) {}

func (d *Domain) checkNoOwnSection(string) {}

func (d *Domain) openStacks() string { return "" }

func (d *Domain) describe(*clock.Record, *StalledReader) {}
