package smr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// waits are the methods that wait, each with a domain that has something to wait for: 4096 bytes are
// pending, and MaxPending is fewer.
var waits = map[string]func(d *Domain, ctx context.Context) error{
	"Synchronize":                 (*Domain).Synchronize,
	"Barrier":                     (*Domain).Barrier,
	"Throttle (MaxPending: 4000)": (*Domain).Throttle,
	"Wait":                        func(d *Domain, ctx context.Context) error { return d.Wait(ctx, d.Advance()) },
	"Close":                       (*Domain).Close,
}

// heldUp runs each wait for two seconds, on a domain that a reader holds up, and returns its error.
func heldUp(t *testing.T, o Options, hold func(d *Domain) (release func()), check func(t *testing.T, what string, err error)) {
	for what, wait := range waits {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := o
				o.Name, o.MaxPending = "busy", 4000
				d := newDomain(t, o)
				release := hold(d)
				d.CallFunc(4096, func() {})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				err := wait(d, ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				check(t, what, err)
				release()
			})
		})
	}
}

// Each wait whose context ends says what is pending and open, which reader is the oldest, since when
// at least, and what is to be done.
func TestGaveUp_NamesTheOldestReader(t *testing.T) {
	heldUp(t, Options{}, func(d *Domain) func() {
		s := enterElsewhere(d)
		d.Advance()
		younger := enterElsewhere(d)
		return func() { s.Leave(); younger.Leave() }
	}, func(t *testing.T, what string, err error) {
		first, stack, _ := strings.Cut(err.Error(), "; it was entered at:\n")
		where := ""
		if debugging {
			require.Contains(t, stack, "enterElsewhere")
			require.Contains(t, stack, "and a section entered on processor ", "the younger one")
		} else {
			require.Empty(t, stack)
			where = "; Options.SampleSections and -tags invariants tell where it was entered"
		}
		require.Regexp(t, `^smr: `+strings.NewReplacer("(", `\(`, ")", `\)`).Replace(what)+` of domain busy gave up: context deadline exceeded; `+
			`1 call \(4096 bytes\) pending, 2 sections open; `+
			`it waits for a section entered on processor \d+, open for at least 2s, the oldest of 2: `+
			`it must be left, before the wait if it is the waiting goroutine's own`+where+`$`, first)
	})
}

// The stack of the oldest reader is in each error if it was sampled, without this package's entry.
func TestGaveUp_HasTheSampledStack(t *testing.T) {
	for name, enter := range map[string]func(d *Domain) Section{
		"Enter":    (*Domain).Enter,
		"TryEnter": func(d *Domain) Section { s, _ := d.TryEnter(); return s },
		"Reader":   func(d *Domain) Section { return d.NewReader().Enter() },
	} {
		t.Run(name, func(t *testing.T) {
			heldUp(t, Options{SampleSections: 1}, func(d *Domain) func() {
				entered := make(chan Section)
				go func() { entered <- sampledReader(d, enter) }()
				return (<-entered).Leave
			}, func(t *testing.T, what string, err error) {
				_, stack, _ := strings.Cut(err.Error(), "if it is the waiting goroutine's own; it was entered at:\n")
				require.Regexp(t, `^\t(.*TestGaveUp_HasTheSampledStack.*\n\t\t.*giveup_test.go:\d+\n\t)?.*sampledReader\n\t\t.*giveup_test.go:\d+\n`, stack)
			})
		})
	}
}

//go:noinline
func sampledReader(d *Domain, enter func(d *Domain) Section) Section { return enter(d) }

// A quiescent reader is called what its owner calls it.
func TestGaveUp_NamesTheQuiescent(t *testing.T) {
	heldUp(t, Options{}, func(d *Domain) func() {
		q := d.NewQuiescent(nil)
		q.Describe(func() string { return "event loop 3" })
		q.Online()
		return q.Close
	}, func(t *testing.T, what string, err error) {
		require.Contains(t, err.Error(), "1 section open; it waits for event loop 3, open for at least 2s: "+
			"it must come to a quiescent state (Quiesce, Offline or, in package stw, a safe point)")
	})
}

