// Package lib has functions whose summaries other packages need.
package lib

import (
	"context"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type Node struct{ Value int }

type Table[T any] struct {
	Dom  *smr.Domain
	root smr.Pointer[T]
	mu   sync.Mutex
}

func (t *Table[T]) Find(s smr.Section) *T { return t.root.Load(s) }

func (t *Table[T]) Enter() smr.Section { return t.Dom.Enter() }

func (t *Table[T]) Flush() { t.Dom.Synchronize(context.Background()) }

func (t *Table[T]) Lock() { t.mu.Lock() }

func Finish(s smr.Section) { s.Leave() }

func Value(n *Node) int { return n.Value }

func Free(dom *smr.Domain, n *Node) { smr.Call(dom, n, 8, func(*Node) {}) }

func With(b *smrmap.Bytes, key []byte, fn func([]byte)) {
	s := b.Enter()
	defer s.Leave()
	if it, ok := b.LoadIn(s, key); ok {
		fn(it.Value)
	}
}

// A Source is an interface: what its methods return can't be inferred.
type Source interface {
	// Peek returns what is next.
	//
	//smr:borrows s
	Peek(s smr.Section) []byte
}

// Strange returns a part of what b refers to, by ways of its own.
//
//smr:borrows b
func Strange(b []byte, how func([]byte) []byte) []byte { return how(b) }
