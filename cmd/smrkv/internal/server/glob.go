package server

// maxPattern bounds the length of a pattern, which the time for a key is a
// multiple of.
const maxPattern = 64 << 10

const errPattern = "ERR pattern is too long (65536 bytes at most)"

// match reports whether s matches a pattern of Redis's: * is any string, ? any
// byte, [a-c] and [^a-c] one byte of a set, and \ takes the next byte as it is.
//
// A * that fails to match further on need not be tried longer once a later *
// was reached: that one matches everything the earlier could skip. So the time
// is bounded by the product of the lengths, whatever the pattern.
func match(pattern, s []byte) bool {
	m := matcher{pattern: pattern, goOn: func() bool { return true }}
	return m.match(s)
}

// A matcher matches many strings with a pattern.
type matcher struct {
	pattern []byte
	goOn    func() bool // called every matchSteps; false: no more strings match
	steps   int         // since the last call
	ended   bool
}

// matchSteps is about a tenth of a millisecond, in bytes of the pattern compared.
const matchSteps = 64 << 10

// count counts n steps, and reports whether to go on.
func (m *matcher) count(n int) bool {
	if m.steps += n; m.steps >= matchSteps {
		m.steps = 0
		m.ended = m.ended || !m.goOn()
	}
	return !m.ended
}

func (m *matcher) match(s []byte) bool {
	pattern := m.pattern
	if len(s) == 0 { // not by "**", says Redis
		return len(pattern) == 0 || string(pattern) == "*"
	}
	p, i := 0, 0
	star, retry := -1, 0 // after the last *, and where in s to try it next
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, retry = p, i
			continue
		}
		next, ok := matchByte(pattern, p, s[i])
		if !m.count(1 + next - p) {
			return false
		}
		if ok {
			p = next
			i++
			continue
		}
		if star < 0 {
			return false
		}
		retry++
		p, i = star, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchByte matches c with what is at pattern[p], and returns where that ends.
func matchByte(pattern []byte, p int, c byte) (next int, ok bool) {
	if p == len(pattern) {
		return p, false
	}
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchSet(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchSet matches c with the set whose inside begins at pattern[p]. A set that
// is not closed ends with the pattern.
func matchSet(pattern []byte, p int, c byte) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	found := false
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			found = found || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			lo, hi := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			found = found || lo <= c && c <= hi
			p += 2
		default:
			found = found || pattern[p] == c
		}
	}
	return min(p+1, len(pattern)), found != not
}
