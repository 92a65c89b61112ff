package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/run"
)

// The places where the library loses that are listed, at most.
const listed = 20

// kept are the metrics whose plots the summary has: those that README.md and
// docs/performance.md show.
var kept = []struct{ family, metric string }{
	{"load", "ns"}, {"callback", "p50"}, {"oversub", "p50"}, {"flood", "peak"}, {"walk-beside", "ns"}, {"map", "store"},
}

// A page is a report while it is written.
type page struct {
	run   *run.Run
	short bool // the summary only
	table *Table
	looks map[string]look
	out   bytes.Buffer
	files map[string][]byte
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

func (p *page) write() error {
	p.printf("# Benchmarks\n\n")
	p.head()
	p.missing()
	if len(p.run.Samples) == 0 {
		p.printf("Nothing was measured.\n")
		return nil
	}
	p.method()
	p.summary()
	p.losses()
	if p.short {
		return p.keptPlots()
	}
	for _, f := range family.All {
		if metrics := p.table.metrics(f); len(metrics) > 0 {
			if err := p.family(f, metrics); err != nil {
				return err
			}
		}
	}
	return nil
}

// head says where, when and how.
func (p *page) head() {
	r := p.run
	row := func(name, value string) {
		if value != "" {
			p.printf("| %s | %s |\n", name, value)
		}
	}
	p.printf("| | |\n|---|---|\n")
	machine := escape(r.Machine.CPU)
	if r.Machine.Procs > 0 {
		machine = joined(", ", machine, procsText(family.Family{}, r.Machine.Procs))
	}
	row("Machine", machine)
	row("System", joined(", ", escape(r.Machine.OS), escape(r.Machine.Kernel)))
	row("Versions", escape(joined(", ", append([]string{r.Machine.Go}, r.Machine.Others...)...)))
	row("Commit", code(r.Commit))
	if !r.Start.IsZero() {
		when := r.Start.UTC().Format("2006-01-02 15:04 UTC")
		if r.Took > 0 {
			when += ", took " + r.Took.Round(time.Second).String()
		}
		row("Date", when)
	}
	mode := "quick: few values of the parameters"
	if r.Full {
		mode = "full"
	}
	row("Mode", mode)
	row("Repetitions", fmt.Sprint(r.Reps))
	row("Seed", fmt.Sprint(r.Seed))
	row("Another like it", strings.ReplaceAll(code(r.Command), "|", `\|`))
	row("Samples", "["+samplesFile+"]("+samplesFile+")")
	p.printf("\n")
}

func (p *page) missing() {
	if len(p.run.Missing) == 0 {
		return
	}
	p.printf("Missing in this run:\n\n")
	for _, m := range p.run.Missing {
		p.printf("- %s: %s", escape(m.Peers), escape(m.Why))
		if m.How != "" {
			p.printf(". To have it: %s", code(m.How))
		}
		p.printf("\n")
	}
	p.printf("\n")
}

func (p *page) method() {
	p.printf("Each measurement is a process of its own, alone on the machine. Peers take turns, repetition by repetition, so that a drift of the machine meets all alike. ")
	if p.run.Reps > 1 {
		p.printf("What is shown are medians of %d; brackets and whiskers go from min to max. ", p.run.Reps)
	}
	p.printf("Times are those of one thread. A ratio is this library's time by the other's, and where more is better the other's value by this library's: **below 1, this library is ahead**, whatever the metric. A floor is what the hardware or the runtime takes for what a scheme can't do without, on one processor.\n\n")
	if p.short {
		p.printf("This is the summary. `go run ./bench -redraw` writes the whole report of this run into `bench/out`, with all tables and plots; `go run ./bench -full` measures anew.\n\n")
	}
}

// summary is a row for each family.
func (p *page) summary() {
	p.printf("## Summary\n\n")
	p.printf("The best peer of this library, the best of what else there is for Go, and of the rest, at one setting of each family. **Bold** ratios are losses, by more than 5 %%. Not all peers give what the others do.\n\n")
	p.printf("| Family | Setting | %s | In Go | Ratio | In C or Rust | Ratio | Floor | Ratio |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n", family.Ours)
	for _, f := range family.All {
		metrics := p.table.metrics(f)
		if f.Name == family.Floors || len(metrics) == 0 {
			continue
		}
		m := metrics[0]
		param, procs := p.table.main(f)
		best := p.table.Best(f, param, procs, m)
		ours := best.Ours
		bound, toBound := "–", "–"
		if floors := p.table.floors(f, m); len(floors) > 0 {
			bound = said(Result{floors[0].name, Stat{Median: floors[0].value}}, m)
			if ours.Peer != "" {
				toBound = times(Ratio(ours.Stat.Median, floors[0].value, m))
			}
		}
		p.printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			p.titleOf(f), escape(joined(", ", m.Title, paramText(f, param), procsText(f, procs))),
			said(ours, m), said(best.InGo, m), compared(ours, best.InGo, m), said(best.Foreign, m), compared(ours, best.Foreign, m), bound, toBound)
	}
	p.printf("\n")
}

