package smr

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watchdog is how long a test waits for what must happen at once.
const watchdog = 2 * time.Minute

func watchdogContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

// newDomain returns a domain that is closed when the test ends.
func newDomain(t testing.TB, o Options) *Domain {
	t.Helper()
	if o.Name == "" {
		o.Name = t.Name()
	}
	if o.OnStall == nil {
		o.OnStall = func(Stall) {} // rather than the log
	}
	d, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close(watchdogContext(t))) })
	return d
}

// variants are the domains that concurrency tests run on: with the kernel's
// fence and without, and with chunks so small that every path is taken often.
func variants(t *testing.T, test func(t *testing.T, o Options)) {
	for name, o := range map[string]Options{
		"Default":     {},
		"Fenced":      {fenced: true},
		"SmallChunks": {ChunkCalls: 3, Workers: 3},
		"Wrapping":    {start: belowWrap, ChunkBytes: 100},
	} {
		t.Run(name, func(t *testing.T) { test(t, o) })
	}
}

// belowWrap starts a clock a hundred advances below the wrap, or further where
// the build takes larger steps.
const belowWrap = ^Seq(0) - 100<<20

// enterElsewhere opens a section in another goroutine and hands it to this one,
// which may then wait for it: under -tags invariants, a goroutine that waits in
// a section that it entered itself panics.
func enterElsewhere(d *Domain) Section {
	handed := make(chan Section)
	go func() { handed <- d.Enter() }()
	return <-handed
}

// rounds scales a test's length.
func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// changeGOMAXPROCS changes GOMAXPROCS n times while a test runs, and then puts
// it back.
func changeGOMAXPROCS(n int) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for i := range n {
		runtime.GOMAXPROCS([]int{1, 2, 8, before, 3}[i%5])
		runtime.Gosched()
	}
}
