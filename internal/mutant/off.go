//go:build !smr_mutant

package mutant

// Is reports whether the named bug is switched on: never, in this build, and
// the compiler removes the branch.
func Is(Name) bool { return false }
