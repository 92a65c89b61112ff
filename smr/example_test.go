package smr_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// table stands for something the collector does not own: a mapped file, say.
type table struct {
	name string
	rows int
}

func (t *table) unmap() { fmt.Println("unmapped", t.name) }

// Readers follow a pointer to a table while a writer replaces it; the old table
// is unmapped when the last reader has left.
func Example() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})

	s := dom.Enter() // a reader
	t := current.Load(s)

	old := current.LoadSerialized() // a writer, holding its lock
	current.Store(&table{"t2", 20})
	smr.Call(dom, old, 4096, (*table).unmap)

	fmt.Println("reading", t.name, t.rows) // still mapped
	s.Leave()

	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// reading t1 10
	// unmapped t1
}

func ExampleDomain_Read() {
	dom := smr.Default()
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	dom.Read(func(s smr.Section) {
		fmt.Println(current.Load(s).rows)
	})
	// Output: 10
}

// A worker that reads all day has a record of its own.
func ExampleDomain_NewReader() {
	dom := smr.Default()
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	var wg sync.WaitGroup
	wg.Go(func() {
		r := dom.NewReader()
		defer r.Close()
		sum := 0
		for range 3 {
			s := r.Enter()
			sum += current.Load(s).rows
			s.Leave()
		}
		fmt.Println(sum)
	})
	wg.Wait()
	// Output: 30
}

// Synchronize waits for the readers there are: after it, nobody has the old
// value.
func ExampleDomain_Synchronize() {
	dom := smr.Default()
	var current smr.Pointer[table]
	old := &table{"t1", 10}
	current.Init(old)
	current.Store(&table{"t2", 20})
	if err := dom.Synchronize(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	old.unmap()
	// Output: unmapped t1
}

// A goal can be taken now and polled later: for a free list, say, whose entries
// are reused once they are safe.
func ExampleDomain_Poll() {
	dom := smr.Default()
	s := dom.Enter()
	goal := dom.Advance()
	fmt.Println(dom.Poll(goal))
	s.Leave()
	fmt.Println(dom.Poll(goal))
	// Output:
	// false
	// true
}

// A writer in a flood frees what it has retired, where it holds no lock and is in no section.
func ExampleDomain_Assist() {
	dom, err := smr.New(smr.Options{MaxPending: 64 << 10})
	if err != nil {
		panic(err)
	}
	var current smr.Pointer[table]
	current.Init(&table{"t0", 1 << 10})
	var mu sync.Mutex // of the writers
	peak := int64(0)
	for range 1000 {
		mu.Lock()
		old := current.LoadSerialized()
		current.Store(&table{"t1", 1 << 10})
		mu.Unlock()
		smr.Call(dom, old, 1<<10, func(*table) {})
		dom.Assist()
		peak = max(peak, dom.Stats().PendingBytes)
	}
	fmt.Println("at most 64 KiB pending:", peak <= 64<<10)
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: at most 64 KiB pending: true
}

// A writer that unlinks faster than readers let go is slowed down, so that the
// memory pending stays bounded.
func ExampleDomain_Throttle() {
	dom, err := smr.New(smr.Options{MaxPending: 1 << 20})
	if err != nil {
		panic(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	go dom.Read(func(smr.Section) { // a reader that stays
		close(entered)
		<-release
	})
	<-entered

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	written := 0
	for {
		if err := dom.Throttle(ctx); err != nil {
			fmt.Println("stopped at", written, "MiB:", errors.Is(err, context.DeadlineExceeded))
			break
		}
		dom.CallFunc(1<<20, func() {})
		written++
	}
	close(release)
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: stopped at 1 MiB: true
}

// A service ends while requests still come: the late ones are refused, and what readers may hold is
// unmapped when the last one has left.
func ExampleDomain_TryEnter() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	handle := func() string {
		s, ok := dom.TryEnter()
		if !ok {
			return "503 shutting down"
		}
		defer s.Leave()
		return fmt.Sprint("200 ", current.Load(s).rows, " rows")
	}
	fmt.Println(handle())

	// Intake has ended. Close waits for the requests that run, and their calls.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := dom.Close(ctx); err != nil {
		fmt.Println(err) // it says what is open; nothing may be unmapped yet
		return
	}
	current.LoadSerialized().unmap()
	fmt.Println(handle())
	// Output:
	// 200 10 rows
	// unmapped t1
	// 503 shutting down
}

// Quiescent readers suit event loops: between two events the loop holds nothing,
// and says so.
func ExampleDomain_NewQuiescent() {
	dom := smr.Default()
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	q := dom.NewQuiescent(nil)
	defer q.Close()
	q.Online()
	for range 2 {
		fmt.Println(current.Load(q.Section()).rows) // costs what a load costs
		q.Quiesce()
	}
	q.Offline() // before blocking
	// Output:
	// 10
	// 10
}

// A pointer is published by one writer at a time, by a lock that it knows: -tags invariants check both
// the lock and the domain.
func ExamplePointer() {
	dom := smr.Default()
	var mu sync.Mutex // the writers'
	var current smr.Pointer[table]
	current.In(dom)
	current.GuardedBy(&mu)
	current.Init(&table{"t1", 10}) // no reader can see it yet

	mu.Lock()
	old := current.LoadSerialized()
	current.Store(&table{"t2", old.rows + 10})
	mu.Unlock()

	s := dom.Enter()
	fmt.Println(current.Load(s).name, current.Load(s).rows)
	s.Leave()
	// Output: t2 20
}

// A section may go to another goroutine, which leaves it.
func ExampleSection() {
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	s := smr.Default().Enter()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Leave()
		fmt.Println(current.Load(s).rows)
	}()
	<-done
	fmt.Println(s.Active())
	// Output:
	// 10
	// false
}

