package smrdebug_test

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrdebug"
)

type table struct{ Rows [100]int64 }

// A service shows its domains and its pool beside net/http/pprof's pages, and one domain as a variable
// of expvar.
func Example() {
	dom, err := smr.New(smr.Options{Name: "tables", SampleSections: 1000})
	if err != nil {
		panic(err)
	}
	pool := slab.New[table](dom, slab.Options{Name: "tables"})
	unpublish := smrdebug.Publish("the tables", pool)
	expvar.Publish("smr_tables", smrdebug.Var(dom))

	mux := http.NewServeMux() // the service's internal one
	mux.Handle("/debug/smr", smrdebug.HandlerFor(smrdebug.Options{Domains: []*smr.Domain{dom}}))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/debug/smr", nil)) // curl localhost:6060/debug/smr
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "1 domain") || strings.HasPrefix(line, "domain") || strings.HasPrefix(line, "slab") {
			fmt.Print(line)
		}
	}

	unpublish()
	if err := pool.Close(context.Background()); err != nil {
		panic(err)
	}
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// 1 domain: nothing is stuck
	// domain tables: idle
	// slab.Pool the tables
}

// With actions an engineer may ask for what is pending, by POST.
func ExampleOptions() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	h := smrdebug.HandlerFor(smrdebug.Options{Domains: []*smr.Domain{dom}, Actions: true})
	r := httptest.NewRequest("POST", "/debug/smr", strings.NewReader("action=flush&domain=tables"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: 303 ?domain=tables
}

// A domain as a variable of package expvar is the domain's part of the page as JSON.
func ExampleDomainVar() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	var v expvar.Var = smrdebug.Var(dom)
	var domain struct {
		Name  string
		State string
	}
	if err := json.Unmarshal([]byte(v.String()), &domain); err != nil {
		panic(err)
	}
	fmt.Println(domain.Name, domain.State)
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: tables idle
}
