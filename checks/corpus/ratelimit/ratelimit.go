// Package ratelimit limits how often clients may do what. Buckets lie off the Go heap, so there may be
// millions of clients; rules are replaced while requests are judged by them.
package ratelimit

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Rule gives each client of a path so many tokens a second.
type Rule struct {
	Prefix string
	Rate   float64 // tokens a second
	Burst  float64
}

type rules struct {
	version uint32
	list    []Rule
}

// match returns the rule of a path, and its number. The rule is part of the set.
func (r *rules) match(path string) (int, *Rule) {
	best := -1
	for i := range r.list {
		if strings.HasPrefix(path, r.list[i].Prefix) && (best < 0 || len(r.list[i].Prefix) > len(r.list[best].Prefix)) {
			best = i
		}
	}
	if best < 0 {
		return -1, nil
	}
	return best, &r.list[best]
}

type bucketKey struct {
	client uint64
	rule   uint32
	_      uint32
}

type bucket struct {
	tokens float64
	at     int64 // nanoseconds
	denied uint64
}

func (b bucket) refill(r *Rule, now int64) bucket {
	if passed := now - b.at; passed > 0 {
		b.tokens = math.Min(r.Burst, b.tokens+r.Rate*float64(passed)/1e9)
		b.at = now
	}
	return b
}

// A Limiter judges requests.
type Limiter struct {
	dom     *smr.Domain
	buckets *smrmap.Map[bucketKey, bucket]
	seed    maphash.Seed
	now     func() int64

	rules smr.Pointer[rules]
	mu    sync.Mutex
	pool  *slab.Pool[decision]
	last  smr.Pointer[decision]
}

// A decision is the last one that was made, for the status page.
type decision struct {
	client  uint64
	at      int64
	allowed bool
}

// New returns a limiter without rules, which allows all.
func New(budget *slab.Budget, now func() int64) (*Limiter, error) {
	dom, err := smr.New(smr.Options{Name: "ratelimit"})
	if err != nil {
		return nil, err
	}
	buckets, err := smrmap.New[bucketKey, bucket](smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	l := &Limiter{dom: dom, buckets: buckets, seed: maphash.MakeSeed(), now: now}
	l.pool = slab.New[decision](dom, slab.Options{Name: "decisions", Budget: budget})
	l.rules.Init(&rules{})
	return l, nil
}

// SetRules replaces the rules.
func (l *Limiter) SetRules(list ...Rule) error {
	for _, r := range list {
		if r.Rate <= 0 || r.Burst < 1 {
			return errors.New("ratelimit: rule for " + r.Prefix + " allows nothing")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.rules.LoadSerialized()
	l.rules.Store(&rules{version: old.version + 1, list: append([]Rule(nil), list...)})
	return nil // the collector frees the old ones
}

// Allow takes n tokens of a client, and reports whether there were as many.
func (l *Limiter) Allow(client, path string, n float64) (allowed bool, retry time.Duration) {
	s, ok := l.dom.TryEnter()
	if !ok {
		return true, 0
	}
	defer s.Leave()
	set := l.rules.Load(s)
	i, rule := set.match(path)
	if rule == nil {
		return true, 0
	}
	now := l.now()
	key := bucketKey{client: maphash.String(l.seed, client), rule: set.version<<8 | uint32(i)}
	after, _, err := l.buckets.Compute(key, func(b bucket, loaded bool) (bucket, smrmap.Op) {
		if !loaded {
			b = bucket{tokens: rule.Burst, at: now}
		}
		b = b.refill(rule, now)
		if allowed = b.tokens >= n; allowed {
			b.tokens -= n
		} else {
			b.denied++
		}
		return b, smrmap.UpdateOp
	})
	if err != nil {
		return true, 0 // no memory: rather too many than none
	}
	l.note(key.client, now, allowed)
	if !allowed {
		retry = time.Duration((n - after.tokens) / rule.Rate * 1e9)
	}
	return allowed, retry
}

// note publishes a decision. Writers need no lock: each retires what it has swapped out.
func (l *Limiter) note(client uint64, at int64, allowed bool) {
	d, err := l.pool.Get()
	if err != nil {
		return
	}
	*d = decision{client, at, allowed}
	if old := l.last.Swap(d); old != nil {
		l.pool.Retire(old)
	}
}

// Last returns the last decision.
func (l *Limiter) Last() (at time.Time, allowed, ok bool) {
	s := l.dom.Pin()
	d := l.last.Load(s)
	if d == nil {
		s.Leave()
		return time.Time{}, false, false
	}
	copied := *d
	s.Leave()
	return time.Unix(0, copied.at), copied.allowed, true
}

// Tokens returns how many tokens a client had at its last request.
func (l *Limiter) Tokens(client, path string) (tokens float64, ok bool) {
	s := l.buckets.Enter()
	defer s.Leave()
	set := l.rules.Load(s)
	i, rule := set.match(path)
	if rule == nil {
		return math.Inf(1), false
	}
	b, ok := l.buckets.LoadIn(s, bucketKey{client: maphash.String(l.seed, client), rule: set.version<<8 | uint32(i)})
	if !ok {
		return rule.Burst, false
	}
	return b.tokens, true
}

// Forget deletes the buckets that were not used for a while, and those of earlier rules.
func (l *Limiter) Forget(unused time.Duration) (n int) {
	var version uint32
	l.dom.Read(func(s smr.Section) { version = l.rules.Load(s).version })
	before := l.now() - int64(unused)
	for key, b := range l.buckets.All() {
		if key.rule>>8 == version && b.at >= before {
			continue
		}
		if smrmap.CompareAndDelete(l.buckets, key, b) {
			n++
		}
	}
	return n
}

// Close ends the limiter.
func (l *Limiter) Close(ctx context.Context) error {
	if d := l.last.Swap(nil); d != nil {
		l.pool.Retire(d)
	}
	return errors.Join(l.buckets.Close(ctx), l.pool.Close(ctx), l.dom.Close(ctx))
}
