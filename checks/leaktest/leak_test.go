package leaktest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// An idle domain has no goroutine, whether it was used or not.
func TestDomain_NoGoroutinesAtRest(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	goleak.VerifyNone(t)
	var ran atomic.Int32
	for range 10_000 {
		d.CallFunc(8, func() { ran.Add(1) })
	}
	require.NoError(t, d.Barrier(ctx(t)))
	goleak.VerifyNone(t) // retries for a while: the last worker is on its way out
	require.EqualValues(t, 10_000, ran.Load())
	require.NoError(t, d.Close(ctx(t)))
}

func TestDefault_NoGoroutinesAtRest(t *testing.T) {
	d := smr.Default()
	s := d.Enter()
	d.CallFunc(smr.Expedite, func() {})
	s.Leave()
	require.NoError(t, d.Barrier(ctx(t)))
	require.NoError(t, d.Synchronize(ctx(t)))
	goleak.VerifyNone(t)
}

// Waits that are canceled leave nothing behind.
func TestWait_CanceledLeavesNothing(t *testing.T) {
	d, err := smr.New(smr.Options{MaxPending: 8})
	require.NoError(t, err)
	handed := make(chan smr.Section)
	go func() { handed <- d.Enter() }()
	s := <-handed
	d.CallFunc(8, func() {})
	for _, wait := range []func(context.Context) error{d.Synchronize, d.Barrier, d.Throttle} {
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		require.ErrorIs(t, wait(short), context.DeadlineExceeded)
		cancel()
	}
	s.Leave()
	require.NoError(t, d.Close(ctx(t)))
	goleak.VerifyNone(t)
}

func TestDomain_ThousandsLeaveNothing(t *testing.T) {
	for range 1000 {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		d.CallFunc(8, func() {})
		require.NoError(t, d.Close(ctx(t)))
	}
	goleak.VerifyNone(t)
}

// A world has no goroutines but its domains': none for those that are blocked.
func TestWorld_NoGoroutinesAtRest(t *testing.T) {
	dom, err := smr.New(smr.Options{})
	require.NoError(t, err)
	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
	require.NoError(t, err)
	goleak.VerifyNone(t)
	d, err := w.Register()
	require.NoError(t, err)
	d.EnterBlocking()
	w.ForEach(func(*stw.Domain) {})
	ran := make(chan struct{})
	require.NoError(t, d.Interrupt(func(*stw.Domain) { close(ran) }))
	<-ran
	w.Stop()
	w.Start()
	goleak.VerifyNone(t) // it is blocked, and nothing is asked of it
	d.LeaveBlocking()
	w.RunOnAll(d, func(*stw.Domain, *stw.Stop) {}, stw.StopOptions{})
	require.NoError(t, d.Synchronize(ctx(t)))
	goleak.VerifyNone(t)
	d.Deregister()
	require.NoError(t, w.Close(ctx(t)))
	require.NoError(t, dom.Close(ctx(t)))
	goleak.VerifyNone(t)
}
