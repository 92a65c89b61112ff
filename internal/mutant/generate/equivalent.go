package generate

// equivalents are mutants that no check can kill, by their ID, with the reason.
var equivalents = map[string]string{}

// Equivalent returns why no check can kill a mutant, and whether that is known.
func Equivalent(m Mutant) (why string, ok bool) {
	why, ok = equivalents[m.ID()]
	return why, ok
}
