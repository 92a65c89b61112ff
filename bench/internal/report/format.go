package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gosmr/gosmr/bench/internal/family"
)

// A unit is what a value is shown in.
type unit struct {
	size float64
	name string // with the space before it, if there is one
}

var units = map[string][]unit{
	"ns":  {{1, " ns"}, {1e3, " µs"}, {1e6, " ms"}, {1e9, " s"}},
	"B":   {{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}},
	"1/s": {{1, "/s"}, {1e3, " k/s"}, {1e6, " M/s"}, {1e9, " G/s"}},
}

// unitOf chooses the largest unit of which there is one, after rounding.
func unitOf(v float64, of string) unit {
	all := units[of]
	if all == nil {
		return unit{1, " " + of}
	}
	u := all[0]
	for _, larger := range all[1:] {
		if math.Abs(v) >= larger.size || math.Abs(round3(v)) >= larger.size {
			u = larger
		}
	}
	return u
}

// Format shows a number for people, as "1.23 µs".
func Format(v float64, unit string) string { return value(v, unit) }

// value shows a number for people, as "1.23 µs".
func value(v float64, of string) string {
	u := unitOf(v, of)
	return digits(v/u.size) + u.name
}

// value shows a median and its range, as "1.23 µs [0.98–4.50]".
func (s Stat) value(of string) string {
	u := unitOf(s.Median, of)
	shown := digits(s.Median/u.size) + u.name
	if s.N == 1 {
		return shown
	}
	return shown + " [" + digits(s.Min/u.size) + "–" + digits(s.Max/u.size) + "]"
}

// mark shows a round number, as "2.5 µs".
func mark(v float64, of string) string {
	if v == 0 {
		return "0"
	}
	u := unitOf(v, of)
	return trimmed(v/u.size) + u.name
}

func trimmed(v float64) string {
	s := digits(v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// round3 rounds to three significant digits.
func round3(v float64) float64 {
	if v == 0 {
		return 0
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64) // what was formatted is a number
	return r
}

// digits shows three significant digits, and all of those before the point.
func digits(v float64) string {
	if v == 0 {
		return "0"
	}
	if math.Abs(v) >= 1000 {
		return grouped(v)
	}
	before := int(math.Floor(math.Log10(math.Abs(round3(v))))) + 1
	if before > 3 {
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'f', min(3-before, 6), 64)
}

// grouped shows a whole number, as "12,300".
func grouped(v float64) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		s = "-" + s
	}
	return s
}

// times shows a ratio.
func times(ratio float64, ok bool) string {
	switch {
	case !ok:
		return "–"
	case math.IsInf(ratio, 1):
		return "∞"
	case ratio >= 0.1 && ratio < 10:
		return strconv.FormatFloat(ratio, 'f', 2, 64)
	}
	return digits(ratio)
}

// paramText says which value of the parameter is meant.
func paramText(f family.Family, param int) string {
	if f.Param == "" {
		return ""
	}
	return f.Param + ": " + grouped(float64(param))
}

// procsText says on how many processors, where that matters.
func procsText(f family.Family, procs int) string {
	switch {
	case f.OneProc:
		return ""
	case procs == 1:
		return "1 processor"
	}
	return grouped(float64(procs)) + " processors"
}

// joined puts what is not empty into a row.
func joined(sep string, parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, sep)
}

// escape keeps a text from being markup.
func escape(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "<", "&lt;", "&", "&amp;", "\n", " ",
	).Replace(strings.TrimSpace(s))
}

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
