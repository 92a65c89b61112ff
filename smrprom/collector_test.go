package smrprom_test

import (
	"context"
	"math"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrprom"
)

// newDomain returns a domain that is closed when the test ends.
func newDomain(t testing.TB, o smr.Options) *smr.Domain {
	t.Helper()
	d, err := smr.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // the test's has ended
		defer cancel()
		require.NoError(t, d.Close(ctx))
	})
	return d
}

// registryOf returns a registry that checks what the domains' collector says.
func registryOf(t testing.TB, domains ...*smr.Domain) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(smrprom.NewCollector(domains...)))
	return r
}

// scrape returns what Prometheus gets from the registry.
func scrape(t testing.TB, r *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	h := promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code, w.Body)
	return w.Body.String()
}

// series returns the values of a scrape by series.
func series(t testing.TB, text string) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(t, err, line)
		values[line[:at]] = v
	}
	return values
}

type object struct{ _ [8]byte }

// A stalled reader, a hold that is not released, what waits for them, and that it is over, are in the
// series that the doc names.
func TestCollector_SaysWhatIsStuck(t *testing.T) {
	ctx := testkit.Context(t)
	d := newDomain(t, smr.Options{Name: "tables", MaxPending: 1 << 20, StallAfter: time.Minute, Workers: 3, ChunkCalls: 1})
	r := registryOf(t, d)
	require.Equal(t, map[string]float64{
		`smr_pending_calls{domain="tables"}`: 0, `smr_grace_period_age_seconds{domain="tables"}`: 0, `smr_closed{domain="tables"}`: 0,
	}, pick(series(t, scrape(t, r)), "smr_pending_calls", "smr_grace_period_age_seconds", "smr_closed"))

	s := testkit.Enter(d)
	o := new(object)
	hold := smr.Hold(s, o)
	smr.Call(d, o, 100, func(*object) {})
	d.CallFunc(11, func() {})
	var v map[string]float64
	for v[`smr_stage_calls{domain="tables",stage="waiting"}`] < 2 || v[`smr_grace_period_age_seconds{domain="tables"}`] == 0 {
		require.NoError(t, ctx.Err(), "%v", v)
		v = series(t, scrape(t, r))
	}
	require.Equal(t, map[string]float64{
		`smr_pending_calls{domain="tables"}`:       2,
		`smr_pending_bytes{domain="tables"}`:       111,
		`smr_pending_bytes_max{domain="tables"}`:   1 << 20,
		`smr_sections_open{domain="tables"}`:       1,
		`smr_holds{domain="tables"}`:               1,
		`smr_stall_after_seconds{domain="tables"}`: 60,
		`smr_workers_max{domain="tables"}`:         3,
		`smr_calls_total{domain="tables"}`:         2,
		`smr_callbacks_total{domain="tables"}`:     0,
		`smr_stalls_total{domain="tables"}`:        0,
	}, pick(v, "smr_pending_calls", "smr_pending_bytes", "smr_pending_bytes_max", "smr_sections_open", "smr_holds",
		"smr_stall_after_seconds", "smr_workers_max", "smr_calls_total", "smr_callbacks_total", "smr_stalls_total"))
	require.EqualValues(t, 111, v[`smr_stage_bytes{domain="tables",stage="waiting"}`])
	require.Positive(t, v[`smr_stage_age_seconds{domain="tables",stage="waiting"}`])
	require.Positive(t, v[`smr_oldest_section_age_seconds{domain="tables"}`])
	require.Zero(t, v[`smr_oldest_hold_age_seconds{domain="tables"}`], "nothing waits for it yet")

	s.Leave()
	for v[`smr_stage_calls{domain="tables",stage="held"}`] < 1 || v[`smr_callbacks_total{domain="tables"}`] < 1 {
		require.NoError(t, ctx.Err(), "%v", v)
		v = series(t, scrape(t, r))
	}
	require.Positive(t, v[`smr_oldest_hold_age_seconds{domain="tables"}`])
	require.Zero(t, v[`smr_sections_open{domain="tables"}`])
	hold.Release()
	require.NoError(t, d.Barrier(ctx))
	require.NoError(t, d.Close(ctx))
	v = series(t, scrape(t, r))
	require.Zero(t, v[`smr_pending_calls{domain="tables"}`]+v[`smr_holds{domain="tables"}`])
	require.EqualValues(t, 1, v[`smr_closed{domain="tables"}`])
	require.EqualValues(t, 2, v[`smr_callback_seconds_count{domain="tables"}`])
	require.EqualValues(t, 2, v[`smr_callback_seconds_bucket{domain="tables",le="+Inf"}`])
	require.Positive(t, v[`smr_callback_seconds_sum{domain="tables"}`])
	require.Positive(t, v[`smr_grace_period_seconds_count{domain="tables"}`])
}

