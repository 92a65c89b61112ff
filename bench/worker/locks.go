package main

import (
	"sync"
	"time"

	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"
)

// Under a lock the object is filled in place; a writer waits for readers by locking.
func locks() []scheme {
	return []scheme{
		{"sync.Mutex", func() *instance {
			var mu sync.Mutex
			o := new(object)
			return &instance{
				reader: func() *reader {
					return &reader{
						empty: func(n int) {
							for range n {
								mu.Lock()
								mu.Unlock()
							}
						},
						load: func(n int) (sum uint64) {
							for range n {
								mu.Lock()
								sum += o.number
								mu.Unlock()
							}
							return sum
						},
						hold: func(d time.Duration) {
							mu.Lock()
							spin(d)
							sink.Store(o.number)
							mu.Unlock()
						},
					}
				},
				update: func(number uint64) {
					mu.Lock()
					o.fill(number)
					mu.Unlock()
				},
				synchronize: func() {
					mu.Lock()
					mu.Unlock()
				},
			}
		}},
		{"sync.RWMutex", func() *instance {
			var mu sync.RWMutex
			o := new(object)
			return &instance{
				reader: func() *reader {
					return &reader{
						empty: func(n int) {
							for range n {
								mu.RLock()
								mu.RUnlock()
							}
						},
						load: func(n int) (sum uint64) {
							for range n {
								mu.RLock()
								sum += o.number
								mu.RUnlock()
							}
							return sum
						},
						hold: func(d time.Duration) {
							mu.RLock()
							spin(d)
							sink.Store(o.number)
							mu.RUnlock()
						},
					}
				},
				update: func(number uint64) {
					mu.Lock()
					o.fill(number)
					mu.Unlock()
				},
				synchronize: func() {
					mu.Lock()
					mu.Unlock()
				},
			}
		}},
		{"xsync-v3-RBMutex", func() *instance {
			mu := xsync3.NewRBMutex()
			o := new(object)
			return &instance{
				reader: func() *reader {
					return &reader{
						empty: func(n int) {
							for range n {
								mu.RUnlock(mu.RLock())
							}
						},
						load: func(n int) (sum uint64) {
							for range n {
								t := mu.RLock()
								sum += o.number
								mu.RUnlock(t)
							}
							return sum
						},
						hold: func(d time.Duration) {
							t := mu.RLock()
							spin(d)
							sink.Store(o.number)
							mu.RUnlock(t)
						},
					}
				},
				update: func(number uint64) {
					mu.Lock()
					o.fill(number)
					mu.Unlock()
				},
				synchronize: func() {
					mu.Lock()
					mu.Unlock()
				},
			}
		}},
		{"xsync-v4-RBMutex", func() *instance {
			mu := xsync4.NewRBMutex()
			o := new(object)
			return &instance{
				reader: func() *reader {
					return &reader{
						empty: func(n int) {
							for range n {
								mu.RUnlock(mu.RLock())
							}
						},
						load: func(n int) (sum uint64) {
							for range n {
								t := mu.RLock()
								sum += o.number
								mu.RUnlock(t)
							}
							return sum
						},
						hold: func(d time.Duration) {
							t := mu.RLock()
							spin(d)
							sink.Store(o.number)
							mu.RUnlock(t)
						},
					}
				},
				update: func(number uint64) {
					mu.Lock()
					o.fill(number)
					mu.Unlock()
				},
				synchronize: func() {
					mu.Lock()
					mu.Unlock()
				},
			}
		}},
	}
}
