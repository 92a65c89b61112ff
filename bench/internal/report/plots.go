package report

import (
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/bench/internal/family"
)

// plots draws a metric of a family, and returns the lines of markdown that show it. The summary
// has one plot of a metric, with all processors, under a name that no machine changes.
func (p *page) plots(f family.Family, m family.Metric) ([]string, error) {
	d := drawing{page: p, family: f, metric: m, floors: p.table.floors(f, m)}
	params, procs := d.params(), p.table.ends(f)
	suffix := func(procs int) string { return fmt.Sprint("-", procs) }
	if p.short && len(params) > 1 {
		procs = procs[len(procs)-1:]
		suffix = func(int) string { return "" }
	}
	switch {
	case len(params) > 2:
		for _, n := range procs {
			d.lines(suffix(n), f.Param, f.LogParam || wide(params), procsText(f, n), func(yield func(x, param, procs int)) {
				for _, param := range params {
					yield(param, param, n)
				}
			})
		}
	case len(params) == 2:
		for _, n := range procs {
			var blocks []block
			for _, param := range params {
				blocks = append(blocks, block{paramText(f, param), p.table.Results(f, param, n, m)})
			}
			d.bars(suffix(n), procsText(f, n), blocks)
		}
	default:
		var blocks []block
		for _, n := range procs {
			blocks = append(blocks, block{procsText(f, n), p.table.Results(f, params[0], n, m)})
		}
		d.bars("", paramText(f, params[0]), blocks)
	}
	if all := p.table.extent(f).procs; f.Scale && len(all) > 2 && !p.short {
		param, _ := p.table.main(f)
		d.lines("-scale", "processors", wide(all), paramText(f, param), func(yield func(x, param, procs int)) {
			for _, n := range all {
				yield(n, param, n)
			}
		})
	}
	return d.shown, d.err
}

// wide parameters are better seen on a logarithmic axis, whatever the family says.
func wide(params []int) bool {
	least := slices.IndexFunc(params, func(p int) bool { return p > 0 })
	return least >= 0 && params[len(params)-1] >= 10*params[least]
}

// A drawing is the plots of one metric.
type drawing struct {
	page   *page
	family family.Family
	metric family.Metric
	floors []floor
	shown  []string
	err    error
}

// params are those that the metric was measured at; some peers may have fewer.
func (d *drawing) params() []int {
	var all []int
	for c := range d.page.table.stats {
		if c.family == d.family.Name && c.metric == d.metric.Name {
			all = insert(all, c.param)
		}
	}
	return all
}

func (d *drawing) title() string { return d.family.Title + ": " + d.metric.Title }

// note says what no axis does.
func (d *drawing) note(where string) string {
	better := "lower is better"
	if d.metric.Higher {
		better = "higher is better"
	}
	how := ""
	if d.page.run.Reps > 1 {
		how = fmt.Sprintf("medians of %d, whiskers from min to max", d.page.run.Reps)
	}
	dashed := ""
	if len(d.floors) > 0 {
		dashed = "dashed: floors"
	}
	return joined(" · ", where, better, how, dashed)
}

func (d *drawing) add(suffix, alt string, data []byte, err error) {
	name := d.family.Name + "-" + d.metric.Name + suffix + ".svg"
	if err != nil {
		d.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	d.page.files[name] = data
	d.shown = append(d.shown, fmt.Sprintf("![%s](%s)", escape(alt), name))
}

func (d *drawing) bars(suffix, where string, blocks []block) {
	blocks = slices.DeleteFunc(blocks, func(b block) bool { return len(b.results) == 0 })
	if len(blocks) == 0 {
		return
	}
	alt := "Bars: " + joined(", ", d.title(), where) + "."
	for _, b := range blocks {
		alt += " " + joined(", ", b.heading, d.inWords(b.results)) + "."
	}
	data, err := bars(d.title(), d.note(where), d.metric, blocks, d.floors, d.page.looks)
	d.add(suffix, alt, data, err)
}

// lines draws over what each calls its function with.
func (d *drawing) lines(suffix, xName string, xLog bool, where string, each func(func(x, param, procs int))) {
	byPeer := make(map[string]series)
	from, to := "", ""
	each(func(x, param, procs int) {
		results := d.page.table.Results(d.family, param, procs, d.metric)
		for _, r := range results {
			byPeer[r.Peer] = series{r.Peer, append(byPeer[r.Peer].points, point{x, r.Stat})}
		}
		if len(results) > 0 {
			to = fmt.Sprintf(" %s %s, %s.", xName, grouped(float64(x)), d.inWords(results))
			if from == "" {
				from = to
			}
		}
	})
	if len(byPeer) == 0 {
		return
	}
	var all []series
	for _, peer := range sortedKeys(byPeer) {
		all = append(all, byPeer[peer])
	}
	if from == to {
		to = ""
	}
	alt := "Lines: " + joined(", ", d.title(), where) + ", over " + xName + "." + from + to
	data, err := lines(d.title(), d.note(where), xName, xLog, d.metric, all, d.floors, d.page.looks)
	d.add(suffix, alt, data, err)
}

// inWords names the best peer, and the best of ours.
func (d *drawing) inWords(results []Result) string {
	said := func(r Result) string { return r.Peer + " " + value(r.Stat.Median, d.metric.Unit) }
	text := "best " + said(results[0])
	if i := slices.IndexFunc(results, func(r Result) bool { return isOurs(r.Peer) }); i > 0 {
		text += ", of this library " + said(results[i])
	}
	return text
}
