package resp

import (
	"errors"
	"strings"
)

var errUnbalanced = errors.New("Protocol error: unbalanced quotes in request")

// splitInline splits an inline command into words, as Redis's sdssplitargs: at
// white space, with "double" quotes that know escapes and 'single' ones that know
// \' only. The words are decoded in place, which they do not outgrow, and their
// positions appended to spans.
func splitInline(line []byte, spans []span) ([]span, error) {
	r, w := 0, 0
	for {
		for r < len(line) && isSpace(line[r]) {
			r++
		}
		if r == len(line) {
			return spans, nil
		}
		start := w
		var err error
		if r, w, err = splitWord(line, r, w); err != nil {
			return spans, err
		}
		spans = append(spans, span{start, w})
	}
}

// splitWord decodes the word at line[r:] to line[w:], and returns where both end.
func splitWord(line []byte, r, w int) (int, int, error) {
	for ; r < len(line); r++ {
		switch c := line[r]; c {
		case ' ', '\n', '\r', '\t':
			return r, w, nil
		case '"', '\'':
			return splitQuoted(line, r, w)
		default:
			line[w] = c
			w++
		}
	}
	return r, w, nil
}

// splitQuoted decodes what is quoted from line[r] on. The closing quote ends the
// word, and white space or nothing must follow it.
func splitQuoted(line []byte, r, w int) (int, int, error) {
	quote := line[r]
	for r++; r < len(line); r++ {
		c := line[r]
		switch {
		case c == quote:
			if r++; r < len(line) && !isSpace(line[r]) {
				return r, w, errUnbalanced
			}
			return r, w, nil
		case c == '\\' && quote == '\'':
			if r+1 < len(line) && line[r+1] == '\'' {
				r++
				c = '\''
			}
		case c == '\\' && r+3 < len(line) && line[r+1] == 'x' && isHex(line[r+2]) && isHex(line[r+3]):
			c = unhex(line[r+2])<<4 | unhex(line[r+3])
			r += 3
		case c == '\\' && r+1 < len(line):
			r++
			c = unescape(line[r])
		}
		line[w] = c
		w++
	}
	return r, w, errUnbalanced
}

func unescape(c byte) byte {
	if i := strings.IndexByte("nrtba", c); i >= 0 {
		return "\n\r\t\b\a"[i]
	}
	return c
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
