package callers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:noinline
func outer() (own, callers Stack) { return inner() }

func inner() (own, callers Stack) { return Here(0), Here(1) }

func TestHere_Skips(t *testing.T) {
	own, above := outer()
	require.Equal(t, "callers.inner", own.Innermost())
	require.Equal(t, "callers.outer", above.Innermost())
	require.True(t, strings.HasPrefix(above.String(), "\tgithub.com/gosmr/gosmr/internal/callers.outer\n\t\t"), "%s", above)
	require.Regexp(t, `callers_test\.go:\d+\n`, above.String())
	require.Contains(t, above.String(), "TestHere_Skips")
}

func TestStack_Empty(t *testing.T) {
	require.Contains(t, Stack(nil).String(), "unknown")
	require.Equal(t, "unknown", Stack(nil).Innermost())
}
