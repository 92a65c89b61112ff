package report

import "math"

// An axis maps values to pixels.
type axis struct {
	lo, hi   float64 // values
	from, to float64 // pixels
	log      bool
	ticks    []float64
}

// newAxis fits values. A logarithmic one needs a positive value.
func newAxis(values []float64, log bool, unit string, from, to float64) axis {
	a := axis{from: from, to: to}
	least := math.Inf(1) // of the positive ones
	for _, v := range values {
		a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		if v > 0 {
			least = min(least, v)
		}
	}
	a.log = log && a.hi > 0
	if a.log {
		a.lo = least / 1.25
		a.hi *= 1.25
		a.ticks = logTicks(a.lo, a.hi, unit)
	} else {
		if a.hi == a.lo {
			a.hi++
		}
		a.hi += (a.hi - a.lo) * 0.02
		if a.lo < 0 {
			a.lo -= (a.hi - a.lo) * 0.02
		}
		a.ticks = linearTicks(a.lo, a.hi, unit)
	}
	return a
}

// at is the pixel of a value. On a logarithmic axis, what is not positive is at its end.
func (a axis) at(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, lo))
	}
	return a.from + (v-lo)/(hi-lo)*(a.to-a.from)
}

// No axis has as many ticks: values at the ends of what a float64 holds would.
const many = 100

// linearTicks are about six.
func linearTicks(lo, hi float64, unit string) []float64 {
	one := 1.0
	if unit == "B" {
		one = unitOf(hi, unit).size
	}
	step := (hi - lo) / one / 6
	ten := math.Pow(10, math.Floor(math.Log10(step)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*ten >= step {
			step = m * ten
			break
		}
	}
	var ticks []float64
	for i := math.Ceil(lo / one / step); i*step*one <= hi && len(ticks) < many; i++ {
		ticks = append(ticks, i*step*one)
	}
	return ticks
}

// logTicks are the densest of some series that aren't too many.
func logTicks(lo, hi float64, unit string) []float64 {
	type series struct {
		base float64
		at   []float64
	}
	all := []series{
		{10, []float64{1, 1.5, 2, 3, 4, 5, 6, 8}}, {10, []float64{1, 2, 3, 5}}, {10, []float64{1, 2, 5}}, {10, []float64{1, 3}},
		{10, []float64{1}}, {100, []float64{1}}, {1000, []float64{1}},
	}
	if unit == "B" {
		all = []series{{2, []float64{1, 1.25, 1.5, 1.75}}, {2, []float64{1, 1.5}}, {2, []float64{1}}, {4, []float64{1}}, {16, []float64{1}}, {32, []float64{1}}, {1024, []float64{1}}}
	}
	var ticks []float64
	for _, s := range all {
		ticks = nil
		for k := math.Floor(math.Log(lo) / math.Log(s.base)); math.Pow(s.base, k) <= hi && len(ticks) < many; k++ {
			for _, m := range s.at {
				if v := m * math.Pow(s.base, k); v >= lo && v <= hi {
					ticks = append(ticks, v)
				}
			}
		}
		if len(ticks) <= 9 {
			break
		}
	}
	return ticks
}
