package smrprom

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosmr/gosmr/smr"
)

// NewCollector returns a collector of the domains' metrics. Without arguments it collects those of all
// domains that are open at the time of a scrape ([smr.Domains]).
//
// The label domain is the domain's name; the second domain of a name has "#2" appended to it, and so
// on. A domain that is closed keeps its series, if it was named here. The collector keeps the domains
// that are named here alive.
func NewCollector(domains ...*smr.Domain) prometheus.Collector { return &collector{domains} }

type collector struct{ domains []*smr.Domain }

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
	for _, h := range histograms {
		ch <- h.desc
	}
	for _, s := range stageMetrics {
		ch <- s.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	domains := c.domains
	if len(domains) == 0 {
		domains = smr.Domains()
	}
	named := make(map[string]int)
	for _, d := range domains {
		label := strings.ToValidUTF8(d.Name(), "\uFFFD")
		if named[label]++; named[label] > 1 {
			label = fmt.Sprint(label, "#", named[label])
		}
		collect(ch, label, d.Diagnose(1)) // one reader: the oldest
	}
}

func collect(ch chan<- prometheus.Metric, domain string, dg smr.Diagnosis) {
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&dg), domain)
	}
	for _, h := range histograms {
		from := h.value(&dg)
		buckets := make(map[float64]uint64, len(from.Buckets))
		for _, b := range from.Buckets {
			buckets[b.UpTo.Seconds()] = b.Count
		}
		ch <- prometheus.MustNewConstHistogram(h.desc, from.Count, from.Sum, buckets, domain)
	}
	for _, s := range stageMetrics {
		for _, stage := range stages {
			if s.untimed == stage.name {
				continue
			}
			ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, s.value(stage.of(&dg)), domain, stage.name)
		}
	}
}

// A metric is a figure of a domain.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*smr.Diagnosis) float64
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("smr_"+name, help, append([]string{"domain"}, labels...), nil)
}

func gauge(name, help string, value func(*smr.Diagnosis) float64) metric {
	return metric{desc(name, help), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*smr.Diagnosis) float64) metric {
	return metric{desc(name+"_total", help), prometheus.CounterValue, value}
}

var metrics = []metric{
	gauge("pending_calls", "Deferred calls that have not run.", func(d *smr.Diagnosis) float64 { return float64(d.PendingCalls) }),
	gauge("pending_bytes", "Bytes that deferred calls will free.", func(d *smr.Diagnosis) float64 { return float64(d.PendingBytes) }),
	gauge("pending_bytes_max", "Pending bytes at which writers in Throttle wait; +Inf: none.", func(d *smr.Diagnosis) float64 { return bound(d.MaxPending) }),
	gauge("throttled_writers", "Writers that wait in Throttle.", func(d *smr.Diagnosis) float64 { return float64(d.Throttled) }),
	gauge("waiting_barriers", "Waits in Barrier and Close.", func(d *smr.Diagnosis) float64 { return float64(d.Barriers) }),

	gauge("grace_period_age_seconds", "Age of the oldest grace period that is waited for.", func(d *smr.Diagnosis) float64 { return d.Grace.Seconds() }),
	gauge("stall_after_seconds", "Age at which a grace period is reported as stalled; +Inf: never.", func(d *smr.Diagnosis) float64 { return bound(d.StallAfter.Seconds()) }),
	gauge("sections_open", "Open sections.", func(d *smr.Diagnosis) float64 { return float64(d.Sections) }),
	gauge("oldest_section_age_seconds", "The oldest section is at least this old; 0 if that is unknown: then no grace period waits for it and it was not sampled.", oldest),
	gauge("records", "Readers' records, which a scan reads.", func(d *smr.Diagnosis) float64 { return float64(d.Records) }),

	gauge("holds", "Objects that are held.", func(d *smr.Diagnosis) float64 { return float64(d.Holds) }),
	gauge("oldest_hold_age_seconds", "For how long deferred calls have only waited until their object is released.", func(d *smr.Diagnosis) float64 { return d.HeldFor.Seconds() }),

	gauge("workers", "Goroutines that run callbacks.", func(d *smr.Diagnosis) float64 { return float64(d.Workers) }),
	gauge("workers_max", "Most goroutines that run callbacks at once.", func(d *smr.Diagnosis) float64 { return float64(d.MaxWorkers) }),
	gauge("reclaimer_late_seconds", "For how long the reclaimer has been due and has not run.", func(d *smr.Diagnosis) float64 { return d.Late.Now.Seconds() }),
	gauge("reclaimer_late_max_seconds", "How late the reclaimer ran at most.", func(d *smr.Diagnosis) float64 { return d.Late.Worst.Seconds() }),
	gauge("closed", "1 if Close was called.", func(d *smr.Diagnosis) float64 {
		if d.Closed {
			return 1
		}
		return 0
	}),

	counter("calls", "Deferred calls made.", func(d *smr.Diagnosis) float64 { return float64(d.Calls) }),
	counter("callbacks", "Deferred calls that have run.", func(d *smr.Diagnosis) float64 { return float64(d.Callbacks) }),
	counter("grace_periods", "Times the domain's clock has moved.", func(d *smr.Diagnosis) float64 { return float64(d.Advances) }),
	counter("scans", "Scans of all readers' records.", func(d *smr.Diagnosis) float64 { return float64(d.Scans) }),
	counter("stalls", "Reports of a grace period that takes too long, and of leaks.", func(d *smr.Diagnosis) float64 { return float64(d.Stalls) }),
}

// bound is an option that is negative where there is no bound.
func bound[T int64 | float64](v T) float64 {
	if v < 0 {
		return math.Inf(1)
	}
	return float64(v)
}

// oldest is the age of the oldest section.
func oldest(d *smr.Diagnosis) float64 {
	age := time.Duration(0)
	for _, r := range d.Readers {
		age = max(age, r.Age)
	}
	return age.Seconds()
}

var histograms = []struct {
	desc  *prometheus.Desc
	value func(*smr.Diagnosis) smr.Histogram
}{
	{desc("grace_period_seconds", "How long deferred calls waited for readers, for each grace period."),
		func(d *smr.Diagnosis) smr.Histogram { return d.GraceTimes }},
	{desc("callback_seconds", "How long callbacks took from the end of the grace period, or the release of their object, until they had run."),
		func(d *smr.Diagnosis) smr.Histogram { return d.CallbackTimes }},
}

// stages are those that deferred calls go through, in this order.
var stages = []struct {
	name string
	of   func(*smr.Diagnosis) smr.Stage
}{
	{"collecting", func(d *smr.Diagnosis) smr.Stage { return d.Collecting }},
	{"waiting", func(d *smr.Diagnosis) smr.Stage { return d.Waiting }},
	{"ready", func(d *smr.Diagnosis) smr.Stage { return d.Ready }},
	{"running", func(d *smr.Diagnosis) smr.Stage { return d.Running }},
	{"held", func(d *smr.Diagnosis) smr.Stage { return d.Held }},
}

var stageMetrics = []struct {
	desc    *prometheus.Desc
	value   func(smr.Stage) float64
	untimed string // the stage that has none
}{
	{desc("stage_calls", "Pending calls by stage.", "stage"), func(s smr.Stage) float64 { return float64(s.Calls) }, ""},
	{desc("stage_bytes", "Pending bytes by stage.", "stage"), func(s smr.Stage) float64 { return float64(s.Bytes) }, ""},
	{desc("stage_age_seconds", "For how long the oldest call in the stage has been there.", "stage"), func(s smr.Stage) float64 { return s.For.Seconds() }, "collecting"},
}
