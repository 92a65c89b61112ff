//go:build smr_mutant

package mutant

import "os"

// Env is the environment variable that names the bug to switch on.
const Env = "SMR_MUTANT"

var active = Name(os.Getenv(Env))

// Is reports whether the named bug is switched on.
func Is(n Name) bool { return n == active }
