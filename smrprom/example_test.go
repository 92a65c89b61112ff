package smrprom_test

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrprom"
)

// All domains of the program are on /metrics, those that are made later included.
func ExampleNewCollector() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(smrprom.NewCollector())
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
}

// The collector of named domains keeps their series when they are closed.
func ExampleNewCollector_named() {
	tables, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	prometheus.MustRegister(smrprom.NewCollector(tables, smr.Default()))
}
