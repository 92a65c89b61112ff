package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/units"
)

func newRunID() string {
	var b [20]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// A baseline is what CONFIG RESETSTAT has INFO subtract. Metrics don't.
type baseline struct {
	mu       sync.Mutex
	s        Snapshot
	commands map[string]CommandStat
	errors   map[string]int64
}

func (st *stats) reset(s *Server) {
	now := s.Snapshot()
	commands, errors := maps.Collect(s.Commands), st.errorsOf.counts()
	st.base.mu.Lock()
	defer st.base.mu.Unlock()
	st.base.s, st.base.commands, st.base.errors = now, commands, errors
}

// An infoSection is one of INFO, with what it writes.
type infoSection struct {
	name      string
	byDefault bool
	write     func(w *infoWriter)
}

var infoSections = []infoSection{
	{"Server", true, infoServer},
	{"Clients", true, infoClients},
	{"Memory", true, infoMemory},
	{"Persistence", true, infoPersistence},
	{"Stats", true, infoStats},
	{"Replication", true, infoReplication},
	{"CPU", true, infoCPU},
	{"Smr", true, infoSMR},
	{"Commandstats", false, infoCommandStats},
	{"Errorstats", true, infoErrorStats},
	{"Cluster", true, infoCluster},
	{"Keyspace", true, infoKeyspace},
}

type infoWriter struct {
	strings.Builder
	srv  *Server
	now  Snapshot
	base Snapshot

	baseCommands map[string]CommandStat
	baseErrors   map[string]int64
}

func (w *infoWriter) line(name string, value any) { fmt.Fprintf(w, "%s:%v\r\n", name, value) }

func cmdInfo(c *conn, args [][]byte) {
	c.tally.fold(&c.srv.stats)
	w := &infoWriter{srv: c.srv, now: c.srv.Snapshot()}
	b := &c.srv.stats.base
	b.mu.Lock()
	w.base, w.baseCommands, w.baseErrors = b.s, b.commands, b.errors
	b.mu.Unlock()
	for _, section := range infoSections {
		if !section.wanted(args[1:]) {
			continue
		}
		if w.Len() > 0 {
			w.WriteString("\r\n")
		}
		w.WriteString("# " + section.name + "\r\n")
		section.write(w)
	}
	c.text([]byte(w.String()))
}

func (s *infoSection) wanted(names [][]byte) bool {
	if len(names) == 0 {
		return s.byDefault
	}
	upper := strings.ToUpper(s.name)
	for _, name := range names {
		if equalFold(name, upper) || equalFold(name, "ALL") || equalFold(name, "EVERYTHING") ||
			equalFold(name, "DEFAULT") && s.byDefault {
			return true
		}
	}
	return false
}

func infoServer(w *infoWriter) {
	w.line("redis_version", compatible) // what the replies are compatible with
	w.line("redis_mode", w.srv.opts.mode())
	w.line("server_name", "smrkv")
	w.line("os", runtime.GOOS)
	w.line("arch_bits", 32<<(^uint(0)>>63))
	w.line("go_version", runtime.Version())
	w.line("gomaxprocs", runtime.GOMAXPROCS(0))
	w.line("process_id", os.Getpid())
	w.line("run_id", w.srv.runID)
	w.line("server_time_usec", w.srv.opts.Now().UnixMicro())
	w.line("uptime_in_seconds", int64(w.now.Uptime/time.Second))
	w.line("uptime_in_days", int64(w.now.Uptime/(24*time.Hour)))
}

func infoClients(w *infoWriter) {
	w.line("connected_clients", w.now.Clients)
	w.line("maxclients", w.now.MaxClients)
	w.line("blocked_clients", 0) // no command waits for another client
	w.line("client_query_buffers", w.now.QueryBytes)
	w.line("client_reply_buffers", w.now.ReplyBytes)
	w.line("maxmemory_clients", w.now.ClientLimit)
	w.line("total_watched_keys", w.now.WatchedKeys)
}

func infoMemory(w *infoWriter) {
	w.line("used_memory", w.now.MemoryUsed)
	w.line("used_memory_human", units.FormatBytes(w.now.MemoryUsed))
	if rss, ok := residentBytes(); ok {
		w.line("used_memory_rss", rss)
		w.line("used_memory_rss_human", units.FormatBytes(rss))
		w.line("mem_fragmentation_ratio", fmt.Sprintf("%.2f", float64(rss)/float64(max(w.now.MemoryUsed, 1))))
	}
	w.line("used_memory_dataset", w.now.Data.EntryBytes)
	w.line("used_memory_go_heap", w.now.HeapBytes)
	w.line("used_memory_buffers", w.now.BufferBytes)
	w.line("mem_clients_normal", w.now.QueryBytes+w.now.ReplyBytes)
	w.line("maxmemory", w.now.MemoryLimit)
	w.line("maxmemory_human", units.FormatBytes(w.now.MemoryLimit))
	w.line("maxmemory_policy", w.now.Policy)
	w.line("smr_pending_bytes", w.now.SMR.PendingBytes)
	w.line("mem_allocator", "gosmr-slab")
}

func infoStats(w *infoWriter) {
	w.line("total_connections_received", w.now.Connections-w.base.Connections)
	w.line("rejected_connections", w.now.Rejected-w.base.Rejected)
	w.line("total_commands_processed", w.now.Commands-w.base.Commands)
	w.line("total_error_replies", w.now.Errors-w.base.Errors)
	w.line("protocol_errors", w.now.ProtocolErrors-w.base.ProtocolErrors)
	w.line("http_connections_refused", w.now.HTTP-w.base.HTTP)
	w.line("total_net_input_bytes", w.now.NetIn-w.base.NetIn)
	w.line("total_net_output_bytes", w.now.NetOut-w.base.NetOut)
	w.line("keyspace_hits", w.now.Hits-w.base.Hits)
	w.line("keyspace_misses", w.now.Misses-w.base.Misses)
	w.line("evicted_clients", w.now.EvictedClients-w.base.EvictedClients)
	w.line("expired_keys", w.now.Data.Expired-w.base.Data.Expired)
	w.line("evicted_keys", w.now.Data.Evicted-w.base.Data.Evicted)
	w.line("pubsub_channels", w.now.Channels)
	w.line("pubsub_patterns", w.now.Patterns)
	w.line("pubsubshard_channels", w.now.ShardChannels)
	w.line("client_output_buffer_limit_disconnections", w.now.OutputLimit-w.base.OutputLimit)
	w.line("latest_fork_usec", 0)
	w.line("total_forks", 0)
}

func infoSMR(w *infoWriter) {
	st := w.now.SMR
	w.line("smr_pending_bytes", st.PendingBytes)
	w.line("smr_pending_calls", st.PendingCalls)
	w.line("smr_calls", st.Calls)
	w.line("smr_callbacks", st.Callbacks)
	w.line("smr_grace_periods", st.Advances)
	w.line("smr_scans", st.Scans)
	w.line("smr_sections_open", st.Sections)
	w.line("smr_records", st.Records)
	w.line("smr_workers", st.Workers)
	w.line("smr_stalls", st.Stalls)
	w.line("map_buckets", w.now.Data.Buckets)
	w.line("map_resizes", w.now.Data.Resizes)
}

func infoCommandStats(w *infoWriter) {
	for name, st := range w.srv.Commands {
		if st = st.minus(w.baseCommands[name]); st == (CommandStat{}) {
			continue
		}
		usec := float64(st.Time) / float64(time.Microsecond)
		w.line("cmdstat_"+name, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			st.Calls, int64(usec), usec/float64(max(st.Calls, 1)), st.Rejected, st.Failed))
	}
}

