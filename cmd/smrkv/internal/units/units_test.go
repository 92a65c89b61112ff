package units

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "1k": 1000, "1kb": 1 << 10, "1KiB": 1 << 10, "100mb": 100 << 20,
		"256MiB": 256 << 20, "2M": 2_000_000, "1gb": 1 << 30, "3 GiB": 3 << 30, "7b": 7, "2g": 2_000_000_000,
	} {
		got, err := ParseBytes(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "x", "-1", "1.5gb", "1tb", "mb", "9223372036854775807kb", "99999999999999999999"} {
		_, err := ParseBytes(s)
		require.Error(t, err, s)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1536: "1.50K", 3 << 20: "3.00M", 5 << 30: "5.00G"} {
		require.Equal(t, want, FormatBytes(n))
	}
}
