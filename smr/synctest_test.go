package smr

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
)

// What the package's doc says of bubbles that end while a call is pending.
func TestSynctest_EndOfBubble(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *Domain){
		"Close":   func(t *testing.T, d *Domain) { require.NoError(t, d.Close(t.Context())) },
		"Barrier": func(t *testing.T, d *Domain) { require.NoError(t, d.Barrier(t.Context())) },
		"Cleanup": func(t *testing.T, d *Domain) {
			t.Cleanup(func() { require.NoError(t, d.Close(watchdogContext(t))) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			ran := false
			synctest.Test(t, func(t *testing.T) {
				d, err := New(Options{})
				require.NoError(t, err)
				s := d.Enter()
				d.CallFunc(8, func() { ran = true })
				s.Leave()
				end(t, d)
			})
			require.True(t, ran)
		})
	}

	// Go's panic ends the test binary.
	t.Run("Neither", func(t *testing.T) {
		const env = "SMR_TEST_BUBBLE"
		if os.Getenv(env) != "" {
			synctest.Test(t, func(t *testing.T) {
				d, err := New(Options{})
				require.NoError(t, err)
				d.CallFunc(8, func() {})
			})
			return
		}
		cmd := self.Command("-test.run", "^TestSynctest_EndOfBubble$/^Neither$", "-test.timeout", watchdog.String())
		cmd.Env = append(os.Environ(), env+"=1")
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "blocked goroutines remain")
	})
}
