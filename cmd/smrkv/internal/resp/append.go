package resp

import "strconv"

// The Append functions append one reply, or the beginning of one, to dst.

// AppendSimple appends a simple string, which must not contain CR or LF.
func AppendSimple(dst []byte, s string) []byte {
	dst = append(dst, '+')
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

// AppendError appends an error. CR and LF in s, which may quote what a client
// sent, become spaces.
func AppendError(dst []byte, s string) []byte {
	dst = append(dst, '-')
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}

// AppendInt appends an integer.
func AppendInt(dst []byte, n int64) []byte {
	return appendHeader(dst, ':', n)
}

// AppendBulk appends a bulk string.
func AppendBulk[S []byte | string](dst []byte, s S) []byte {
	dst = appendHeader(dst, '$', int64(len(s)))
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

// AppendBulkHeader appends what comes before the n bytes of a bulk string; CR
// and LF follow those.
func AppendBulkHeader(dst []byte, n int) []byte {
	return appendHeader(dst, '$', int64(n))
}

// AppendArray appends the header of an array; its n elements follow.
func AppendArray(dst []byte, n int) []byte {
	return appendHeader(dst, '*', int64(n))
}

// HeaderSize is the most bytes that a header or an integer reply takes.
const HeaderSize = len(":-9223372036854775808\r\n")

func appendHeader(dst []byte, kind byte, n int64) []byte {
	if 0 <= n && n < 10 {
		return append(dst, kind, '0'+byte(n), '\r', '\n')
	}
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}
