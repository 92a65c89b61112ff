package smr

import (
	"fmt"
	"strings"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/callers"
)

// stackOf formats the stack of a sampled entry, from the caller of this module's entry on.
func stackOf(s *clock.Sample) string {
	var b strings.Builder
	for f := range callers.Stack(s.Stack()).Frames() {
		if b.Len() == 0 && isEntry(f.Function) {
			continue
		}
		fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// isEntry reports whether the function is one of those that enter a section.
func isEntry(function string) bool {
	name, ok := strings.CutPrefix(function, "github.com/gosmr/gosmr/")
	if !ok {
		return false
	}
	for _, of := range []string{"clock.(*Clock).", "clock.(*Record).", "smr.(*Domain).", "smr.(*Reader)."} {
		if strings.HasPrefix(name, of) {
			return true
		}
	}
	return false
}
