package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

var (
	// ErrNoSession is returned for a session that is not there, or has ended.
	ErrNoSession = errors.New("no such session")

	// ErrClosed is returned by Begin after Close.
	ErrClosed = errors.New("no more sessions")
)

// A Session owns what the collector does not free: a file, a connection.
type Session struct {
	ID   uint64
	used atomic.Int64 // Unix nanoseconds, when it was used last

	mu  sync.Mutex
	out io.WriteCloser // its users take mu; the callback needs no lock, as there are none any more
}

// Sessions are found by many goroutines at once, without a lock. They end by End, or when they were
// not used for a while. What a session owns is closed when its last user has finished.
type Sessions struct {
	dom  *smr.Domain
	m    *smrmap.Map[uint64, *Session]
	idle time.Duration

	cancel context.CancelFunc
	swept  chan struct{} // closed when expire has ended

	mu     sync.Mutex // Begin, End and Close
	last   uint64     // the ID given out last
	closed bool
	errs   []error // of sessions that were closed
}

// NewSessions returns no sessions yet. They end when they were idle for so long.
func NewSessions(idle time.Duration) (*Sessions, error) {
	dom, err := smr.New(smr.Options{Name: "sessions"})
	if err != nil {
		return nil, err
	}
	m, err := smrmap.New[uint64, *Session](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background())) // nothing is in it: it does not wait
	}
	ctx, cancel := context.WithCancel(context.Background())
	ss := &Sessions{dom: dom, m: m, idle: idle, cancel: cancel, swept: make(chan struct{})}
	go ss.expire(ctx)
	return ss, nil
}

// Begin begins a session that writes to out. If it fails, out is still the caller's.
func (ss *Sessions) Begin(out io.WriteCloser) (id uint64, err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return 0, ErrClosed // Close would not see this session, and not close out
	}
	ss.last++
	s := &Session{ID: ss.last, out: out}
	s.used.Store(time.Now().UnixNano())
	return s.ID, ss.m.Store(s.ID, s)
}

// Write writes to a session, however long that takes.
func (ss *Sessions) Write(id uint64, p []byte) error {
	held, ok := ss.hold(id)
	if !ok {
		return ErrNoSession
	}
	defer held.Release()
	s := held.Get()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.Store(time.Now().UnixNano())
	_, err := s.out.Write(p)
	s.used.Store(time.Now().UnixNano())
	return err
}

// hold finds a session in a section, and keeps it after that: a Write may be slow, and its section
// would hold up the end of all sessions.
func (ss *Sessions) hold(id uint64) (smr.Held[Session], bool) {
	s, ok := ss.dom.TryEnter() // it may come after Close
	if !ok {
		return smr.Held[Session]{}, false
	}
	defer s.Leave()
	p, ok := ss.m.LoadIn(s, id)
	if !ok {
		return smr.Held[Session]{}, false
	}
	return smr.Hold(s, *p), true
}

// End ends a session: no new user finds it, and it is closed after those that have. It waits for none.
func (ss *Sessions) End(id uint64) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.endLocked(id)
}

func (ss *Sessions) endLocked(id uint64) error {
	old, ok := ss.m.LoadAndDelete(id) // unlink first
	if !ok {
		return ErrNoSession
	}
	smr.Call(ss.dom, old, 1, ss.end) // hardly any memory; but with a size, -tags invariants finds a second Call
	return nil
}

// end is called when no user of s is left.
func (ss *Sessions) end(s *Session) {
	if err := s.out.Close(); err != nil {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.errs = append(ss.errs, fmt.Errorf("session %d: %w", s.ID, err))
	}
}

// expire ends sessions that are idle.
func (ss *Sessions) expire(ctx context.Context) {
	defer close(ss.swept)
	tick := time.NewTicker(ss.idle / 4)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, id := range ss.unused(now.Add(-ss.idle)) {
				ss.End(id) // it may have ended meanwhile
			}
		case <-ctx.Done():
			return
		}
	}
}

// unused returns the sessions that were not used since a time.
func (ss *Sessions) unused(since time.Time) (ids []uint64) {
	s := ss.m.Enter() // All returns copies of the pointers: only a section keeps what they lead to
	defer s.Leave()
	for id, session := range ss.m.All() {
		if session.used.Load() <= since.UnixNano() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Close ends all sessions, and returns when each is closed, and their errors. If ctx ends first, the
// rest are closed when their users have finished, and a second Close waits for them.
func (ss *Sessions) Close(ctx context.Context) error {
	ss.cancel()
	<-ss.swept
	ss.mu.Lock()
	ss.closed = true
	for id := range ss.m.All() {
		ss.endLocked(id)
	}
	ss.mu.Unlock()
	// The map before the domain. The domain's Close has waited for all callbacks when it returns nil.
	err := errors.Join(ss.m.Close(ctx), ss.dom.Close(ctx))
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return errors.Join(err, errors.Join(ss.errs...))
}
