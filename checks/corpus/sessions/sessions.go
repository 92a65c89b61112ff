// Package sessions is a store of login sessions. A session owns a spill file, which is closed when no
// request can use it any more.
package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// Errors of the store.
var (
	ErrUnknown = errors.New("sessions: unknown session")
	ErrClosed  = errors.New("sessions: store is closed")
)

// An ID names a session.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// NewID returns a random ID.
func NewID() (id ID) {
	rand.Read(id[:])
	return id
}

// A Session is what a logged-in user has. Requests use it in a section of the store's domain.
type Session struct {
	ID    ID
	User  string
	Roles []string

	lastUse atomic.Int64
	spill   *os.File

	mu   sync.Mutex
	data map[string]string
}

// Set sets a value.
func (s *Session) Set(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		s.data = make(map[string]string)
	}
	s.data[key] = value
}

// Get returns a value.
func (s *Session) Get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[key]
}

// Spill writes to the session's file.
func (s *Session) Spill(p []byte) error {
	_, err := s.spill.Write(p)
	return err
}

func (s *Session) end() {
	s.spill.Close()
	os.Remove(s.spill.Name())
}

// A Store has all sessions.
type Store struct {
	dom    *smr.Domain
	dir    string
	byID   *smrmap.Map[ID, *Session]
	byUser *smrmap.Map[string, ID]

	mu     sync.Mutex
	late   []*Session // to be ended by Close
	closed bool       // no request runs any more
}

// NewStore returns a store that spills to dir.
func NewStore(dir string) (*Store, error) {
	dom, err := smr.New(smr.Options{Name: "sessions"})
	if err != nil {
		return nil, err
	}
	st := &Store{dom: dom, dir: dir}
	if st.byID, err = smrmap.New[ID, *Session](smrmap.Options{Domain: dom, Capacity: 1024}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	if st.byUser, err = smrmap.New[string, ID](smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, st.byID.Close(context.Background()), dom.Close(context.Background()))
	}
	return st, nil
}

// Login makes a session and returns its ID. It ends an earlier one of the user.
func (st *Store) Login(user string, roles ...string) (ID, error) {
	f, err := os.CreateTemp(st.dir, "session-*")
	if err != nil {
		return ID{}, err
	}
	sess := &Session{ID: NewID(), User: user, Roles: slices.Clone(roles), spill: f}
	sess.lastUse.Store(time.Now().UnixNano())
	id := sess.ID
	if err := st.byID.Store(id, sess); err != nil {
		sess.end() // no request has found it
		return ID{}, err
	}
	var before ID
	_, _, err = st.byUser.Compute(user, func(old ID, loaded bool) (ID, smrmap.Op) {
		before = old
		return id, smrmap.UpdateOp
	})
	if err != nil {
		st.Logout(id)
		return ID{}, err
	}
	if before != (ID{}) {
		st.Logout(before)
	}
	return id, nil
}

// Logout ends a session.
func (st *Store) Logout(id ID) bool {
	sess, ok := st.byID.LoadAndDelete(id)
	if !ok {
		return false
	}
	smrmap.CompareAndDelete(st.byUser, sess.User, id) // unless the user has another by now
	st.retire(sess)
	return true
}

// retire ends a session that is in no map any more, once no request uses it. A domain that is closing
// takes no calls, but requests may still run: then Close ends the session.
func (st *Store) retire(sess *Session) {
	if smr.TryCall(st.dom, sess, 0, (*Session).end) {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		sess.end()
		return
	}
	st.late = append(st.late, sess)
}

// Request calls fn with a session, in which it may do what it likes with it.
func (st *Store) Request(id ID, fn func(*Session) error) error {
	s, ok := st.dom.TryEnter()
	if !ok {
		return ErrClosed
	}
	defer s.Leave()
	sess, err := st.find(s, id)
	if err != nil {
		return err
	}
	sess.lastUse.Store(time.Now().UnixNano())
	return fn(sess)
}

// find returns the session of an ID, for a section of the store's domain.
func (st *Store) find(s smr.Section, id ID) (*Session, error) {
	p, ok := st.byID.LoadIn(s, id)
	if !ok {
		return nil, ErrUnknown
	}
	return *p, nil
}

// Attach holds a session for a connection that stays open, such as a web socket.
func (st *Store) Attach(id ID) (smr.Held[Session], error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return smr.Held[Session]{}, ErrClosed
	}
	defer s.Leave()
	sess, err := st.find(s, id)
	if err != nil {
		return smr.Held[Session]{}, err
	}
	return smr.Hold(s, sess), nil
}

// Roles returns the roles of a user who is logged in.
func (st *Store) Roles(user string) []string {
	s, ok := st.dom.TryEnter()
	if !ok {
		return nil
	}
	defer s.Leave()
	id, ok := st.byUser.LoadIn(s, user)
	if !ok {
		return nil
	}
	sess, err := st.find(s, *id)
	if err != nil {
		return nil
	}
	return slices.Clone(sess.Roles)
}

// Expire ends the sessions that were not used since before.
func (st *Store) Expire(before time.Time) (n int) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	for id, sess := range st.byID.All() {
		if sess.lastUse.Load() >= before.UnixNano() {
			continue
		}
		if st.Logout(id) {
			n++
		}
	}
	return n
}

// An Info describes a session.
type Info struct {
	ID   ID
	User string
	Idle time.Duration
}

// List describes all sessions, the longest idle first.
func (st *Store) List() []Info {
	var infos []Info
	now := time.Now().UnixNano()
	st.dom.Read(func(smr.Section) {
		for id, sess := range st.byID.All() {
			infos = append(infos, Info{id, sess.User, time.Duration(now - sess.lastUse.Load())})
		}
	})
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(b.Idle, a.Idle) })
	return infos
}

// Close ends all sessions.
func (st *Store) Close(ctx context.Context) error {
	for id := range st.byID.Keys() {
		st.Logout(id)
	}
	if err := errors.Join(st.byID.Close(ctx), st.byUser.Close(ctx), st.dom.Close(ctx)); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closed = true
	for _, sess := range st.late {
		sess.end()
	}
	st.late = nil
	return nil
}
