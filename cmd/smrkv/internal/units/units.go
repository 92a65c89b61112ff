// Package units parses and writes amounts of memory.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var factors = map[string]int64{
	"": 1, "b": 1,
	"k": 1000, "kb": 1 << 10, "kib": 1 << 10, // Redis's: k is 1000 and kb is 1024
	"m": 1000_000, "mb": 1 << 20, "mib": 1 << 20,
	"g": 1000_000_000, "gb": 1 << 30, "gib": 1 << 30,
}

// ParseBytes parses an amount such as 1048576, 100mb or 2GiB. The units are
// Redis's and the binary ones, in any case.
func ParseBytes(s string) (int64, error) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	factor, ok := factors[strings.ToLower(strings.TrimSpace(s[i:]))]
	if err != nil || !ok {
		return 0, fmt.Errorf("not an amount of memory: %q (such as 1048576, 100mb or 2GiB)", s)
	}
	if n > math.MaxInt64/factor {
		return 0, fmt.Errorf("too much memory: %q", s)
	}
	return n * factor, nil
}

// FormatBytes writes an amount as INFO does: 1.50M.
func FormatBytes(n int64) string {
	f := float64(n)
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + "B"
	case n < 1<<20:
		return fmt.Sprintf("%.2fK", f/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.2fM", f/(1<<20))
	}
	return fmt.Sprintf("%.2fG", f/(1<<30))
}
