package smr

import (
	"fmt"
	"time"

	"github.com/gosmr/gosmr/pcpu"
)

// Options configure a Domain. A zero field means its default.
type Options struct {
	// Name appears in Stats, stall reports and panics. It need not be unique. Default: "domain-"
	// and a number.
	Name string

	// MaxPending is the number of pending bytes (the sizes passed to Call) at which Throttle makes
	// writers wait. Negative: no bound. Default: 64 MiB.
	MaxPending int64

	// MaxDelay bounds the time from when an object could be freed to when its callback starts, if
	// callbacks are short and processors are available. An object could be freed after its Call and
	// after the last section that may hold it, which includes those entered between the Call and
	// the next check-in. Default: 100 ms.
	MaxDelay time.Duration

	// CheckIn is the interval at which, while anything is pending, the domain hands over the chunks
	// of all processors, full or not. A short interval frees sooner, a long one makes larger
	// batches. It is at most half of MaxDelay; SetCheckIn changes it. While a reader holds up all
	// that is pending and nothing new is called, the interval doubles each time. Default: a quarter
	// of MaxDelay.
	CheckIn time.Duration

	// StallAfter is the age at which OnStall learns of a grace period, and again each time the age
	// has doubled. A grace period ages only while a pending call or a Wait waits for it; Poll does
	// not count. Negative: never. Default: 10 s.
	StallAfter time.Duration

	// OnStall receives stall reports and, under -tags invariants, leaked sections. A goroutine of
	// the domain calls it with one report at a time, so it delays only later reports (up to 16 are
	// kept) and Close. It must not wait on the domain. A panic in it ends the program. Default: a
	// warning through log/slog.
	OnStall func(Stall)

	// Events are called as the domain works. See [Events].
	Events Events

	// SampleSections makes about one section in so many record the stack that enters it, for stall
	// reports and the errors of waits: 1 means each, 0 none. The sections of Quiescents are not sampled.
	// SetSampleSections changes it. Cost: none for the others (a call, for a Reader's); for a sampled
	// one a microsecond or two, and 200 bytes that its record keeps until the next. Under -tags
	// invariants each section has its stack. Default: 0.
	SampleSections int

	// OnPanic receives the panic of a callback. The worker that ran the callback calls it after the
	// chunk's last callback; it delays that chunk and that worker. A panic in it ends the program.
	// Default: the worker runs the chunks that are ready and then panics with the *CallbackPanic,
	// which ends the program.
	OnPanic func(*CallbackPanic)

	// ChunkCalls and ChunkBytes bound the calls and bytes that a processor collects in a chunk
	// before it hands that to the reclaimer. ChunkCalls is at most 2^20, ChunkBytes at most
	// MaxPending. Defaults: 256 calls and 256 KiB, or less if the chunks of all processors would
	// exceed an eighth of MaxPending.
	ChunkCalls int
	ChunkBytes int

	// Workers bounds the goroutines of the domain that run callbacks at once. They exist only while
	// there are callbacks to run. As many callers of Assist may run callbacks beside them. At most
	// 4096. Default: GOMAXPROCS.
	Workers int

	silent bool // no function of Events is called by the domain's goroutines

	// For tests. fenced and start are the clock's options. The reclaimer calls before at each
	// check-in ("check in"), before it stops ("stop"), and before it waits ("settle").
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
		{"SampleSections", int64(o.SampleSections)},
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
	// A chunk above MaxPending would keep Throttle off its fast path, and the sum of two chunks of
	// each processor must not overflow.
	limit := maxSize
	if o.MaxPending > 0 {
		limit = int(min(maxSize, o.MaxPending))
	}
	setDefault(&o.ChunkBytes, max(1, min(defaultChunkBytes, limit/(8*pcpu.Count(procs)))))
	o.ChunkBytes = min(o.ChunkBytes, limit)
	setDefault(&o.Workers, procs)
	o.Workers = min(o.Workers, maxWorkers)
	if o.OnStall == nil {
		o.OnStall = logStall
	}
	o.silent = o.Events.setDefaults()
	return nil
}

// setDefault sets a zero field to value.
func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
