package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync/atomic"
)

// settings are the options that CONFIG SET changes. MaxMemory is in the budget.
type settings struct {
	policy     atomic.Int32 // by setPolicy
	maxClients atomic.Int64
	timeout    atomic.Int64 // nanoseconds
	// clientMemory is in bytes, or in percent of maxmemory if it is negative; 0: derived
	// from that. Changed by setClientMemory.
	clientMemory atomic.Int64
	protected    atomic.Bool
	outputLimits atomic.Pointer[outputLimits]
	events       atomic.Uint32            // see eventClasses
	password     atomic.Pointer[password] // nil: none
}

func (t *settings) init(o *Options) {
	t.maxClients.Store(int64(o.MaxClients))
	t.timeout.Store(int64(o.Timeout))
	t.clientMemory.Store(o.MaxClientMemory)
	t.protected.Store(!o.Unprotected)
	t.events.Store(o.Events)
	t.outputLimits.Store(&defaultOutputLimits)
	t.setPassword(o.RequirePass)
}

// A password is kept with its hash, which has the same length whatever the
// password's is: comparing hashes tells nothing by the time it takes.
type password struct {
	text string // for CONFIG GET
	hash [sha256.Size]byte
}

func (t *settings) setPassword(text string) {
	if text == "" {
		t.password.Store(nil)
		return
	}
	t.password.Store(&password{text, sha256.Sum256([]byte(text))})
}

func (p *password) is(guess []byte) bool {
	hash := sha256.Sum256(guess)
	return subtle.ConstantTimeCompare(hash[:], p.hash[:]) == 1
}
