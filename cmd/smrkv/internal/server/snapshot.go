package server

import (
	"runtime/metrics"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Snapshot is what INFO and the metrics tell of a server. Its counters only
// grow.
type Snapshot struct {
	Uptime time.Duration

	Clients    int
	MaxClients int64

	MemoryUsed  int64 // bytes that the store has taken from the system
	MemoryLimit int64 // 0: none
	Policy      Policy
	ClientLimit int64 // of QueryBytes and ReplyBytes together
	QueryBytes  int64 // buffers charged to it
	ReplyBytes  int64
	BufferBytes int64  // that all buffers have taken from the system
	HeapBytes   uint64 // the Go heap, with buffers but without the store

	Connections    int64 // accepted, rejected ones included
	Rejected       int64
	EvictedClients int64 // disconnected for want of room in ClientLimit
	ProtocolErrors int64
	HTTP           int64 // connections ended since they spoke HTTP
	OutputLimit    int64 // subscribers disconnected since they were too slow
	Commands       int64
	Errors         int64 // error replies
	Hits, Misses   int64
	NetIn, NetOut  int64 // bytes

	Data     smrmap.Stats // of all databases
	Expiring int64        // entries with an expiry, by the last walk of active expiry
	SMR      smr.Stats

	WatchedKeys int64 // counted for each connection that watches one

	Channels, Patterns, ShardChannels int   // that somebody is subscribed to
	Subscribers                       int   // connections
	Published                         int64 // messages
	Received                          int64 // messages that subscribers accepted
}

// Snapshot returns how things are. It is not taken at one instant.
func (s *Server) Snapshot() Snapshot {
	s.mu.Lock()
	clients, subscribers := len(s.conns), 0
	for _, c := range s.conns {
		if c.subscribed() {
			subscribers++
		}
	}
	s.mu.Unlock()
	st := &s.stats
	queries, replies := s.buffers.Used()
	return Snapshot{
		Uptime:         time.Since(s.started),
		Clients:        clients,
		MaxClients:     s.settings.maxClients.Load(),
		MemoryUsed:     s.memory.Used(),
		MemoryLimit:    s.memory.Limit(),
		Policy:         s.policy(),
		ClientLimit:    s.buffers.Limit(),
		QueryBytes:     queries,
		ReplyBytes:     replies,
		BufferBytes:    s.pool.Bytes(),
		EvictedClients: s.buffers.Evicted(),
		HeapBytes:      heapBytes(),
		Connections:    st.connections.Load(),
		Rejected:       st.rejected.Load(),
		ProtocolErrors: st.protocolErrors.Load(),
		HTTP:           st.http.Load(),
		OutputLimit:    st.outputLimit.Load(),
		Commands:       st.commands.Load(),
		Errors:         st.errors.Load(),
		Hits:           st.hits.Load(),
		Misses:         st.misses.Load(),
		NetIn:          st.netIn.Load(),
		NetOut:         st.netOut.Load(),
		Data:           s.dataStats(),
		Expiring:       s.expiring(),
		SMR:            s.dom.Stats(),
		WatchedKeys:    s.watches.count.Load(),
		Channels:       s.topics.of[channels].Len(),
		Patterns:       s.topics.of[patterns].Len(),
		ShardChannels:  s.topics.of[shards].Len(),
		Subscribers:    subscribers,
		Published:      st.published.Load(),
		Received:       st.received.Load(),
	}
}

// heapBytes doesn't stop the world, as runtime.ReadMemStats would.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