// titleOf names a family, with a link to its section where the page has one.
func (p *page) titleOf(f family.Family) string {
	if p.short {
		return escape(f.Title)
	}
	return fmt.Sprintf("[%s](#%s)", escape(f.Title), anchor(f.Title))
}

// said names a peer and its value.
func said(r Result, m family.Metric) string {
	if r.Peer == "" {
		return "–"
	}
	return escape(r.Peer) + "<br>" + value(r.Stat.Median, m.Unit)
}

// compared is the ratio of two results, bold where ours is the worse one.
func compared(ours, other Result, m family.Metric) string {
	if ours.Peer == "" || other.Peer == "" {
		return "–"
	}
	r, ok := Ratio(ours.Stat.Median, other.Stat.Median, m)
	if ok && r > clearly {
		return "**" + times(r, ok) + "**"
	}
	return times(r, ok)
}

// A loss is a metric of a family in which another peer is ahead somewhere.
type loss struct {
	family      family.Family
	metric      family.Metric
	ratio       float64 // the worst
	where       string
	ours, other Result
	lost, of    int
}

// losses lists where another peer is ahead.
func (p *page) losses() {
	p.printf("## Where this library loses\n\n")
	p.printf("By more than 5 %%, each metric with the setting where it is worst.\n\n")
	p.listLosses("To what else there is for Go", func(b Bests) Result { return b.InGo })
	p.listLosses("To C and Rust", func(b Bests) Result { return b.Foreign })
}

