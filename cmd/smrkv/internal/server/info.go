package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
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
	mu sync.Mutex
	s  Snapshot
	c  map[string]int64
}

func (st *stats) reset(s *Server) {
	now := s.Snapshot()
	calls := make(map[string]int64)
	for name, n := range s.Calls {
		calls[name] = n
	}
	st.base.mu.Lock()
	defer st.base.mu.Unlock()
	st.base.s, st.base.c = now, calls
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
	{"Stats", true, infoStats},
	{"Smr", true, infoSMR},
	{"Commandstats", false, infoCommandStats},
	{"Keyspace", true, infoKeyspace},
}

type infoWriter struct {
	strings.Builder
	srv  *Server
	now  Snapshot
	base Snapshot
	call map[string]int64 // as base
}

func (w *infoWriter) line(name string, value any) { fmt.Fprintf(w, "%s:%v\r\n", name, value) }

func cmdInfo(c *conn, args [][]byte) {
	c.tally.fold(&c.srv.stats)
	w := &infoWriter{srv: c.srv, now: c.srv.Snapshot()}
	b := &c.srv.stats.base
	b.mu.Lock()
	w.base, w.call = b.s, b.c
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
	for _, name := range names {
		if equalFold(name, strings.ToUpper(s.name)) || equalFold(name, "ALL") || equalFold(name, "EVERYTHING") ||
			equalFold(name, "DEFAULT") && s.byDefault {
			return true
		}
	}
	return false
}

func infoServer(w *infoWriter) {
	w.line("redis_version", compatible) // what the replies are compatible with
	w.line("redis_mode", "standalone")
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
	w.line("client_query_buffers", w.now.QueryBytes)
	w.line("client_reply_buffers", w.now.ReplyBytes)
	w.line("maxmemory_clients", w.now.ClientLimit)
	w.line("total_watched_keys", w.now.WatchedKeys)
}

func infoMemory(w *infoWriter) {
	w.line("used_memory", w.now.MemoryUsed)
	w.line("used_memory_human", units.FormatBytes(w.now.MemoryUsed))
	w.line("used_memory_dataset", w.now.Data.EntryBytes)
	w.line("used_memory_go_heap", w.now.HeapBytes)
	w.line("used_memory_buffers", w.now.BufferBytes)
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
	for name, n := range w.srv.Calls {
		if n -= w.call[name]; n > 0 {
			w.line("cmdstat_"+name, fmt.Sprintf("calls=%d", n))
		}
	}
}

func infoKeyspace(w *infoWriter) {
	if n := w.now.Data.Len; n > 0 {
		w.line("db0", fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", n, min(w.now.Expiring, int64(n))))
	}
}
