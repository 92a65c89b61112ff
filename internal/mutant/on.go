//go:build smr_mutant

package mutant

import "os"

var active = Name(os.Getenv(Env))

// Is reports whether the named bug is switched on.
func Is(n Name) bool { return n == active }
