//go:build !invariants

package smrmap

import "github.com/gosmr/gosmr/smr"

// Readers borrow the value itself. Under -tags invariants they borrow a copy: see lend_on.go.

func lendValue[K comparable, V any](_ *Map[K, V], _ smr.Section, _ K, v *V) *V { return v }

func lendItem(_ smr.Section, _ *header, it Item) Item { return it }

func show(e *header, it Item, fn func([]byte, Item)) { fn(e.key(), it) }

func yieldTo(e *header, it Item, yield func([]byte, Item) bool) bool { return yield(e.key(), it) }
