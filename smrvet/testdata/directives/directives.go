// Package directives has reports that are silenced, and directives that are wrong.
package directives

import "github.com/gosmr/gosmr/smr"

var dom = smr.Default()

func silenced() {
	dom.Enter() //smr:ok the process ends here
	//smr:ok the process ends here, too
	dom.Enter()
}

func noReason() {
	/* want `//smr:ok needs a reason` */ //smr:ok
	dom.Enter().Leave()
}

func useless() {
	dom.Enter().Leave() //smr:ok it is right // want `this //smr:ok silences nothing: remove it`
}

func other() {
	dom.Enter() // want `smrdropped`
	dom.Enter() //smr:ok only this line
}

// wrongName has no such parameter.
//
//smr:borrows t // want `wrongName has no parameter "t"`
func wrongName(s smr.Section) []byte { return nil }

// keeps keeps the section, in a way that is not seen.
//
//smr:holds s
func keeps(s smr.Section) bool { return s.Active() }

func handedOver() bool {
	s := dom.Enter()
	return keeps(s)
}
