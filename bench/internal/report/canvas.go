package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strings"
	"sync"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Sizes are in pixels; y grows downwards.
const (
	width  = 900
	margin = 16

	titleSize = 17
	labelSize = 13
	smallSize = 12
)

// What replaces Liberation Sans may be wider.
const slack = 1.08

var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

type style struct {
	size  float64
	bold  bool
	slant bool
	color color.NRGBA
}

func (s style) face() font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if s.bold {
		f.Weight = xfont.WeightBold
	}
	if s.slant {
		f.Style = xfont.StyleItalic
	}
	return fonts().Lookup(f, vg.Length(s.size))
}

func (s style) width(text string) float64 {
	face := s.face()
	return face.Width(text).Points() * slack
}

// Where a text's x is.
const (
	left   = 0.0
	center = 0.5
	right  = 1.0
)

type canvas struct {
	svg    *vgsvg.Canvas
	height float64
}

func newCanvas(height float64) *canvas {
	height = math.Ceil(height)
	c := &canvas{vgsvg.NewWith(vgsvg.UseWH(width, vg.Length(height))), height}
	c.svg.SetColor(paper) // opaque: the page may be dark
	c.svg.Fill(c.box(0, 0, width, height))
	return c
}

func (c *canvas) at(x, y float64) vg.Point {
	return vg.Point{X: vg.Length(x), Y: vg.Length(c.height - y)}
}

func (c *canvas) box(x0, y0, x1, y1 float64) vg.Path {
	var p vg.Path
	p.Move(c.at(x0, y0))
	p.Line(c.at(x1, y0))
	p.Line(c.at(x1, y1))
	p.Line(c.at(x0, y1))
	p.Close()
	return p
}

func (c *canvas) rect(x0, y0, x1, y1 float64, fill color.Color) {
	c.svg.SetColor(fill)
	c.svg.Fill(c.box(x0, y0, x1, y1))
}

func (c *canvas) line(x0, y0, x1, y1, thick float64, col color.Color, dashes ...vg.Length) {
	var p vg.Path
	p.Move(c.at(x0, y0))
	p.Line(c.at(x1, y1))
	c.stroke(p, thick, col, dashes...)
}

func (c *canvas) stroke(p vg.Path, thick float64, col color.Color, dashes ...vg.Length) {
	c.svg.SetColor(col)
	c.svg.SetLineWidth(vg.Length(thick))
	c.svg.SetLineDash(dashes, 0)
	c.svg.Stroke(p)
}

// text writes a line whose middle is at y.
func (c *canvas) text(x, y, align float64, s style, text string) {
	face := s.face()
	c.svg.SetColor(s.color)
	c.svg.FillString(face, c.at(x-align*face.Width(text).Points(), y+0.35*s.size), text)
}

// marker adds one of six shapes to a path.
func (c *canvas) marker(p *vg.Path, shape int, x, y, r float64) {
	var corners []float64 // in turns, from the top
	switch shape % 6 {
	case 0:
		p.Move(c.at(x+r, y))
		p.Arc(c.at(x, y), vg.Length(r), 0, 2*math.Pi)
		p.Close()
		return
	case 1:
		corners, r = []float64{1. / 8, 3. / 8, 5. / 8, 7. / 8}, r*1.25
	case 2:
		corners, r = []float64{0, 1. / 3, 2. / 3}, r*1.4
	case 3:
		corners, r = []float64{0, 1. / 4, 1. / 2, 3. / 4}, r*1.35
	case 4:
		corners, r = []float64{1. / 6, 1. / 2, 5. / 6}, r*1.4
	case 5:
		corners, r = []float64{0, 1. / 5, 2. / 5, 3. / 5, 4. / 5}, r*1.2
	}
	for i, turn := range corners {
		sin, cos := math.Sincos(2 * math.Pi * turn)
		if pt := c.at(x+r*sin, y-r*cos); i == 0 {
			p.Move(pt)
		} else {
			p.Line(pt)
		}
	}
	p.Close()
}

// bytes returns the file. The size is in pixels, and what all texts share is said once, with
// fonts of the same widths for those who have no Liberation.
func (c *canvas) bytes() ([]byte, error) {
	var b bytes.Buffer
	if _, err := c.svg.WriteTo(&b); err != nil {
		return nil, err
	}
	_, body, ok := strings.Cut(b.String(), `xmlns:xlink="http://www.w3.org/1999/xlink">`)
	if !ok {
		return nil, fmt.Errorf("an SVG file begins otherwise than it did")
	}
	body = strings.NewReplacer(
		"font-family:Liberation Sans;font-variant:normal;", "",
		"font-weight:normal;", "", "font-style:normal;", "",
		"\n\tstyle", " style",
	).Replace(body)
	const head = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%v" viewBox="0 0 %[1]d %[2]v" font-family="'Liberation Sans', Arial, Helvetica, sans-serif">`
	return fmt.Appendf(nil, head+"%s", width, c.height, body), nil
}
