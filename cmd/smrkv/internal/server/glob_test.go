package server

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"*", []string{"", "a", "\x00\xff"}, nil},
		{"**", []string{"a", "\x00\xff"}, []string{""}},
		{"a*c", []string{"ac", "abc", "abcc"}, []string{"a", "acb", "xac"}},
		{"a?c", []string{"abc", "a?c"}, []string{"ac", "abbc"}},
		{"*a*b*", []string{"ab", "xaxbx", "aab"}, []string{"ba", "a"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "x", "a"}},
		{"[c-a]x", []string{"ax", "bx"}, []string{"dx"}},
		{"[^a]", []string{"b"}, []string{"a", ""}},
		{"[a\\]]", []string{"a", "]"}, []string{"\\"}},
		{"[abc", []string{"a", "c"}, []string{"[", "d"}},
		{"[", nil, []string{"[", "a"}},
		{"[]a", nil, []string{"]", "a", "]a"}},
		{"\\*", []string{"*"}, []string{"a", "\\*"}},
		{"\\", []string{"\\"}, []string{"", "a"}},
		{"[a-]", []string{"a", "]", "_"}, []string{"b", "-"}}, // not closed: from a to ],
	} {
		for _, s := range tc.yes {
			require.True(t, match([]byte(tc.pattern), []byte(s)), "%q %q", tc.pattern, s)
		}
		for _, s := range tc.no {
			require.False(t, match([]byte(tc.pattern), []byte(s)), "%q %q", tc.pattern, s)
		}
	}
}

// No pattern takes more than the product of the lengths.
func TestMatch_NoBlowUp(t *testing.T) {
	done := make(chan bool)
	go func() { done <- match([]byte(strings.Repeat("*a", 1000)+"b"), []byte(strings.Repeat("a", 10_000))) }()
	select {
	case ok := <-done:
		require.False(t, ok)
	case <-time.After(time.Minute):
		t.Fatal("takes too long")
	}
}
