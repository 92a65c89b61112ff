package smrdebug

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// BenchmarkHandler_100Domains is a load of the page: 100 domains, ten of them stuck, with details, and
// 90 that a reader is in and that have had grace periods.
func BenchmarkHandler_100Domains(b *testing.B) {
	var domains []*smr.Domain
	for i := range 100 {
		o := smr.Options{Name: fmt.Sprint("domain of subsystem ", i), SampleSections: 1}
		stuck := i%10 == 0
		if stuck {
			o.StallAfter = 1
		}
		d := newDomainWith(b, o)
		domains = append(domains, d)
		for range 10 {
			d.CallFunc(1000, func() {})
		}
		require.NoError(b, d.Barrier(testkit.Context(b)))
		s := testkit.Enter(d)
		b.Cleanup(s.Leave)
		if stuck {
			d.CallFunc(1000, func() {})
			d.Flush()
		}
	}
	h := HandlerFor(Options{Domains: domains})
	for _, format := range []string{"html", "text", "json"} {
		b.Run(format, func(b *testing.B) {
			size := 0
			for range b.N {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/debug/smr?format="+format, nil))
				require.Equal(b, 200, w.Code)
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size), "B/page")
		})
	}
}
