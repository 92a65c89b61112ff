package smr

import (
	"fmt"
	"time"

	"github.com/gosmr/gosmr/pcpu"
)

// Options configure a Domain. The zero Options is valid; each zero field stands
// for the default given with it.
type Options struct {
	// Name names the domain in Stats, stall reports and panics. Names need not
	// be unique. Default: "domain-" and a number.
	Name string

	// MaxPending is how many bytes may wait to be freed, as told by the sizes
	// given to Call, before Throttle makes writers wait. Negative: no bound.
	// Default: 64 MiB.
	MaxPending int64

	// MaxDelay bounds how long something that could be freed waits: from the
	// Call, or from the end of the last section that could hold it if that is
	// later, to the start of its callback, provided that callbacks are short
	// and processors are to be had. A section that is entered after the Call,
	// and before the next check-in, counts as one that could. Default: 100 ms.
	MaxDelay time.Duration

	// CheckIn is how often, while anything is pending, the processors' chunks
	// are collected and their goals committed although nothing presses. A short
	// interval frees sooner; a long one makes larger batches. It is at most half
	// of MaxDelay, and can be changed by SetCheckIn. While a reader holds up what
	// is pending and nothing is called, each check-in comes after twice the time
	// of the one before. Default: a quarter of MaxDelay.
	CheckIn time.Duration

	// StallAfter is how old a grace period is when it is reported to OnStall,
	// and again each time it is twice as old. It ages while somebody waits for
	// it: a pending call does (the reclaimer), a goal that is only polled does
	// not. Negative: never. Default: 10 s.
	StallAfter time.Duration

	// OnStall receives stall reports and, under -tags invariants, the sections that
	// were leaked. It is called one report at a time, by a goroutine of the domain's
	// that exists while there is something to report, so it holds up nothing but
	// later reports (of which 16 are kept) and Close. It must not wait on the domain.
	// A panic in it ends the program. Default: a warning through log/slog.
	OnStall func(Stall)

	// OnPanic receives the panic of a callback, after the callbacks of its chunk
	// have run, in the worker that ran them. It holds up that chunk and that worker;
	// a panic in it ends the program. Default: the panic is raised again, as a
	// *CallbackPanic in a goroutine of the domain's own, which ends the program; that
	// worker first runs what was ready at the time.
	OnPanic func(*CallbackPanic)

	// ChunkCalls and ChunkBytes bound how many calls, and how many bytes, a
	// processor collects before it hands them to the reclaimer. Defaults: 256
	// calls; 256 KiB or, if less, what lets every processor fill a chunk within
	// an eighth of MaxPending. ChunkCalls is at most 2^20, ChunkBytes at most
	// MaxPending.
	ChunkCalls int
	ChunkBytes int

	// Workers bounds how many goroutines run callbacks at once. There are none
	// while there is nothing to run. At most 4096. Default: GOMAXPROCS.
	Workers int

	// For tests: fenced and start reach the clock's options of those names;
	// before is called by the reclaimer at each check-in ("check in"), and between
	// its look and its stopping ("stop") or waiting ("settle").
	fenced bool
	start  Seq
	before func(d *Domain, what string)
}

const (
	defaultMaxPending = 64 << 20
	defaultMaxDelay   = 100 * time.Millisecond
	defaultStallAfter = 10 * time.Second
	defaultChunkCalls = 256
	defaultChunkBytes = 256 << 10

	maxChunkCalls = 1 << 20 // 16 MiB for each processor
	maxWorkers    = 4096
)

// normalize checks the options and fills in the defaults. procs is GOMAXPROCS.
func (o *Options) normalize(procs int) error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxDelay", int64(o.MaxDelay)},
		{"CheckIn", int64(o.CheckIn)},
		{"ChunkCalls", int64(o.ChunkCalls)},
		{"ChunkBytes", int64(o.ChunkBytes)},
		{"Workers", int64(o.Workers)},
	} {
		if f.value < 0 {
			return fmt.Errorf("smr: negative Options.%s: %d", f.name, f.value)
		}
	}
	setDefault(&o.MaxPending, defaultMaxPending)
	setDefault(&o.MaxDelay, defaultMaxDelay)
	setDefault(&o.CheckIn, o.MaxDelay/4)
	setDefault(&o.StallAfter, defaultStallAfter)
	setDefault(&o.ChunkCalls, defaultChunkCalls)
	o.ChunkCalls = min(o.ChunkCalls, maxChunkCalls)
	if o.ChunkBytes == 0 {
		o.ChunkBytes = defaultChunkBytes
		if o.MaxPending > 0 {
			o.ChunkBytes = int(max(1, min(int64(o.ChunkBytes), o.MaxPending/int64(8*pcpu.Count(procs)))))
		}
	}
	// A chunk above MaxPending would make Throttle sum up each time; and sums of
	// some chunks per processor must not overflow.
	if o.MaxPending > 0 {
		o.ChunkBytes = int(min(int64(o.ChunkBytes), o.MaxPending))
	}
	o.ChunkBytes = min(o.ChunkBytes, maxSize)
	setDefault(&o.Workers, procs)
	o.Workers = min(o.Workers, maxWorkers)
	if o.OnStall == nil {
		o.OnStall = logStall
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
