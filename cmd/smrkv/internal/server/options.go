package server

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/gosmr/gosmr/smrmap"
)

// Options configure a Server. The zero Options is valid; each zero field stands
// for the default given with it. The names in quotes are those of CONFIG GET and
// CONFIG SET, where Redis has the option too.
type Options struct {
	// MaxMemory bounds the bytes that the store takes from the system:
	// "maxmemory". Default: no bound.
	MaxMemory int64

	// Policy is what to do when a write does not fit: "maxmemory-policy".
	// Default: NoEviction.
	Policy Policy

	// Databases is how many databases there are for SELECT: "databases". One takes memory from
	// when it is first selected. Default: 16.
	Databases int

	// RequirePass is the password that AUTH must give before anything else is
	// allowed: "requirepass". Default: none.
	RequirePass string

	// Unprotected lets clients from other hosts connect although there is no
	// password: the opposite of "protected-mode".
	Unprotected bool

	// MaxClients bounds the connections: "maxclients". Default: 10000.
	MaxClients int

	// Timeout is how long a client may be silent before its connection is
	// closed: "timeout". Default: forever.
	Timeout time.Duration

	// WriteTimeout is how long a client may take to read a part of a reply
	// (writeChunk bytes, or less at its end) before its connection is closed; and how
	// long its TLS handshake may take.
	// Default: 1 minute.
	WriteTimeout time.Duration

	// MaxClientMemory bounds what all connections together hold in buffers, for what
	// clients have sent and do not read: "maxmemory-clients". (Not counted are the 16 KiB
	// for reading and for writing while commands are executed.) Beyond it the clients that
	// hold most are disconnected, and a reply waits for others to be read. If negative, it
	// is a part of MaxMemory, in percent. Default: MaxMemory, within 128 MiB and 1 GiB.
	MaxClientMemory int64

	// Events are the classes of keyspace events that are published, as ParseEvents returns:
	// "notify-keyspace-events". Default: none.
	Events uint32

	// IOThreads is how many event loops serve the connections: "io-threads".
	// Each has a thread of its own under load. Default: half of GOMAXPROCS, but
	// one at least; the kernel's side of the network needs about as much.
	IOThreads int

	// Cluster says which other servers have a part of the keys. Default: none has.
	Cluster *Cluster

	// Log receives what an operator should know. Default: slog.Default().
	Log *slog.Logger

	// Now tells the time, for expiry. Default: time.Now.
	Now func() time.Time

	streams bool // for tests: no event loops, as on systems without epoll

	// largeValue, for tests, is from where on a value is large. Default: 64 KiB.
	largeValue int

	// step, for tests, is called when a connection has executed what had arrived or
	// has ended, and when active expiry has done a round. It must not wait.
	step func()
}

// mode returns what Redis calls it.
func (o *Options) mode() string {
	if o.Cluster != nil {
		return "cluster"
	}
	return "standalone"
}

const (
	defaultMaxClients   = 10_000
	defaultWriteTimeout = time.Minute
)

// normalize checks the options and fills in the defaults.
func (o *Options) normalize() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxMemory", o.MaxMemory},
		{"Databases", int64(o.Databases)},
		{"MaxClients", int64(o.MaxClients)},
		{"Timeout", int64(o.Timeout)},
		{"WriteTimeout", int64(o.WriteTimeout)},
		{"IOThreads", int64(o.IOThreads)},
	} {
		if f.value < 0 {
			return fmt.Errorf("server: negative Options.%s: %d", f.name, f.value)
		}
	}
	if o.MaxClientMemory < -100 {
		return fmt.Errorf("server: Options.MaxClientMemory is %d percent of MaxMemory", -o.MaxClientMemory)
	}
	if o.Policy < 0 || int(o.Policy) >= len(policyNames) {
		return fmt.Errorf("server: no such Options.Policy: %d", o.Policy)
	}
	if o.Databases > mostDatabases {
		return fmt.Errorf("server: Options.Databases is %d; %d are possible", o.Databases, mostDatabases)
	}
	setDefault(&o.Databases, defaultDatabases)
	setDefault(&o.MaxClients, defaultMaxClients)
	setDefault(&o.WriteTimeout, defaultWriteTimeout)
	setDefault(&o.largeValue, defaultLargeValue)
	setDefault(&o.IOThreads, max(1, runtime.GOMAXPROCS(0)/2))
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.step == nil {
		o.step = func() {}
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// A Policy is what to do when a write does not fit into MaxMemory.
type Policy int32

const (
	// NoEviction answers writes with an error. Reads and deletes go on.
	NoEviction Policy = iota

	// AllKeysClock makes room by evicting keys that were not read since the
	// last time one was looked for (CLOCK: one bit for each key, where Redis's
	// allkeys-lru has a time).
	AllKeysClock

	// VolatileClock is AllKeysClock among the keys that expire. Where there is none, or
	// what they take is not enough, writes are answered with an error.
	VolatileClock

	// The names of Redis's policies are accepted, and kept. AllKeysLRU, AllKeysLFU and
	// AllKeysRandom are AllKeysClock; the others are VolatileClock, which is told nothing of
	// how soon a key expires.
	AllKeysLRU
	AllKeysLFU
	AllKeysRandom
	VolatileLRU
	VolatileLFU
	VolatileRandom
	VolatileTTL
)

var policyNames = [...]string{
	NoEviction:     "noeviction",
	AllKeysClock:   "allkeys-clock",
	VolatileClock:  "volatile-clock",
	AllKeysLRU:     "allkeys-lru",
	AllKeysLFU:     "allkeys-lfu",
	AllKeysRandom:  "allkeys-random",
	VolatileLRU:    "volatile-lru",
	VolatileLFU:    "volatile-lfu",
	VolatileRandom: "volatile-random",
	VolatileTTL:    "volatile-ttl",
}

// evictable returns what the store may evict.
func (p Policy) evictable() smrmap.Evictable {
	switch p {
	case NoEviction:
		return smrmap.EvictNone
	case AllKeysClock, AllKeysLRU, AllKeysLFU, AllKeysRandom:
		return smrmap.EvictAll
	}
	return smrmap.EvictExpiring
}

func (p Policy) String() string { return policyNames[p] }

// ParsePolicy returns the policy of that name.
func ParsePolicy(name string) (Policy, error) {
	for p, n := range policyNames {
		if strings.EqualFold(n, name) {
			return Policy(p), nil
		}
	}
	return 0, fmt.Errorf("no such policy: %q (there are %s)", name, strings.Join(policyNames[:], ", "))
}
