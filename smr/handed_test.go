//go:build race && !smr_sched

package smr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
)

// The race detector reports a Reader or Quiescent that goroutines share without synchronization,
// though all words of its record are atomic.
func TestReader_SharedIsARace(t *testing.T) {
	for name, use := range map[string]func(d *Domain) func(){
		"Reader": func(d *Domain) func() {
			r := d.NewReader()
			return func() { r.Enter().Leave() }
		},
		"Quiescent": func(d *Domain) func() {
			q := d.NewQuiescent(nil)
			return func() { q.Online(); q.Quiesce(); q.Offline() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := self.Dies(t, func() {
				use := use(newDomain(t, Options{}))
				entered, left := make(chan struct{}), make(chan struct{})
				go func() {
					use()
					close(entered)
					close(left)
				}()
				use() // not ordered with the other
				<-entered
				<-left
			})
			require.Contains(t, text, "DATA RACE")
			require.Contains(t, text, "handedOver")
			require.Contains(t, text, "TestReader_SharedIsARace")
		})
	}
}
