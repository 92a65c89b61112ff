package generate

// equivalents are mutants that no check can kill, by their ID, with the reason. A test asserts
// that the tree has each.
var equivalents = map[string]string{
	// clock
	"clock/clock.go:Clock.Init: off by one: 1 -> 2 #2":                                                   "a second wake finds nothing to do",
	"clock/clock.go:Clock.Init: operand: relacq.Plain -> (relacq.Plain || true)":                         "fenced asks relacq.Plain again",
	"clock/driver.go:Clock.driveOn: operand: !(scanned && o.spin()) -> (!(scanned && o.spin()) || true)": "sleeps where it would spin",
	"clock/record.go:Record.leaveSlow: operator: + -> -":                                                 "generations differ all the same",
	"clock/scan.go:Clock.position: off by one: 0 -> 1 #2":                                                "an idle record's moment is not used",
	"clock/scan.go:Clock.position: operator: <= -> <":                                                    "the next case gives the same moment",
}

// Equivalent returns why no check can kill a mutant, and whether that is known.
func Equivalent(m Mutant) (why string, ok bool) {
	why, ok = equivalents[m.ID()]
	return why, ok
}
