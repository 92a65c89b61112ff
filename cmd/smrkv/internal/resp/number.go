package resp

import "strconv"

// ParseInt parses a decimal as Redis does wherever it wants an integer: an
// optional minus, no plus, no leading zeros, no spaces, within 64 bits.
func ParseInt(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	switch {
	case len(digits) == 0 || len(b) > len("-9223372036854775808") || digits[0] < '0' || digits[0] > '9':
		return 0, false
	case digits[0] == '0':
		return 0, len(b) == 1 // and no "-0"
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}
