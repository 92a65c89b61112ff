package smrdebug

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"reflect"
	"slices"
)

//go:embed page.html
var pageText string

// The page's style and script stand in it: nothing else is requested.
var (
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"size":  size,
	"group": func(n any) string { return group(whole(n)) },
	"count": func(n any, noun string) string { return count(whole(n), noun) },
	"since": since,
	"some": func(s seconds) string {
		if s == 0 {
			return "–"
		}
		return s.String()
	},
}).Parse(pageText))

// page is what the template shows.
type page struct {
	*report
	Only    string // the domain's name that was asked for, or ""
	Nonce   string
	Style   template.CSS
	Script  template.JS
	Actions bool
	Tables  []table
	Details []*domain // those whose readers and holds are listed
	More    int       // findings that are not shown
}

// A table has the containers of one type.
type table struct {
	Type    string
	Columns []string
	Rows    []container
}

// showPage answers with the page.
func (h *handler) showPage(w http.ResponseWriter, rep *report, only string) {
	p := page{
		report:  rep,
		Only:    only,
		Nonce:   rand.Text(),
		Style:   template.CSS(pageStyle),
		Script:  template.JS(pageScript),
		Actions: h.opts.Actions,
		Tables:  tables(rep.Containers),
	}
	slices.SortStableFunc(rep.Domains, func(a, b domain) int { return cmp.Compare(b.rank(), a.rank()) })
	for i := range rep.Domains[:min(len(rep.Domains), mostDetails)] {
		if d := &rep.Domains[i]; only != "" || len(rep.Domains) <= fewDomains || d.rank() > 0 {
			p.Details = append(p.Details, d)
		}
	}
	if p.More = len(rep.Findings) - mostDetails; p.More > 0 {
		rep.Findings = rep.Findings[:mostDetails]
	}

	var b bytes.Buffer // so that an error can be told
	if err := pageTemplate.Execute(&b, &p); err != nil {
		http.Error(w, "smrdebug: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+p.Nonce+"'; script-src 'nonce-"+p.Nonce+
		"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	w.Write(b.Bytes())
}

// So many domains are shown with their details even if nothing is wrong, and so many if something is.
const (
	fewDomains  = 8
	mostDetails = 16
)

// rank orders domains by how much they need attention.
func (d *domain) rank() int {
	return map[string]int{"stuck": 2, "slow": 1}[d.State]
}

// tables puts containers of one type together.
func tables(all []container) (tables []table) {
	for _, c := range all {
		i := slices.IndexFunc(tables, func(t table) bool { return t.Type == c.Type && len(t.Columns) == len(c.Fields) })
		if i < 0 {
			i = len(tables)
			t := table{Type: c.Type}
			for _, f := range c.Fields {
				t.Columns = append(t.Columns, f.Name)
			}
			tables = append(tables, t)
		}
		tables[i].Rows = append(tables[i].Rows, c)
	}
	return tables
}

// A bar is a part of a bar of width 100.
type bar struct {
	Name   string
	At, To float64
}

// Bars are the stages' shares of what is pending, by bytes or, if there are none, by calls.
func (d *domain) Bars() (bars []bar) {
	share := func(s namedStage) float64 { return float64(s.Bytes) }
	if d.PendingBytes == 0 {
		share = func(s namedStage) float64 { return float64(s.Calls) }
	}
	sum := 0.0
	for _, s := range d.Stages() {
		sum += share(s)
	}
	at := 0.0
	for _, s := range d.Stages() {
		if part := 100 * share(s) / sum; part > 0 { // false for 0/0
			bars = append(bars, bar{s.Name, at, part})
			at += part
		}
	}
	return bars
}

// LateNow is the worst that there is to say of the reclaimer's delay now.
func (d *domain) LateNow() seconds { return max(d.Late, d.LateLast) }

// whole is the value of an integer of any type.
func whole(n any) int64 {
	v := reflect.ValueOf(n)
	if v.CanUint() {
		return int64(v.Uint())
	}
	return v.Int()
}