// Held objects outlive their section, and each clone has a Release of its own.
func ExampleHeld() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	var current smr.Pointer[table]
	current.Init(&table{"t1", 10})
	s := dom.Enter()
	held := smr.Hold(s, current.Load(s))
	s.Leave()

	smr.Call(dom, current.Swap(nil), 4096, (*table).unmap)
	other := held.Clone() // for another goroutine
	held.Release()
	fmt.Println(other.Active(), other.Get().rows)
	other.Release()
	if err := dom.Barrier(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// true 10
	// unmapped t1
}

// Options out of range are errors; those that are zero have their defaults.
func ExampleOptions() {
	dom, err := smr.New(smr.Options{
		Name:           "tables",
		MaxPending:     16 << 20,               // writers in Throttle wait from there on
		MaxDelay:       200 * time.Millisecond, // from when an object could be freed to its callback
		SampleSections: 10_000,                 // one in so many records its stack
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(dom.Name(), dom.CheckIn())
	_, err = smr.New(smr.Options{Workers: -1})
	fmt.Println(err)
	// Output:
	// tables 50ms
	// smr: negative Options.Workers: -1
}

// A service logs which grace periods are slow, and what a test run has found misused.
func ExampleEvents() {
	dom, err := smr.New(smr.Options{Name: "tables", Events: smr.Events{
		GraceEnd: func(g smr.GraceInfo) {
			if g.Took > time.Hour {
				slog.Warn("slow grace period", "domain", g.Domain, "took", g.Took, "calls", g.Calls, "bytes", g.Bytes)
			}
		},
		CallbacksEnd: func(c smr.CallbacksInfo) { fmt.Println(c.Domain, "freed", c.Bytes, "bytes") },
		StallEnd:     func(s smr.Stall) { slog.Info("the reader has left", "domain", s.Domain, "after", s.Age) },
		Misuse:       func(m smr.Misuse) { slog.Error(m.Text) }, // a handler's panic is recovered: it is in the log
		CloseEnd:     func(c smr.CloseInfo) { fmt.Println(c.Domain, "closed, error:", c.Err) },
	}})
	if err != nil {
		panic(err)
	}
	dom.CallFunc(4096, func() {})
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// tables freed 4096 bytes
	// tables closed, error: <nil>
}
