package clock_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
)

// A writer unlinks something and takes a goal. It is reached when each section that was open then has
// been left.
func ExampleClock() {
	var c clock.Clock
	c.Init(clock.Options{Name: "tables"})
	reader, gen := c.Enter()

	// The writer unlinks here.
	goal := c.Advance()
	fmt.Println(c.Poll(goal))
	reader.Leave(gen)
	fmt.Println(c.Poll(goal)) // what was unlinked can be freed
	// Output:
	// false
	// true
}

// A worker that reads all day has a record of its own.
func ExampleRecord() {
	var c clock.Clock
	c.Init(clock.Options{})
	worker := c.NewOwned()
	for range 2 {
		section, gen := worker.Enter()
		fmt.Println(section.Kind(), section.Active(gen))
		section.Leave(gen)
	}
	fmt.Println(worker.Close())
	// Output:
	// reader true
	// reader true
	// true
}

// Both halves of a section are inlined here: their slow paths are parameters.
func ExampleSection() {
	var c clock.Clock
	c.Init(clock.Options{})
	worker := c.NewOwned()
	s := worker.EnterOr((*clock.Record).EnterSlow)
	fmt.Println(s.Rec == worker, s.Rec.Active(s.Gen))
	s.Rec.LeaveOr(s.Gen, (*clock.Record).LeaveSlow)
	fmt.Println(s.Rec.Active(s.Gen))
	// Output:
	// true true
	// false
}

// Moments are ordered by Before, also where the count of advances wraps.
func ExampleSeq() {
	var c clock.Clock
	c.Init(clock.Options{})
	earlier := c.Now()
	later := c.Advance()
	fmt.Println(earlier.Before(later), later.Before(earlier))
	fmt.Println(earlier.Tag() == c.Tag())
	// Output:
	// true false
	// true
}

// What a goal waits for.
func ExampleBlocker() {
	var c clock.Clock
	c.Init(clock.Options{})
	worker := c.NewOwned()
	section, gen := worker.Enter()
	goal := c.Advance()
	for _, b := range c.Blocking(goal) {
		fmt.Println(b.Kind == clock.Owned, b.Record == section, b.HoldsBack(goal))
	}
	section.Leave(gen)
	fmt.Println(len(c.Blocking(goal)))
	// Output:
	// true true true
	// 0
}

// A section that is sampled has the stack that entered it.
func ExampleSample() {
	var c clock.Clock
	c.Init(clock.Options{SampleSections: 1}) // each
	section, gen := c.Enter()
	defer section.Leave(gen)
	sample := c.Blocking(c.Advance())[0].Sample
	frames := runtime.CallersFrames(sample.Stack())
	for f, more := frames.Next(); more; f, more = frames.Next() {
		if strings.HasSuffix(f.Function, ".ExampleSample") {
			fmt.Println("entered by ExampleSample")
		}
	}
	// Output: entered by ExampleSample
}

// A reader that stays is reported while a wait is parked.
func ExampleStall() {
	reports := make(chan clock.Stall, 1)
	var c clock.Clock
	c.Init(clock.Options{
		StallAfter: time.Millisecond,
		OnStall: func(st clock.Stall) {
			select {
			case reports <- st:
			default: // one is enough
			}
		},
	})
	section, gen := c.Enter()
	goal := c.Advance()
	done := make(chan error)
	go func() { done <- c.Wait(context.Background(), goal) }()

	st := <-reports
	fmt.Println(st.Goal == goal, len(st.Readers), st.Readers[0].Kind)
	section.Leave(gen)
	fmt.Println(<-done)
	// Output:
	// true 1 section
	// <nil>
}
