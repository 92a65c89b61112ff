package server

import (
	"math/big"
	"strconv"
	"strings"
)

// This file has the commands of a fuzzModel on bits, which it keeps as a string of digits.

func (m *fuzzModel) digits(key string) string {
	var b strings.Builder
	for _, c := range []byte(m.data[key]) {
		for i := range 8 {
			b.WriteByte('0' + c>>(7-i)&1)
		}
	}
	return b.String()
}

// change is putDigits, unless they are there already: then nothing is stored.
func (m *fuzzModel) change(key, digits string) {
	if _, ok := m.data[key]; !ok || m.digits(key) != digits {
		m.putDigits(key, digits)
	}
}

func (m *fuzzModel) putDigits(key, digits string) {
	v := make([]byte, len(digits)/8)
	for i, d := range []byte(digits) {
		v[i/8] = v[i/8]<<1 | (d - '0')
	}
	m.put(key, string(v))
}

// grown returns digits with zeros, so that there are n of them, in whole bytes.
func grown(digits string, n int) string {
	n = (n + 7) / 8 * 8
	return digits + strings.Repeat("0", max(0, n-len(digits)))
}

func (m *fuzzModel) bits(op int) {
	k := m.key()
	switch op {
	case fuzzSetBit:
		at, b := 8*m.next(), m.next()
		at, bit := at+b%8, b/8%2
		m.send("SETBIT", k, strconv.Itoa(at), strconv.Itoa(bit))
		digits := grown(m.digits(k), at+1)
		m.int(int(digits[at] - '0'))
		m.change(k, digits[:at]+strconv.Itoa(bit)+digits[at+1:])
	case fuzzGetBit:
		at := 8*m.next() + m.next()%8
		m.send("GETBIT", k, strconv.Itoa(at))
		m.int(int(grown(m.digits(k), at+1)[at] - '0'))
	case fuzzBitCount:
		m.bitCount(k)
	case fuzzBitOp:
		m.bitOp(k)
	case fuzzField:
		m.field(k)
	default:
		m.lcs(k)
	}
}

func (m *fuzzModel) bitCount(k string) {
	from, a := m.number()
	to, b := m.number()
	unit, size := []string{"BYTE", "BIT"}[m.next()%2], 8
	if unit == "BIT" {
		size = 1
	}
	m.send("BITCOUNT", k, from, to, unit)
	digits, ok := m.digits(k), false
	if _, ok = m.data[k]; !ok {
		m.int(0)
		return
	}
	if a == nil || b == nil {
		m.reply(fuzzNotInteger)
		return
	}
	if a.Sign() < 0 && b.Sign() < 0 && a.Cmp(b) > 0 {
		m.int(0)
		return
	}
	n, count := big.NewInt(int64(len(digits)/size)), 0
	for i, d := range digits {
		at := big.NewInt(int64(i / size))
		if d == '1' && at.Cmp(placeOf(a, n)) >= 0 && at.Cmp(placeOf(b, n)) <= 0 {
			count++
		}
	}
	m.int(count)
}

func (m *fuzzModel) bitOp(to string) {
	which, a, b := m.next()%3, m.key(), m.key()
	m.send("BITOP", []string{"AND", "OR", "XOR"}[which], to, a, b)
	x, y := m.digits(a), m.digits(b)
	n := max(len(x), len(y))
	x, y = grown(x, n), grown(y, n)
	var result strings.Builder
	for i := range n {
		p, q := x[i] == '1', y[i] == '1'
		result.WriteByte('0' + byte(b2i([]bool{p && q, p || q, p != q}[which])))
	}
	if n == 0 {
		m.remove(to)
	} else {
		m.putDigits(to, result.String())
	}
	m.int(n / 8)
}

