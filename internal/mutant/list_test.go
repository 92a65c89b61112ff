package mutant

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContributing_ListsTheBugs(t *testing.T) {
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	require.NoError(t, err)
	for _, b := range Bugs {
		row := fmt.Sprintf("| `%s` | %s | `%s`", b.Name, b.Why, b.Package)
		for _, test := range []string{b.Test, b.Schedules} {
			if test != "" {
				row += fmt.Sprintf(" `%s`", test)
			}
		}
		require.Contains(t, string(text), row+" |\n")
		require.NotEmpty(t, b.Test+b.Schedules, b.Name)
	}
}

func TestIs_OffByDefault(t *testing.T) {
	for _, b := range Bugs {
		require.False(t, Is(b.Name), b.Name)
	}
}
