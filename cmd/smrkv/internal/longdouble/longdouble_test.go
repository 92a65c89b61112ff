package longdouble

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The results are those of Redis 7.0.15 on x86-64.
func TestAdd(t *testing.T) {
	for _, tc := range []struct{ a, b, sum string }{
		{"0", "0.1", "0.1"},
		{"0.1", "0.2", "0.3"},
		{"3", "0.00000000000000001", "3.00000000000000001"},
		{"3", "0.000000000000000001", "3"},
		{"-1", "1", "0"},
		{"-0", "-0.0", "0"},
		{"-1e-20", "0", "0"},
		{"5.0001e-18", "0", "0.00000000000000001"},
		{"-4.9999e-18", "0", "0"},
		{"0x1p-58", "0", "0"},
		{".5", "5.", "5.5"},
		{"+1", "1E2", "101"},
		{"9223372036854775807", "1", "9223372036854775808"},
		{"18446744073709551615", "1", "18446744073709551616"},
		{"18446744073709551616", "1", "18446744073709551616"},
		{"18446744073709551615", "0.5", "18446744073709551616"}, // to even
		{"9223372036854775807", "0.5", "9223372036854775807.5"},
		{"0x1.8p3", "0X.8", "12.5"},
		{"0x1e5", "0", "485"},
		{"010", "0e99999999999999999999", "10"},
		{"0x0p99999999999999999999", "1e-4950", "0"},
		{"0x1.8p-16446", "0x1p-16445", "0"},
	} {
		a, ok := Parse([]byte(tc.a))
		require.True(t, ok, tc.a)
		b, ok := Parse([]byte(tc.b))
		require.True(t, ok, tc.b)
		sum, finite := Add(&a, &b)
		require.True(t, finite)
		require.Equal(t, "x"+tc.sum, string(sum.Append([]byte("x"))), "%s + %s", tc.a, tc.b)
	}
}

func TestAdd_NotFinite(t *testing.T) {
	for _, tc := range [][2]string{
		{"inf", "1"}, {"1", "-inf"}, {"inf", "-Infinity"}, {"INF", "+INFINITY"},
		{"1.18973149535723176502e4932", "1e4932"}, {"-0x1p16383", "-0x1p16383"},
	} {
		a, ok := Parse([]byte(tc[0]))
		require.True(t, ok, tc)
		b, ok := Parse([]byte(tc[1]))
		require.True(t, ok, tc)
		_, finite := Add(&a, &b)
		require.False(t, finite, tc)
	}
}

func TestParse_NotANumber(t *testing.T) {
	for _, s := range []string{
		"", " 1", "1 ", "\t1", "1\x00", "x", ".", "+", "-", "++5", "--5", "e5", "1e", "1e+", "1e1.5", "1_0", "0b1", "0o7", "1p3",
		"0x", "0x.", "0x.p1", "0xg", "0x1p", "0x1p+", "nan", "-nan", "nan(1)", "infin", "in", "1,5",
		"1.2e4932", "-1e4933", "1e99999999999999999999", "0x1p16384", "0x1.ffffffffffffffffp16383", "0x1p99999999999999999999",
		"1e-4951", "1.8e-4951", "1e-99999999999999999999", "0x1p-16446", "-0x1p-99999", strings.Repeat("0", 5120),
	} {
		_, ok := Parse([]byte(s))
		require.False(t, ok, "%.50q", s)
	}
	n, ok := Parse([]byte(strings.Repeat("0", 5118) + "1"))
	require.True(t, ok)
	require.Equal(t, "1", string(n.Append(nil)))
}

// What Append writes Parse reads, and both give it the same text again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-12.5", "1e17", "0x1.8p3", "inf", "1e-4950", "1.18973149535723176502e4932", "1e999999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, ok := Parse(text)
		if !ok || n.f.IsInf() {
			return
		}
		once := n.Append(nil)
		again, ok := Parse(once)
		require.True(t, ok, "%q %q", text, once)
		require.Equal(t, string(once), string(again.Append(nil)), "%q", text)
	})
}

func BenchmarkParse(b *testing.B) {
	for _, bc := range []struct{ name, text string }{
		{"short", "10.5"}, {"exponent", "1e-4950"}, {"longest", strings.Repeat("9", 5112) + "e-9999"}, {"largest", "1e4932"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, ok := Parse([]byte(bc.text))
				if !ok {
					b.Fatal("not a number")
				}
				n.Append(nil)
			}
		})
	}
}