func infoErrorStats(w *infoWriter) {
	counts := w.srv.stats.errorsOf.counts()
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[word] - w.baseErrors[word]; n > 0 {
			w.line("errorstat_"+word, fmt.Sprintf("count=%d", n))
		}
	}
}

// Nothing is saved, loaded or copied: there is no such thing to fail either.
func infoPersistence(w *infoWriter) {
	for _, name := range []string{"loading", "async_loading", "rdb_bgsave_in_progress", "rdb_saves",
		"aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "aof_rewrites"} {
		w.line(name, 0)
	}
}

func infoReplication(w *infoWriter) {
	w.line("role", "master")
	w.line("connected_slaves", 0)
	w.line("master_failover_state", "no-failover")
	w.line("master_repl_offset", 0)
	w.line("repl_backlog_active", 0)
}

func infoCPU(w *infoWriter) {
	user, system, ok := cpuTime()
	if !ok {
		return
	}
	w.line("used_cpu_sys", fmt.Sprintf("%.6f", system.Seconds()))
	w.line("used_cpu_user", fmt.Sprintf("%.6f", user.Seconds()))
	w.line("used_cpu_sys_children", "0.000000")
	w.line("used_cpu_user_children", "0.000000")
}

func infoCluster(w *infoWriter) {
	enabled := 0
	if w.srv.opts.Cluster != nil {
		enabled = 1
	}
	w.line("cluster_enabled", enabled)
}

func infoKeyspace(w *infoWriter) {
	for d, m := range w.srv.databases {
		if n := int64(m.Len()); n > 0 {
			w.line("db"+strconv.Itoa(d.index), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", n, min(d.expiring.Load(), n)))
		}
	}
}

// cmdRole replies for those that look for the master.
func cmdRole(c *conn, _ [][]byte) {
	c.reply(list{"master", 0, list{}})
}
