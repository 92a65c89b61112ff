//go:build invariants

package stw

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// What only the owner may call is refused to others; and what would wait for its
// caller, to that.
func TestInvariants_WhoCalls(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	other := c.domains[0]
	asDomain(t, w, func(d *Domain) {
		for name, misuse := range map[string]func(){
			"Poll":          other.Poll,
			"EnterBlocking": other.EnterBlocking,
			"RunOnAll":      func() { w.RunOnAll(other, func(*Domain, *Stop) {}, StopOptions{}) },
			"Stop":          w.Stop,
			"ForEach":       func() { w.ForEach(func(*Domain) {}) },
			"ScanOwn":       func() { other.ScanOwn(func([]uintptr) error { return nil }) },
			"Suspend":       func() { w.Suspend(context.Background()) },
			"Join":          func() { other.Join(context.Background()) },
			"Close":         func() { w.Close(context.Background()) },
		} {
			func() {
				defer func() {
					p := recover()
					require.NotNil(t, p, name)
					require.Contains(t, p, name)
				}()
				misuse()
			}()
		}
		// In Blocking it may wait for others.
		d.Blocking(func() {
			w.Stop()
			w.Start()
			w.ForEach(func(d *Domain) { d.Poll() }) // at a safe point: does nothing
		})
	})
	c.end(t)
}
