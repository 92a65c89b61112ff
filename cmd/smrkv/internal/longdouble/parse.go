package longdouble

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// maxText is how long a number may be. Redis has a buffer of that size, with a NUL.
const maxText = 5<<10 - 1

// Parse parses all of text as Redis does wherever it wants a long double: as strtold,
// in decimal or after 0x in hexadecimal, or an infinity. Not a number is no number, nor
// is what strtold makes infinite, or 0 though it isn't.
func Parse(text []byte) (n Number, ok bool) {
	if len(text) > maxText {
		return n, false
	}
	digits, negative := text, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		digits, negative = text[1:], text[0] == '-'
	}
	n.f.SetPrec(precision)
	switch {
	case isWord(digits, "inf"), isWord(digits, "infinity"):
		n.f.SetInf(negative)
		return n, true
	case len(digits) > 1 && isWord(digits[:2], "0x"):
		ok = n.parse(digits[2:], &hexadecimal)
	default:
		ok = n.parse(digits, &decimal)
	}
	if negative {
		n.f.Neg(&n.f)
	}
	return n, ok
}

func isWord(b []byte, word string) bool {
	return len(b) == len(word) && string(bytes.ToLower(b)) == word
}

// A notation is a way to write numbers.
type notation struct {
	base     int
	bits     int // that a digit counts in the exponent; decimal: digits
	digits   string
	exponent string // what may stand before it
	scale    func(f *big.Float, m *big.Int, exp int)

	// What is out of these bounds, in the exponent's unit, overflows or becomes 0 for
	// certain, and is not computed: it could take long.
	low, high int
}

var (
	decimal     = notation{10, 1, "0123456789", "eE", scaleDecimal, -4950, 4933}
	hexadecimal = notation{16, 4, "0123456789abcdefABCDEF", "pP", scaleBinary, -16450, 16390}
)

func scaleDecimal(f *big.Float, m *big.Int, exp int) {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		f.SetInt(m.Mul(m, power))
		return
	}
	f.Quo(new(big.Float).SetInt(m), new(big.Float).SetInt(power)) // which are exact
}

func scaleBinary(f *big.Float, m *big.Int, exp int) { f.SetMantExp(f.SetInt(m), exp) }

func (n *Number) parse(text []byte, in *notation) bool {
	mantissa, exp, ok := in.split(text)
	if !ok || len(mantissa) == 0 {
		return ok
	}
	if size := in.bits*len(mantissa) + exp; size < in.low || size > in.high {
		return false
	}
	m, ok := new(big.Int).SetString(string(mantissa), in.base)
	if !ok {
		return false
	}
	in.scale(&n.f, m, exp)
	return inRange(&n.f) && n.f.Cmp(tiny) > 0
}

// split returns a number's digits as those of an integer, without zeros before it, and
// the exponent that goes with that.
func (in *notation) split(text []byte) (mantissa []byte, exp int, ok bool) {
	whole, rest := span(text, in.digits)
	var fraction []byte
	if len(rest) > 0 && rest[0] == '.' {
		fraction, rest = span(rest[1:], in.digits)
	}
	if len(whole)+len(fraction) == 0 {
		return nil, 0, false
	}
	if len(rest) > 0 {
		if !strings.Contains(in.exponent, string(rest[:1])) {
			return nil, 0, false
		}
		if exp, ok = parseExponent(rest[1:]); !ok {
			return nil, 0, false
		}
	}
	mantissa = bytes.TrimLeft(slices.Concat(whole, fraction), "0")
	return mantissa, exp - in.bits*len(fraction), true
}

// span returns the bytes at the beginning of b that are in the set, and the rest.
func span(b []byte, set string) (in, rest []byte) {
	rest = bytes.TrimLeft(b, set)
	return b[:len(b)-len(rest)], rest
}

// parseExponent parses an integer. One too large for an int is cut; it is out of any
// bounds.
func parseExponent(b []byte) (exp int, ok bool) {
	const most = 1 << 20
	exp, err := strconv.Atoi(string(b))
	return max(-most, min(exp, most)), err == nil || errors.Is(err, strconv.ErrRange)
}
