package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// A topic is what clients subscribe to: a channel, a pattern, or a shard channel; or, by MONITOR, all
// commands.
//
//	topics.of[kind]: name ─▶ topic ─▶ subscription ─▶ subscription      smrmap, smrq
//	                                       │               │
//	                                       ▼               ▼
//	                                     inbox           inbox
//
// Publishers find the topic in the map and walk its list in one section, and take no lock.
// Those that subscribe and unsubscribe change both with the map's bucket locked (Compute),
// so that the one that leaves last deletes the topic, and one that comes finds that topic or
// makes another. A publisher may still walk the old one: whoever comes later was not there
// when it began. What leaves is retired, and used again when no publisher can be at it.
//
// New subscriptions go to the head of the list: a walk that has begun does not meet them. So a
// subscriber that leaves and comes back gets no message twice.
type topic struct {
	subscribers smrq.List[subscription] // written with the bucket locked
	count       atomic.Int64            // of them; written likewise, read by PUBSUB NUMSUB
	all         *topics
}

// A subscription is a subscriber's, to one topic. box is plain: written before it is in the
// list, and when it is reclaimed.
type subscription struct {
	link smrq.Link[subscription]
	box  *inbox
	over atomic.Bool // set by the connection, before it leaves; read by publishers: see inbox
	all  *topics
}

type topicKind int

const (
	channels topicKind = iota
	patterns
	shards
	monitors // one, without a name
	topicKinds
)

type topics struct {
	of [topicKinds]*smrmap.Map[string, *topic]

	unused, unusedSubscriptions sync.Pool
}

func (t *topics) init(dom *smr.Domain) (err error) {
	t.unused.New = func() any {
		at := &topic{all: t}
		at.subscribers.InitWith(func(r *subscription) *smrq.Link[subscription] { return &r.link })
		return at
	}
	t.unusedSubscriptions.New = func() any { return &subscription{all: t} }
	for kind := range t.of {
		if t.of[kind], err = smrmap.New[string, *topic](smrmap.Options{Domain: dom}); err != nil {
			return err
		}
	}
	return nil
}

func (t *topics) close(ctx context.Context) error {
	var errs []error
	for _, m := range t.of {
		if m != nil {
			errs = append(errs, m.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// What is retired is about as large.
const (
	topicSize        = 128
	subscriptionSize = 64
)

// join subscribes an inbox.
func (t *topics) join(kind topicKind, name string, box *inbox) (*subscription, error) {
	r := t.unusedSubscriptions.Get().(*subscription)
	r.box = box
	_, _, err := t.of[kind].Compute(name, func(at *topic, loaded bool) (*topic, smrmap.Op) {
		op := smrmap.CancelOp
		if !loaded {
			at, op = t.unused.Get().(*topic), smrmap.UpdateOp
		}
		at.subscribers.InsertHead(r)
		at.count.Add(1)
		return at, op
	})
	return r, err
}

// leave ends a subscription. The connection marked it as over.
func (t *topics) leave(kind topicKind, name string, r *subscription) {
	var last *topic
	m := t.of[kind]
	m.Compute(name, func(at *topic, _ bool) (*topic, smrmap.Op) { // can't fail: it deletes
		at.subscribers.Remove(r)
		if at.count.Add(-1) > 0 {
			return at, smrmap.CancelOp
		}
		last = at
		return nil, smrmap.DeleteOp
	})
	smr.Call(m.Domain(), r, subscriptionSize, reclaimSubscription)
	if last != nil {
		smr.Call(m.Domain(), last, topicSize, reclaimTopic)
	}
}

// reclaimSubscription also cuts the link to what was behind it in the list.
func reclaimSubscription(r *subscription) {
	r.link, r.box = smrq.Link[subscription]{}, nil
	r.over.Store(false)
	r.all.unusedSubscriptions.Put(r)
}

func reclaimTopic(t *topic) { t.all.unused.Put(t) }

// viewed returns name as a string to look up, which is not to be kept. A copy would be charged to nobody.
func viewed(name []byte) string { return unsafe.String(unsafe.SliceData(name), len(name)) }

// subscribers returns how many a topic has.
func (t *topics) subscribers(kind topicKind, name []byte) int64 {
	s := t.of[kind].Enter()
	defer s.Leave()
	if at, ok := t.of[kind].LoadIn(s, viewed(name)); ok {
		return (*at).count.Load()
	}
	return 0
}

// A publication is a message on its way.
type publication struct {
	srv      *Server
	limit    *outputLimit
	received int
	after    []notice
}

// A notice is what is to be done once the section is left.
type notice struct {
	box *inbox
	outcome
}

// publish sends a message to those that are subscribed to the channel, or the shard channel,
// and returns how many received it. It does not wait: not for a client, nor for others that
// publish. goOn is asked while patterns are compared.
func (s *Server) publish(kind topicKind, channel, payload []byte, goOn func() bool) int {
	p := publication{srv: s, limit: s.settings.pubsubLimit()}
	p.to(kind, viewed(channel), func() []byte { return frameOf(topicWords[kind].message, channel, payload) })
	if kind == channels && len(channel) <= maxMatched && s.topics.of[patterns].Len() > 0 {
		// Patterns are compared in no section: that may take long.
		for pattern := range s.topics.of[patterns].Keys() {
			m := matcher{pattern: []byte(pattern), goOn: goOn}
			if m.match(channel) {
				p.to(patterns, pattern, func() []byte {
					return frameOf(topicWords[patterns].message, []byte(pattern), channel, payload)
				})
			}
		}
	}
	p.finish()
	s.stats.published.Add(1)
	if p.received > 0 {
		s.stats.received.Add(int64(p.received))
	}
	return p.received
}

// to gives the message to all inboxes of a topic. It is encoded once, if anybody receives it.
func (p *publication) to(kind topicKind, name string, encode func() []byte) {
	m := p.srv.topics.of[kind]
	if len(name) > maxTopic || m.Len() == 0 {
		return
	}
	s := m.Enter()
	defer s.Leave()
	at, ok := m.LoadIn(s, name)
	if !ok {
		return
	}
	frame := encode()
	for r := range (*at).subscribers.All(s) {
		o := r.box.post(r, frame, p.limit)
		if o&accepted != 0 {
			p.received++
		}
		if o&^accepted != 0 {
			p.after = append(p.after, notice{r.box, o})
		}
	}
}

func (p *publication) finish() {
	for _, n := range p.after {
		if n.outcome&toCharge != 0 {
			n.box.settle()
		}
		if n.outcome&toClose != 0 {
			n.box.cut()
		}
		if n.outcome&toWatch != 0 {
			p.srv.reaper.watch(n.box)
		}
		if n.outcome&toWake != 0 {
			n.box.c.wire.wake()
		}
	}
}

// frameOf encodes a message but for its first byte, which depends on the protocol.
func frameOf(word string, parts ...[]byte) []byte {
	size := resp.HeaderSize + bulkOverhead + len(word)
	for _, part := range parts {
		size += bulkOverhead + len(part)
	}
	b := resp.AppendArray(make([]byte, 0, size), 1+len(parts))
	b = resp.AppendBulk(b, word)
	for _, part := range parts {
		b = resp.AppendBulk(b, part)
	}
	return b[1:]
}
