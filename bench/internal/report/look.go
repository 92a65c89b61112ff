package report

import (
	"image/color"
	"strings"
)

// A look is how a peer is drawn, the same in all plots of a report.
type look struct {
	color  color.NRGBA
	marker int
	ours   bool
}

// What is this library's own is blue.
var blues = []color.NRGBA{
	rgb(0x0b5cc4), rgb(0x062a66), rgb(0x3d9bff), rgb(0x4b3fd6), rgb(0x00a0d2), rgb(0x1d3fa8), rgb(0x6f8cff),
}

// The others are muted; these can be told apart by those who see few colours, too.
var muted = []color.NRGBA{
	rgb(0xcc6677), rgb(0x999933), rgb(0x93325f), rgb(0x2b8048), rgb(0xcfa64a),
	rgb(0x858585), rgb(0xb8703f), rgb(0x4aa89a), rgb(0xaa5a9c),
}

var (
	ink    = rgb(0x1f2328)
	faint  = rgb(0x656d76)
	grid   = rgb(0xe4e7eb)
	edge   = rgb(0xd0d7de)
	paper  = rgb(0xffffff)
	ground = rgb(0x57606a) // floors
)

func rgb(v uint32) color.NRGBA { return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255} }

func mixed(a, b color.NRGBA, part float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-part) + float64(b)*part + 0.5) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// text is the color in which a peer's name can be read on paper.
func (l look) text() color.NRGBA {
	c := l.color
	for bright := func() float64 {
		return 0.3*float64(c.R) + 0.59*float64(c.G) + 0.11*float64(c.B)
	}; bright() > 115; {
		c = mixed(c, ink, 0.1)
	}
	return c
}

func (l look) faded(alpha uint8) color.NRGBA {
	c := l.color
	c.A = alpha
	return c
}

// looksOf gives each peer a look. Peers that share a family get different ones while there
// are enough; those of a kin, such as liburcu's, get shades of one colour.
func looksOf(t *Table) map[string]look {
	peers, beside := t.peersByFamily()
	kins := make(map[string]map[string]bool) // of a kin, those in a family with one of its
	var names []string
	members := make(map[string][]string)
	for _, p := range peers {
		if isOurs(p) {
			continue
		}
		k := kin(p)
		if kins[k] == nil {
			kins[k] = make(map[string]bool)
			names = append(names, k)
		}
		members[k] = append(members[k], p)
		for q := range beside[p] {
			if !isOurs(q) {
				kins[k][kin(q)] = true
			}
		}
	}
	hues := apart(names, kins)
	looks := make(map[string]look)
	for _, k := range names {
		for p, shade := range apart(members[k], beside) {
			c := muted[hues[k]%len(muted)]
			switch shade % 4 {
			case 1:
				c = mixed(c, paper, 0.38)
			case 2:
				c = mixed(c, ink, 0.4)
			case 3:
				c = mixed(c, rgb(0xb5b5ad), 0.6)
			}
			looks[p] = look{color: c, marker: hues[k] + hues[k]/len(muted) + shade}
		}
	}
	var ours []string
	for _, p := range peers {
		if isOurs(p) {
			ours = append(ours, p)
		}
	}
	for p, i := range apart(ours, beside) {
		looks[p] = look{color: blues[i%len(blues)], marker: i, ours: true}
	}
	return looks
}

// kin is what begins a name.
func kin(peer string) string {
	if i := strings.IndexAny(peer, "-.+"); i > 0 {
		return peer[:i]
	}
	return peer
}

// apart numbers names so that those beside each other differ, with small numbers.
func apart(names []string, beside map[string]map[string]bool) map[string]int {
	number := make(map[string]int)
	for _, n := range names {
		taken := make(map[int]bool)
		for other, i := range number {
			if beside[n][other] {
				taken[i] = true
			}
		}
		i := 0
		for taken[i] {
			i++
		}
		number[n] = i
	}
	return number
}