// field sets a signed field and adds the same number to it.
func (m *fuzzModel) field(k string) {
	width, at, overflow := 1+m.next()%64, m.next(), m.next()%3
	word, n := m.number()
	kind := "i" + strconv.Itoa(width)
	m.send("BITFIELD", k, "OVERFLOW", []string{"WRAP", "SAT", "FAIL"}[overflow], "SET", kind, strconv.Itoa(at), word,
		"INCRBY", kind, strconv.Itoa(at), word, "GET", kind, strconv.Itoa(at))
	if n == nil {
		m.reply(fuzzNotInteger)
		return
	}
	digits := grown(m.digits(k), at+width)
	full := new(big.Int).Lsh(big.NewInt(1), uint(width))
	most := new(big.Int).Rsh(full, 1)
	least := new(big.Int).Neg(most)
	read := func() *big.Int {
		v, _ := new(big.Int).SetString(digits[at:at+width], 2)
		if v.Cmp(most) >= 0 {
			v.Sub(v, full)
		}
		return v
	}
	// write writes what v becomes, and reports whether it becomes anything.
	write := func(v *big.Int) bool {
		if v.Cmp(most) >= 0 || v.Cmp(least) < 0 {
			switch {
			case overflow == 2:
				return false
			case overflow == 0:
			case v.Sign() > 0:
				v = new(big.Int).Sub(most, big.NewInt(1))
			default:
				v = least
			}
		}
		text := new(big.Int).Mod(v, full).Text(2)
		digits = digits[:at] + strings.Repeat("0", width-len(text)) + text + digits[at+width:]
		return true
	}
	m.reply("*3")
	if old := read(); write(n) {
		m.reply(":%v", old)
	} else {
		m.null("$-1")
	}
	if write(new(big.Int).Add(read(), n)) {
		m.reply(":%v", read())
	} else {
		m.null("$-1")
	}
	m.reply(":%v", read())
	m.change(k, digits)
}

func (m *fuzzModel) lcs(a string) {
	b := m.key()
	m.send("LCS", a, b, "LEN")
	x, y := m.data[a], m.data[b]
	if (len(x)+1)*(len(y)+1) > 1<<27 {
		m.reply("-" + errLCSRoom)
		return
	}
	row := make([]int, len(y)+1)
	for i := range len(x) {
		above := 0
		for j := range len(y) {
			here := row[j+1]
			if x[i] == y[j] {
				row[j+1] = above + 1
			} else {
				row[j+1] = max(row[j], here)
			}
			above = here
		}
	}
	m.int(row[len(y)])
}

// fuzzBitsPrograms are programs with them.
var fuzzBitsPrograms = [][]byte{
	{fuzzSetBit, 0, 2, 11, 0, fuzzGetBit, 0, 2, 3, 0, fuzzGetBit, 0, 200, 7, 3, fuzzSetBit, 0, 0, 7, 0, fuzzBitCount, 0, 125, 124, 0, 0,
		fuzzBitCount, 0, 130, 150, 1, 0, fuzzBitCount, 0, 255, 9, 125, 0, 0, fuzzBitCount, 1, 255, 9, 125, 0, 0, fuzzGet, 0, 0},
	{fuzzSet, 0, 65, 0, fuzzSet, 1, 50, 0, fuzzBitOp, 2, 0, 0, 1, 0, fuzzBitOp, 2, 1, 0, 2, 0, fuzzBitOp, 2, 2, 2, 2, 0, fuzzGet, 2, 0,
		fuzzBitOp, 2, 0, 3, 3, 0, fuzzExists, 2, 0},
	{fuzzField, 0, 7, 3, 0, 249, 0, fuzzField, 0, 7, 3, 1, 249, 0, fuzzField, 0, 7, 3, 2, 249, 0, fuzzField, 0, 63, 9, 0, 255, 4, 0,
		fuzzField, 0, 63, 9, 1, 255, 5, 0, fuzzField, 0, 0, 100, 2, 126, 1, fuzzGet, 0, 0},
	{fuzzSet, 0, 100, 0, fuzzAppend, 0, 101, 0, fuzzSet, 1, 101, 0, fuzzAppend, 1, 100, 0, fuzzLCS, 0, 1, 0, fuzzLCS, 1, 3, 3,
		fuzzMulti, 0, fuzzSetBit, 0, 1, 1, 0, fuzzBitOp, 1, 1, 0, 1, 0, fuzzLCS, 0, 1, 0, fuzzExec, 0},
}
