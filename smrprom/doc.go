// Package smrprom exports what a program's domains say of themselves to Prometheus:
//
//	prometheus.MustRegister(smrprom.NewCollector(smr.Default(), tables))
//
// Each series has the label domain. What to watch, and what it means:
//
//	smr_grace_period_age_seconds > smr_stall_after_seconds     a reader stays in its section
//	smr_oldest_hold_age_seconds                                a hold is not released
//	smr_stage_age_seconds{stage="running"}                     a callback does not return
//	smr_stage_age_seconds{stage="ready"}                       callbacks wait for a worker
//	smr_pending_bytes / smr_pending_bytes_max                  at 1 writers in Throttle wait
//	smr_reclaimer_late_seconds                                 the reclaimer gets no processor
//
// Package smrdebug then names the code. dashboard.json in this directory is a dashboard for Grafana,
// with a row for each of these questions, and alerts.yml has rules for Prometheus.
//
// Nothing runs, and nothing is kept, between two scrapes. The histograms cost a domain some additions
// for each grace period and for each batch of callbacks, which are made anyway. A scrape costs a
// [smr.Domain.Diagnose] of each domain.
package smrprom
