package relativistic

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is measured is the example, to the letter.
func TestTable_IsTheExample(t *testing.T) {
	code := func(file string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, code, found := strings.Cut(string(text), "\ntype value ")
		require.True(t, found, file)
		return code
	}
	require.Equal(t, code("../../../smrq/example_table_test.go"), code("table.go"))
}

func TestTable_StoreLoad(t *testing.T) {
	tab, err := New()
	require.NoError(t, err)
	for i := range uint64(3000) {
		require.NoError(t, tab.Store(i%1000, value{i}))
	}
	for i := range uint64(1000) {
		v, found := tab.Load(i)
		require.True(t, found)
		require.Equal(t, [4]uint64{2000 + i}, v)
	}
	_, found := tab.Load(1000)
	require.False(t, found)
	tab.pool.Retire(tab.remove(7))
	_, found = tab.Load(7)
	require.False(t, found)
	require.NoError(t, tab.Close(context.Background()))
}