// What an owner says of itself may need what the waiting goroutine holds: the wait ends all the same.
func TestGaveUp_DescribeThatWaits(t *testing.T) {
	heldUp(t, Options{StallAfter: -1}, func(d *Domain) func() {
		q := d.NewQuiescent(nil)
		held := make(chan struct{})
		q.Describe(func() string { <-held; return "event loop 3" })
		q.Online()
		return func() {
			close(held)
			q.Close()
		}
	}, func(t *testing.T, what string, err error) {
		require.Contains(t, err.Error(), "1 section open; it waits for a quiescent reader")
	})
}

// A wait for callbacks that no reader holds up says so.
func TestGaveUp_TellsCallbacksFromReaders(t *testing.T) {
	for what, wait := range waits {
		if what == "Synchronize" || what == "Wait" {
			continue // they do not wait for callbacks
		}
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t, Options{Name: "busy", MaxPending: 4000, Workers: 3})
				release := make(chan struct{})
				d.CallFunc(4096, func() { <-release })
				d.Flush()
				synctest.Wait()
				s := enterElsewhere(d) // holds up nothing
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := wait(d, ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "1 call (4096 bytes) pending, 1 section open; no section holds it up, "+
					"but callbacks that have not returned, in 1 worker of at most 3: they must not block")
				close(release)
				s.Leave()
			})
		})
	}
}

// A context that has ended already, before what is pending is taken in, names the reader, too; and the
// error is that of the context.
func TestGaveUp_AtOnce(t *testing.T) {
	for what, wait := range waits {
		t.Run(what, func(t *testing.T) {
			d := newDomain(t, Options{MaxPending: 4000})
			s := enterElsewhere(d)
			d.CallFunc(4096, func() {})
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errors.New("for this reason"))
			err := wait(d, ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "1 section open; it waits for a section entered on processor")
			s.Leave()
		})
	}
}

// A wait that ends as its context does has nothing to name.
func TestGaveUp_NothingHoldsItUp(t *testing.T) {
	d := newDomain(t, Options{Name: "idle"})
	err := d.gaveUp("Wait", context.Canceled, d.Advance())
	require.EqualError(t, err, "smr: Wait of domain idle gave up: context canceled; 0 calls (0 bytes) pending, "+
		"0 sections open; nothing holds it up now: it would have ended soon")
}

// Of many readers whose stacks are known, the message has a few.
func TestGaveUp_NamesFew(t *testing.T) {
	d := newDomain(t, Options{SampleSections: 1})
	var all []Section
	for range 10 {
		all = append(all, enterElsewhere(d))
	}
	err := d.gaveUp("Wait", context.Canceled, d.Advance())
	require.ErrorContains(t, err, "the oldest of 10")
	require.Equal(t, maxNamed, strings.Count(err.Error(), "entered at:\n"))
	for _, s := range all {
		s.Leave()
	}
}

// A wait that does not give up allocates no more than before.
func TestGaveUp_CostsNothingBefore(t *testing.T) {
	if debugging || instrumented {
		t.Skip("checks allocate")
	}
	d := newDomain(t, Options{})
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if d.Synchronize(ctx) != nil || d.Barrier(ctx) != nil || d.Throttle(ctx) != nil || d.Wait(ctx, d.Advance()) != nil {
			panic("a wait fails")
		}
	}))
}

// A stall report of a production build names the code that entered, and the section's age.
func TestStall_HasTheSampledStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stalls []Stall
		d := newDomain(t, Options{Name: "slow", StallAfter: 10 * time.Second, OnStall: func(s Stall) { stalls = append(stalls, s) }})
		require.Zero(t, d.SetSampleSections(1))
		s := sampledReader(d, (*Domain).Enter)
		time.Sleep(time.Minute)
		d.CallFunc(8, func() {})
		time.Sleep(15 * time.Second)
		s.Leave()
		synctest.Wait()
		require.Len(t, stalls, 1)
		require.GreaterOrEqual(t, stalls[0].Readers[0].Age, 70*time.Second)
		require.Regexp(t, `^smr: domain slow: grace period 0x[0-9a-f]+ not over after 10s, 1 call \(8 bytes\) pending; `+
			`waits for a section entered on processor \d+, open for at least 1m10\.\d+s, entered at:\n\t.*sampledReader\n\t\t.*giveup_test.go:\d+\n`,
			stalls[0].String())
		require.Equal(t, 1, d.SetSampleSections(0))
	})
}

func TestCount(t *testing.T) {
	require.Equal(t, "0 calls, 1 call, 2 calls", fmt.Sprintf("%s, %s, %s", count(0, "call"), count(1, "call"), count(2, "call")))
}
