// Package metrics serves what an operator watches: Prometheus metrics, profiles,
// and whether the server is there.
package metrics

import (
	"io"
	"net/http"
	_ "net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/server"
	"github.com/gosmr/gosmr/smrprom"
)

// NewServer returns an HTTP server with /metrics, /healthz and /debug/pprof. It
// belongs on a private address.
func NewServer(srv *server.Server) *http.Server {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{srv},
		smrprom.NewCollector(srv.Domain()),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "ok\n") // best effort
	})
	mux.Handle("/debug/pprof/", http.DefaultServeMux) // where package pprof puts itself
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

// A collector takes a snapshot of the server for each scrape. What its domain says of itself is
// package smrprom's.
type collector struct{ srv *server.Server }

// A metric is a figure of the snapshot.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*server.Snapshot) float64
}

func gauge(name, help string, value func(*server.Snapshot) float64) metric {
	return metric{prometheus.NewDesc("smrkv_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*server.Snapshot) float64) metric {
	return metric{prometheus.NewDesc("smrkv_"+name+"_total", help, nil, nil), prometheus.CounterValue, value}
}

var metrics = []metric{
	gauge("connected_clients", "Connections open.", func(s *server.Snapshot) float64 { return float64(s.Clients) }),
	gauge("max_clients", "Connections allowed.", func(s *server.Snapshot) float64 { return float64(s.MaxClients) }),
	gauge("memory_used_bytes", "Memory the store has taken from the system.", func(s *server.Snapshot) float64 { return float64(s.MemoryUsed) }),
	gauge("memory_max_bytes", "Limit of the store's memory; 0 is none.", func(s *server.Snapshot) float64 { return float64(s.MemoryLimit) }),
	gauge("query_buffer_bytes", "Query buffers beyond the first 16 KiB of each connection.", func(s *server.Snapshot) float64 { return float64(s.QueryBytes) }),
	gauge("reply_buffer_bytes", "Reply buffers beyond the first 16 KiB of each connection.", func(s *server.Snapshot) float64 { return float64(s.ReplyBytes) }),
	gauge("keys", "Entries stored, expired ones that nobody met included.", func(s *server.Snapshot) float64 { return float64(s.Data.Len) }),
	gauge("keys_expiring", "Entries with an expiry, by the last walk of active expiry.", func(s *server.Snapshot) float64 { return float64(s.Expiring) }),
	gauge("entries_bytes", "Bytes in keys, values and their headers.", func(s *server.Snapshot) float64 { return float64(s.Data.EntryBytes) }),
	gauge("map_buckets", "Buckets of the store's map.", func(s *server.Snapshot) float64 { return float64(s.Data.Buckets) }),
	counter("map_resizes", "Times the store's map grew or shrank.", func(s *server.Snapshot) float64 { return float64(s.Data.Resizes) }),
	counter("connections", "Connections accepted, rejected ones included.", func(s *server.Snapshot) float64 { return float64(s.Connections) }),
	counter("connections_rejected", "Connections turned away.", func(s *server.Snapshot) float64 { return float64(s.Rejected) }),
	counter("protocol_errors", "Connections closed for a protocol error.", func(s *server.Snapshot) float64 { return float64(s.ProtocolErrors) }),
	counter("error_replies", "Error replies.", func(s *server.Snapshot) float64 { return float64(s.Errors) }),
	counter("keyspace_hits", "Reads of a key that was there.", func(s *server.Snapshot) float64 { return float64(s.Hits) }),
	counter("keyspace_misses", "Reads of a key that was not there.", func(s *server.Snapshot) float64 { return float64(s.Misses) }),
	counter("keys_expired", "Entries deleted because their time had come.", func(s *server.Snapshot) float64 { return float64(s.Data.Expired) }),
	counter("keys_evicted", "Entries evicted to make room.", func(s *server.Snapshot) float64 { return float64(s.Data.Evicted) }),
	counter("net_input_bytes", "Bytes read from clients.", func(s *server.Snapshot) float64 { return float64(s.NetIn) }),
	gauge("pubsub_channels", "Channels that somebody is subscribed to.", func(s *server.Snapshot) float64 { return float64(s.Channels) }),
	gauge("pubsub_patterns", "Patterns that somebody is subscribed to.", func(s *server.Snapshot) float64 { return float64(s.Patterns) }),
	gauge("pubsub_shard_channels", "Shard channels that somebody is subscribed to.", func(s *server.Snapshot) float64 { return float64(s.ShardChannels) }),
	gauge("pubsub_subscribers", "Connections that are subscribed to something.", func(s *server.Snapshot) float64 { return float64(s.Subscribers) }),
	counter("pubsub_messages_published", "Messages published, keyspace events included.", func(s *server.Snapshot) float64 { return float64(s.Published) }),
	counter("pubsub_messages_received", "Messages that subscribers accepted, counted for each.", func(s *server.Snapshot) float64 { return float64(s.Received) }),
	counter("subscribers_disconnected", "Subscribers disconnected since they left too much unread.", func(s *server.Snapshot) float64 { return float64(s.OutputLimit) }),
	counter("clients_evicted", "Clients disconnected for want of room in maxmemory-clients.", func(s *server.Snapshot) float64 { return float64(s.EvictedClients) }),
	counter("net_output_bytes", "Bytes written to clients.", func(s *server.Snapshot) float64 { return float64(s.NetOut) }),
}

var commandsDesc = prometheus.NewDesc("smrkv_commands_total", "Commands executed.", []string{"command"}, nil)

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
	ch <- commandsDesc
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.srv.Snapshot()
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
	for name, st := range c.srv.Commands {
		ch <- prometheus.MustNewConstMetric(commandsDesc, prometheus.CounterValue, float64(st.Calls), name)
	}
}
