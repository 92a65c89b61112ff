package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"

	"github.com/gosmr/gosmr/bench/internal/family"
)

// A block is some bars under a heading, the best first.
type block struct {
	heading string
	results []Result
}

// bars draws blocks of horizontal bars on one axis, and floors as vertical lines.
func bars(title, note string, m family.Metric, blocks []block, floors []floor, looks map[string]look) ([]byte, error) {
	const (
		pitch  = 21.0
		thick  = 14.0
		before = 28.0 // each heading
		row    = 17.0 // of the labels of floors
	)
	plain := style{size: labelSize, color: ink}
	bold := style{size: labelSize, color: ink, bold: true}
	small := style{size: smallSize, color: faint}
	slanted := style{size: smallSize, color: ground, slant: true}

	var values []float64
	names, shown, height := 0.0, 0.0, 0.0
	for _, b := range blocks {
		if b.heading != "" {
			height += before
		}
		for _, r := range b.results {
			height += pitch
			names = max(names, bold.width(r.Peer))
			shown = max(shown, bold.width(value(r.Stat.Median, m.Unit)))
			values = append(values, r.Stat.Min, r.Stat.Median, r.Stat.Max)
		}
	}
	log := spread(values) > 30 // else not, whatever the metric says: bars are for their lengths
	for _, f := range floors {
		values = append(values, f.value)
	}
	x := newAxis(values, log, m.Unit, margin+names+10, width-margin-shown-8)

	rows := flagRows(x, floors, slanted)
	top := 62.0
	for _, r := range rows {
		top = max(top, 62+float64(r+1)*row+4)
	}
	bottom := top + height + 4
	c := newCanvas(bottom + 48)
	c.heading(title, note)

	for _, tick := range x.ticks {
		c.line(x.at(tick), top, x.at(tick), bottom, 1, grid)
	}
	last := math.Inf(-1)
	for _, tick := range x.ticks {
		if text := mark(tick, m.Unit); x.at(tick)-small.width(text)/2 > last {
			c.text(x.at(tick), bottom+13, center, small, text)
			last = x.at(tick) + small.width(text)/2 + 8
		}
	}
	axisText := m.Title
	if x.log {
		axisText += ", logarithmic"
	}
	c.text((x.from+x.to)/2, bottom+32, center, small, axisText)

	zero := x.from
	if !x.log {
		zero = x.at(0)
	}
	type bar struct {
		Result
		look look
		y    float64
	}
	var all []bar
	y := top
	for _, b := range blocks {
		if b.heading != "" {
			y += before
			if end := margin + bold.width(b.heading) + 8; end < x.from-20 {
				c.line(end, y-11, x.from-8, y-11, 1, edge)
			}
		}
		for _, r := range b.results {
			l, known := looks[r.Peer]
			if !known {
				l.color = ground
			}
			all = append(all, bar{r, l, y + pitch/2})
			y += pitch
		}
	}
	for _, b := range all {
		end := x.at(b.Stat.Median)
		c.rect(min(zero, end), b.y-thick/2, max(zero, end, zero+1), b.y+thick/2, b.look.color)
	}
	for i, f := range floors {
		at := x.at(f.value)
		flag := top - 4 - float64(rows[i])*row
		c.line(at, flag-row+3, at, bottom, 1.2, ground, 4, 3)
		c.text(flagX(x, f, slanted), flag-row/2+1, left, slanted, floorText(f))
	}
	c.line(x.from, top, x.from, bottom, 1, edge)

	// Over the lines comes what is to be read.
	y = top
	for _, b := range blocks {
		if b.heading != "" {
			y += before
			c.rect(margin, y-20, margin+bold.width(b.heading), y-3, paper)
			c.text(margin, y-11, left, bold, b.heading)
		}
		y += pitch * float64(len(b.results))
	}
	for _, b := range all {
		s := plain
		if b.look.ours {
			s = bold
		}
		c.text(x.from-8, b.y, right, s, b.Peer)
		far := max(x.at(b.Stat.Median), zero)
		if b.Stat.Max > b.Stat.Min {
			far = max(far, x.at(b.Stat.Max))
			c.whisker(x.at(b.Stat.Min), x.at(b.Stat.Max), b.y)
		}
		shown := value(b.Stat.Median, m.Unit)
		c.rect(far+3, b.y-8, far+8+s.width(shown), b.y+8, paper)
		c.text(far+6, b.y, left, s, shown)
	}
	return c.bytes()
}

// whisker draws a range over a bar: dark on light, so that it is seen on the bar and beside.
func (c *canvas) whisker(from, to, y float64) {
	var p vg.Path
	p.Move(c.at(from, y))
	p.Line(c.at(to, y))
	for _, x := range []float64{from, to} {
		p.Move(c.at(x, y-3.5))
		p.Line(c.at(x, y+3.5))
	}
	c.stroke(p, 3, color.NRGBA{255, 255, 255, 150})
	c.stroke(p, 1.2, ink)
}

// heading writes what the plot shows.
func (c *canvas) heading(title, note string) {
	s := style{size: titleSize, bold: true, color: ink}
	s.size *= min(1, (width-2*margin)/s.width(title))
	c.text(margin, 24, left, s, title)
	c.text(margin, 46, left, style{size: smallSize, color: faint}, note)
}

func floorText(f floor) string { return f.name + " " + value(f.value, "ns") }

// flagX is where the label of a floor begins: beside its line, unless that ends outside.
func flagX(x axis, f floor, s style) float64 {
	return min(x.at(f.value)+4, width-margin-s.width(floorText(f)))
}

// flagRows gives each floor's label a row above the plot, the lowest from which it meets no
// label and no line of those to the right of it. The floors are sorted.
func flagRows(x axis, floors []floor, s style) []int {
	rows := make([]int, len(floors))
	for i := len(floors) - 1; i >= 0; i-- {
		end := flagX(x, floors[i], s) + s.width(floorText(floors[i])) + 8
		for j := i + 1; j < len(floors); j++ {
			if x.at(floors[j].value) < end {
				rows[i] = max(rows[i], rows[j]+1)
			}
		}
	}
	return rows
}

// spread is how far apart the positive values are.
func spread(values []float64) float64 {
	lo, hi := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return hi / lo // 0 if there are none
}