// pick returns the series of those names.
func pick(values map[string]float64, names ...string) map[string]float64 {
	picked := make(map[string]float64)
	for s, v := range values {
		for _, name := range names {
			if strings.HasPrefix(s, name+"{") {
				picked[s] = v
			}
		}
	}
	return picked
}

// A domain without bounds says so.
func TestCollector_Unbounded(t *testing.T) {
	d := newDomain(t, smr.Options{Name: "free", MaxPending: -1, StallAfter: -1})
	v := series(t, scrape(t, registryOf(t, d)))
	require.Equal(t, math.Inf(1), v[`smr_pending_bytes_max{domain="free"}`])
	require.Equal(t, math.Inf(1), v[`smr_stall_after_seconds{domain="free"}`])
}

// promlint has nothing to say.
func TestCollector_Lint(t *testing.T) {
	problems, err := testutil.GatherAndLint(registryOf(t, newDomain(t, smr.Options{})))
	require.NoError(t, err)
	require.Empty(t, problems)
}

// Names are data, and need not be unique: a scrape has the series of each domain all the same.
func TestCollector_AnyNames(t *testing.T) {
	var domains []*smr.Domain
	for _, name := range []string{"a", "a", "b\"} 1\nfake_series 2", "\xff", "a"} {
		domains = append(domains, newDomain(t, smr.Options{Name: name}))
	}
	text := scrape(t, registryOf(t, domains...))
	for _, label := range []string{`a`, `a#2`, `a#3`, `b\"} 1\nfake_series 2`, "\uFFFD"} {
		require.Contains(t, text, "\nsmr_calls_total{domain=\""+label+"\"} 0\n")
	}
	require.NotContains(t, text, "\nfake_series")
}

// Without arguments it is about the domains that are open when Prometheus asks.
func TestCollector_OfAllOpenDomains(t *testing.T) {
	r := registryOf(t)
	const series = `smr_calls_total{domain="comes and goes"}`
	require.NotContains(t, scrape(t, r), series)
	d := newDomain(t, smr.Options{Name: "comes and goes"})
	require.Contains(t, scrape(t, r), series)
	require.NoError(t, d.Close(testkit.Context(t)))
	require.NotContains(t, scrape(t, r), series)
}

// Scrapes may be at the same time as all else, and counters only grow.
func TestCollector_WhileTheDomainWorks(t *testing.T) {
	d := newDomain(t, smr.Options{Name: "busy", MaxPending: 1 << 20, ChunkCalls: 3})
	r := registryOf(t, d)
	ctx := testkit.Context(t)
	var working atomic.Int32
	working.Add(2)
	for range 2 {
		go func() {
			defer working.Add(-1)
			for range testkit.Rounds(50_000) {
				s := d.Enter()
				d.CallFunc(100, func() {})
				s.Leave()
				if err := d.Throttle(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	last := make(map[string]float64)
	for more := true; more; more = working.Load() > 0 {
		v := series(t, scrape(t, r))
		for name, value := range v {
			if strings.Contains(name, "_total{") || strings.Contains(name, "_count{") || strings.Contains(name, "_bucket{") {
				require.GreaterOrEqual(t, value, last[name], name)
			}
		}
		last = v
	}
	require.NoError(t, d.Barrier(ctx))
	v := series(t, scrape(t, r))
	require.EqualValues(t, 2*testkit.Rounds(50_000), v[`smr_calls_total{domain="busy"}`])
	require.Equal(t, v[`smr_calls_total{domain="busy"}`], v[`smr_callback_seconds_count{domain="busy"}`])
}
