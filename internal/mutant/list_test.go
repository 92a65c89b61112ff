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
		row := fmt.Sprintf("| `%s` | %s | `%s` `%s` |\n", b.Name, b.Why, b.Package, b.Test)
		require.Contains(t, string(text), row)
	}
}

func TestIs_OffByDefault(t *testing.T) {
	for _, b := range Bugs {
		require.False(t, Is(b.Name), b.Name)
	}
}
