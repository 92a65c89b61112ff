package report

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"github.com/gosmr/gosmr/bench/internal/family"
)

// A series is what one peer did over the values of a parameter.
type series struct {
	peer   string
	points []point
}

type point struct {
	x    int
	stat Stat
}

// lines draws a line for each peer, named at its end, and floors as horizontal ones.
func lines(title, note, xName string, xLog bool, m family.Metric, all []series, floors []floor, looks map[string]look) ([]byte, error) {
	const (
		top   = 86.0
		pitch = 16.0 // of the names
		lead  = 34.0 // from the plot to the names
	)
	small := style{size: smallSize, color: faint}
	bold := style{size: smallSize, bold: true}
	slanted := style{size: smallSize, slant: true}

	var xs []int
	var values []float64
	names := 0.0
	for _, s := range all {
		for _, p := range s.points {
			xs = insert(xs, p.x)
			values = append(values, p.stat.Min, p.stat.Median, p.stat.Max)
		}
		names = max(names, bold.width(endText(s, m)))
	}
	log := m.Log || spread(values) > 30
	for _, f := range floors {
		values = append(values, f.value)
		names = max(names, slanted.width(floorText(f)))
	}
	bottom := top + max(320, pitch*float64(len(all)+len(floors)+1))
	y := newAxis(values, log, m.Unit, bottom, top)
	ticks := 0.0
	for _, t := range y.ticks {
		ticks = max(ticks, small.width(mark(t, m.Unit)))
	}
	from, to := margin+ticks+8, width-margin-names-lead
	x := newPositions(xs, xLog, from+14, to-8)

	c := newCanvas(bottom + 48)
	c.heading(title, note)
	for _, t := range y.ticks {
		c.line(from, y.at(t), to, y.at(t), 1, grid)
		c.text(from-6, y.at(t), right, small, mark(t, m.Unit))
	}
	axisText := m.Title
	if y.log {
		axisText += ", logarithmic"
	}
	c.text(margin, top-16, left, small, axisText)
	c.line(from, bottom, to, bottom, 1, edge)
	next := math.Inf(1)
	for i := len(xs) - 1; i >= 0; i-- {
		at, text := x.at(xs[i]), grouped(float64(xs[i]))
		c.line(at, bottom, at, bottom+4, 1, edge)
		if at+small.width(text)/2 < next {
			c.text(at, bottom+13, center, small, text)
			next = at - small.width(text)/2 - 4
		}
	}
	if x.broken {
		at := (x.at(xs[0]) + x.at(xs[1])) / 2
		c.rect(at-3, bottom-2, at+3, bottom+2, paper)
		for _, d := range []float64{-3, 3} {
			c.line(at+d-2, bottom+5, at+d+2, bottom-5, 1, faint)
		}
	}
	c.text((from+to)/2, bottom+32, center, small, xName)

	for _, f := range floors {
		c.line(from, y.at(f.value), to, y.at(f.value), 1.2, ground, 4, 3)
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b series) int { // ours are drawn last, above the others
		switch oursA, oursB := isOurs(a.peer), isOurs(b.peer); {
		case oursA == oursB:
			return 0
		case oursB:
			return -1
		}
		return 1
	})
	var labels []label
	for _, s := range all {
		l, known := looks[s.peer]
		if !known {
			l.color = ground
		}
		thick, r := 1.6, 3.2
		if l.ours {
			thick, r = 2.6, 4
		}
		var line, ranges, markers vg.Path
		for i, p := range s.points {
			px, py := x.at(p.x), y.at(p.stat.Median)
			if i == 0 {
				line.Move(c.at(px, py))
			} else {
				line.Line(c.at(px, py))
			}
			if lo, hi := y.at(p.stat.Min), y.at(p.stat.Max); lo-hi >= 1 {
				ranges.Move(c.at(px, lo))
				ranges.Line(c.at(px, hi))
				for _, end := range []float64{lo, hi} {
					ranges.Move(c.at(px-3, end))
					ranges.Line(c.at(px+3, end))
				}
			}
			c.marker(&markers, l.marker, px, py, r)
		}
		if len(ranges) > 0 {
			c.stroke(ranges, 1.1, l.faded(150))
		}
		c.stroke(line, thick, l.color)
		c.stroke(markers, 1.5, paper)
		c.svg.SetColor(l.color)
		c.svg.Fill(markers)
		last := s.points[len(s.points)-1]
		labels = append(labels, label{
			text: endText(s, m), style: style{size: smallSize, bold: l.ours, color: l.text()},
			from: x.at(last.x), want: y.at(last.stat.Median), line: l.faded(130),
		})
	}
	for _, f := range floors {
		s := slanted
		s.color = ground
		labels = append(labels, label{
			text: floorText(f), style: s, from: to, want: y.at(f.value), line: ground,
		})
	}
	place(labels, pitch, top, bottom)
	for _, l := range labels {
		end := to + lead - 6
		var p vg.Path
		p.Move(c.at(l.from+6, l.want))
		if l.from+6 < to { // the line ends early
			p.Line(c.at(to, l.want))
		}
		p.Line(c.at(end-6, l.at))
		p.Line(c.at(end, l.at))
		c.stroke(p, 1, l.line)
		c.text(to+lead-2, l.at, left, l.style, l.text)
	}
	return c.bytes()
}

