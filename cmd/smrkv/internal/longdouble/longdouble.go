// Package longdouble computes as C does with the long double of x86-64: a mantissa of
// 64 bits and an exponent of 15. INCRBYFLOAT shows its clients what comes of that, to
// 17 decimal places, so a float64 would not do.
//
// What is smaller than the normal numbers, below 1e-4931, keeps all bits of its
// mantissa here. There is no telling in 17 decimal places.
package longdouble

import (
	"bytes"
	"math/big"
)

// A Number is a long double, infinities included. The zero Number is 0.
type Number struct{ f big.Float }

const (
	precision   = 64
	maxExponent = 16384 // numbers are below 2 to that
	nothing     = -58   // what is below 2 to that is 0 in 17 decimal places
)

// tiny is half of the smallest number above 0. It rounds to 0.
var tiny = new(big.Float).SetMantExp(big.NewFloat(1), -16446)

// Add returns the sum of a and b, and whether it is a finite number.
func Add(a, b *Number) (sum Number, finite bool) {
	if a.f.IsInf() || b.f.IsInf() {
		return sum, false
	}
	sum.f.SetPrec(precision).Add(&a.f, &b.f)
	return sum, inRange(&sum.f)
}

func inRange(f *big.Float) bool { return f.MantExp(nil) <= maxExponent }

// Append appends n, which is finite, with 17 decimal places or as many as there are
// before zeros follow. There is no -0.
func (n *Number) Append(dst []byte) []byte {
	if n.f.MantExp(nil) <= nothing {
		return append(dst, '0') // at once: it could have thousands of places
	}
	from := len(dst)
	dst = n.f.Append(dst, 'f', 17)
	dst = bytes.TrimRight(dst, "0") // after the point, which is always there
	dst = bytes.TrimSuffix(dst, []byte("."))
	if string(dst[from:]) == "-0" {
		dst = append(dst[:from], '0')
	}
	return dst
}
