package smrdebug

import (
	"encoding/json"

	"github.com/gosmr/gosmr/smr"
)

// A DomainVar is a domain for package expvar.
type DomainVar struct{ dom *smr.Domain }

// Var returns the domain as a variable of package expvar, which shows what ?format=json does:
//
//	expvar.Publish("smr", smrdebug.Var(dom))
//
// The package does not import expvar, whose import registers /debug/vars.
func Var(d *smr.Domain) DomainVar { return DomainVar{d} }

// String returns the domain's snapshot as JSON.
func (v DomainVar) String() string {
	dg := v.dom.Diagnose(listed)
	b, err := json.Marshal(newDomain(&dg, findings(&dg)))
	if err != nil {
		panic(err) // it has only numbers and strings
	}
	return string(b)
}