// listLosses lists those to some of the others, the worst first.
func (p *page) listLosses(title string, of func(Bests) Result) {
	p.printf("### %s\n\n", title)
	var all []loss
	for _, f := range family.All {
		if f.Name == family.Floors {
			continue
		}
		e := p.table.extent(f)
		for _, m := range p.table.metrics(f) {
			l := loss{family: f, metric: m}
			for _, param := range e.params {
				for _, procs := range e.procs {
					best := p.table.Best(f, param, procs, m)
					ours, other := best.Ours, of(best)
					if ours.Peer == "" || other.Peer == "" {
						continue
					}
					l.of++
					r, ok := Ratio(ours.Stat.Median, other.Stat.Median, m)
					if !ok || r <= clearly {
						continue
					}
					l.lost++
					if r > l.ratio {
						l.ratio, l.ours, l.other = r, ours, other
						l.where = joined(", ", paramText(f, param), procsText(f, procs))
					}
				}
			}
			if l.lost > 0 {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b loss) int {
		switch {
		case a.ratio > b.ratio:
			return -1
		case a.ratio < b.ratio:
			return 1
		}
		return 0
	})
	if len(all) == 0 {
		p.printf("Nowhere, in what was measured.\n\n")
		return
	}
	for i, l := range all {
		if i == listed {
			p.printf("\nAnd in %d more; the tables of the whole report have them.\n", len(all)-listed)
			break
		}
		in := "everywhere"
		if l.lost < l.of {
			in = fmt.Sprintf("in %d of %d settings", l.lost, l.of)
		}
		if l.of == 1 {
			in = ""
		}
		p.printf("- %s, %s: **%s**, %s to %s of %s", p.titleOf(l.family), escape(l.metric.Title), times(l.ratio, true),
			value(l.ours.Stat.Median, l.metric.Unit), value(l.other.Stat.Median, l.metric.Unit), escape(l.other.Peer))
		if about := joined("; behind ", escape(l.where), in); about != "" {
			p.printf(" (%s)", about)
		}
		p.printf("\n")
	}
	p.printf("\n")
}

// keptPlots shows the plots that the summary has.
func (p *page) keptPlots() error {
	p.printf("## Plots\n\n")
	for _, k := range kept {
		f, _ := family.Find(k.family)
		for _, m := range p.table.metrics(f) {
			if m.Name != k.metric {
				continue
			}
			plots, err := p.plots(f, m)
			if err != nil {
				return err
			}
			p.printf("%s\n\n", strings.Join(plots, "\n\n"))
		}
	}
	return nil
}

// family is a section: the first metric's plots in the open, the rest folded.
func (p *page) family(f family.Family, metrics []family.Metric) error {
	p.printf("## %s\n\n%s\n\n", f.Title, escape(f.About))
	for i, m := range metrics {
		plots, err := p.plots(f, m)
		if err != nil {
			return err
		}
		summary := "Table"
		if i == 0 {
			p.printf("%s\n\n", strings.Join(plots, "\n\n"))
			if len(metrics) > 1 {
				summary += ": " + m.Title
			}
		} else {
			summary = "Plots and table: " + m.Title
		}
		p.printf("<details><summary>%s</summary>\n\n", escape(summary))
		if i > 0 {
			p.printf("%s\n\n", strings.Join(plots, "\n\n"))
		}
		p.results(f, m)
		p.printf("</details>\n\n")
	}
	return nil
}

// results is the table of a metric. Of more than two numbers of processors it has the ends;
// the samples have all.
func (p *page) results(f family.Family, m family.Metric) {
	floors := p.table.floors(f, m)
	names, rules := "", ""
	column := func(name, rule string) {
		names += "| " + name + " "
		rules += "|" + rule
	}
	if !f.OneProc {
		column("Processors", "--:")
	}
	if f.Param != "" {
		column(escape(f.Param), "--:")
	}
	column("Peer", "---")
	column("Median [min–max]", "--:")
	column("To the best other", "--:")
	if len(floors) > 0 {
		column("To "+escape(floors[0].name), "--:")
	}
	p.printf("%s|\n%s|\n", names, rules)
	for _, procs := range p.table.ends(f) {
		for _, param := range p.table.extent(f).params {
			best := p.table.Best(f, param, procs, m)
			ours, other := best.Ours, best.Other(m)
			for _, r := range p.table.Results(f, param, procs, m) {
				if !f.OneProc {
					p.printf("| %d ", procs)
				}
				if f.Param != "" {
					p.printf("| %s ", grouped(float64(param)))
				}
				ratio := "–"
				if r.Peer == ours.Peer {
					ratio = compared(r, other, m)
				} else if other.Peer != "" {
					ratio = times(Ratio(r.Stat.Median, other.Stat.Median, m))
				}
				p.printf("| %s | %s | %s ", escape(r.Peer), r.Stat.value(m.Unit), ratio)
				if len(floors) > 0 {
					p.printf("| %s ", times(Ratio(r.Stat.Median, floors[0].value, m)))
				}
				p.printf("|\n")
			}
		}
	}
	p.printf("\n")
}

// code shows a text as it is.
func code(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}
