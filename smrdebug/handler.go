package smrdebug

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/gosmr/gosmr/smr"
)

// Options configure a handler. The zero Options is valid.
type Options struct {
	// Domains are those that are shown. nil: all that are open, see [smr.Domains].
	Domains []*smr.Domain

	// Actions allows the requests that change something. They are POSTs with a form:
	//
	//	action=flush               expedite what is pending: smr.Domain.Flush
	//	action=trace&seconds=5     sample each section for so long; a profile of those that were open,
	//	                           as ?format=pprof
	//
	// With domain=NAME they are for that domain only. A browser's POST from another origin is refused.
	Actions bool
}

// Handler returns the handler for /debug/smr, without actions. It answers a GET with a page for a browser,
// and with text for other clients; ?format=html, text, json or pprof says which. ?domain=NAME shows
// only the domains of that name.
func Handler() http.Handler { return HandlerFor(Options{}) }

// HandlerFor is [Handler] with options.
func HandlerFor(o Options) http.Handler {
	h := &handler{opts: o, origins: http.NewCrossOriginProtection()}
	return h
}

type handler struct {
	opts    Options
	origins *http.CrossOriginProtection
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.show(w, r)
		return
	case http.MethodPost:
		if h.opts.Actions {
			h.act(w, r)
			return
		}
		header.Set("Allow", "GET, HEAD")
	default:
		header.Set("Allow", "GET, HEAD, POST")
	}
	http.Error(w, "smrdebug: method not allowed", http.StatusMethodNotAllowed)
}

// domains returns those that a request is for.
func (h *handler) domains(name string) []*smr.Domain {
	all := h.opts.Domains
	if all == nil {
		all = smr.Domains()
	}
	if name == "" {
		return all
	}
	var named []*smr.Domain
	for _, d := range all {
		if d.Name() == name {
			named = append(named, d)
		}
	}
	return named
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	format := query.Get("format")
	if format == "" {
		w.Header().Set("Vary", "Accept")
		format = "text"
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			format = "html"
		}
	}
	name := query.Get("domain")
	domains := h.domains(name)
	if name != "" && len(domains) == 0 {
		http.Error(w, "smrdebug: no open domain has that name", http.StatusNotFound)
		return
	}
	switch format {
	case "html":
		h.showPage(w, newReport(domains), name)
	case "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		newReport(domains).writeText(w)
	case "json":
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		enc.Encode(newReport(domains)) // an error is the client's: it has gone
	case "pprof":
		p := newProfile()
		for _, d := range domains {
			p.addOpen(d, 0)
		}
		p.serve(w)
	default:
		http.Error(w, "smrdebug: format is html, text, json or pprof", http.StatusBadRequest)
	}
}

// act serves a POST.
func (h *handler) act(w http.ResponseWriter, r *http.Request) {
	if err := h.origins.Check(r); err != nil {
		http.Error(w, "smrdebug: "+err.Error(), http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "smrdebug: the form can't be read", http.StatusBadRequest)
		return
	}
	name := r.PostForm.Get("domain")
	domains := h.domains(name)
	if len(domains) == 0 {
		http.Error(w, "smrdebug: no open domain has that name", http.StatusNotFound)
		return
	}
	switch r.PostForm.Get("action") {
	case "flush":
		for _, d := range domains {
			d.Flush()
		}
		// Relative, because a prefix of the path may have been stripped.
		back := url.Values{}
		if name != "" {
			back.Set("domain", name)
		}
		w.Header().Set("Location", "?"+back.Encode())
		w.WriteHeader(http.StatusSeeOther)
	case "trace":
		trace(w, r, domains)
	default:
		http.Error(w, "smrdebug: action is flush or trace", http.StatusBadRequest)
	}
}