// endText is what a line is labeled with: the name, and the value where it ends.
func endText(s series, m family.Metric) string {
	return s.peer + "  " + value(s.points[len(s.points)-1].stat.Median, m.Unit)
}

// A label belongs at a height, and comes as near as the others let it.
type label struct {
	text     string
	style    style
	line     color.NRGBA
	from     float64 // where its line ends
	want, at float64
}

// place moves labels apart, by as little as does: those that would overlap share the way.
func place(labels []label, pitch, top, bottom float64) {
	slices.SortStableFunc(labels, func(a, b label) int {
		switch {
		case a.want < b.want:
			return -1
		case a.want > b.want:
			return 1
		}
		return 0
	})
	type cluster struct {
		first, n int
		at       float64 // of the first
	}
	var clusters []cluster
	fit := func(k cluster) cluster {
		sum := 0.0
		for i := range k.n {
			sum += labels[k.first+i].want - float64(i)*pitch
		}
		k.at = max(top, min(sum/float64(k.n), bottom-float64(k.n-1)*pitch))
		return k
	}
	for i := range labels {
		k := fit(cluster{first: i, n: 1})
		for len(clusters) > 0 {
			above := clusters[len(clusters)-1]
			if above.at+float64(above.n)*pitch <= k.at {
				break
			}
			clusters = clusters[:len(clusters)-1]
			k = fit(cluster{first: above.first, n: above.n + k.n})
		}
		clusters = append(clusters, k)
	}
	for _, k := range clusters {
		for i := range k.n {
			labels[k.first+i].at = k.at + float64(i)*pitch
		}
	}
}

// positions are the places of a parameter's values.
type positions struct {
	values []int
	places []float64
	broken bool // zero is beside a logarithmic axis
}

func newPositions(values []int, log bool, from, to float64) positions {
	p := positions{values: values, broken: log && len(values) > 1 && values[0] <= 0}
	at := make([]float64, len(values))
	for i, v := range values {
		at[i] = float64(v)
		if log && v > 0 {
			at[i] = math.Log(float64(v))
		}
	}
	if p.broken {
		at[0] = at[1] - max(1, (at[len(at)-1]-at[1])*0.15)
	}
	lo, hi := at[0], at[len(at)-1]
	for _, v := range at {
		if hi > lo {
			v = from + (v-lo)/(hi-lo)*(to-from)
		} else {
			v = (from + to) / 2
		}
		p.places = append(p.places, v)
	}
	return p
}

func (p positions) at(v int) float64 {
	i, _ := slices.BinarySearch(p.values, v)
	return p.places[i]
}
