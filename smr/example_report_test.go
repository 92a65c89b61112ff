package smr_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// The numbers of a domain: what is pending, and what it waits for.
func ExampleStats() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	s := dom.Enter()
	smr.Call(dom, &table{"t1", 10}, 4096, (*table).unmap)
	st := dom.Stats()
	fmt.Println(st.Name, st.PendingCalls, st.PendingBytes, st.Sections)
	s.Leave()

	if err := dom.Barrier(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(dom.Stats().PendingBytes)
	// Output:
	// tables 1 4096 1
	// unmapped t1
	// 0
}

// What a domain waits for, and where its calls are. (Package smrdebug shows it to people.)
func ExampleDiagnosis() {
	dom, err := smr.New(smr.Options{Name: "tables"})
	if err != nil {
		panic(err)
	}
	s := dom.Enter()
	smr.Call(dom, &table{"t1", 10}, 4096, (*table).unmap)
	dom.Flush()
	dg := dom.Diagnose(10)
	for dg.Waiting.Calls == 0 {
		runtime.Gosched() // until the reclaimer has taken the call
		dg = dom.Diagnose(10)
	}
	fmt.Println("waiting:", dg.Waiting.Calls, "running:", dg.Running.Calls, "held:", dg.Held.Calls)
	for _, r := range dg.Readers {
		fmt.Println(r.Kind, "blocks:", r.Blocks, "holds back:", r.HeldBack.Bytes)
	}
	s.Leave()
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	dg = dom.Diagnose(0)
	fmt.Println("closed:", dg.Closed, "callbacks:", dg.CallbackTimes.Count)
	// Output:
	// waiting: 1 running: 0 held: 0
	// section blocks: true holds back: 4096
	// unmapped t1
	// closed: true callbacks: 1
}

// Calls that wait only for a Release are listed by object, with the function that would free it.
func ExampleHeldObject() {
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
	dom.Flush()

	dg := dom.Diagnose(10)
	for len(dg.Parked) == 0 {
		runtime.Gosched() // until its grace period is over
		dg = dom.Diagnose(10)
	}
	_, name, _ := strings.Cut(dg.Parked[0].Callback, "smr_test.")
	fmt.Println(name, dg.Parked[0].Bytes)
	held.Release()
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// (*table).unmap 4096
	// unmapped t1
}

// A reader that stays too long is reported, with the code that entered if it was sampled.
func ExampleStall() {
	reports := make(chan smr.Stall, 1)
	dom, err := smr.New(smr.Options{
		Name:           "tables",
		SampleSections: 1, // each; one in 10,000 is enough in production
		StallAfter:     time.Millisecond,
		OnStall: func(st smr.Stall) {
			select {
			case reports <- st:
			default: // one is enough
			}
		},
	})
	if err != nil {
		panic(err)
	}
	s := dom.Enter()
	dom.CallFunc(4096, func() {})
	dom.Flush()

	st := <-reports
	fmt.Println(st.Domain, st.PendingCalls, st.PendingBytes)
	for _, r := range st.Readers {
		fmt.Println(r.Kind, strings.Contains(r.Stack, "ExampleStall"))
	}
	s.Leave()
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// tables 1 4096
	// section true
}

// A program that must not end when a callback panics gets the panic, and others run.
func ExampleCallbackPanic() {
	panics := make(chan *smr.CallbackPanic, 1)
	dom, err := smr.New(smr.Options{Name: "files", OnPanic: func(p *smr.CallbackPanic) { panics <- p }})
	if err != nil {
		panic(err)
	}
	closed := errors.New("the file was closed already")
	closeFile := func() error { return closed }
	dom.CallFunc(0, func() {
		if err := closeFile(); err != nil {
			panic(err)
		}
	})
	dom.Flush()

	p := <-panics
	fmt.Println(p.Domain, errors.Is(p, closed))
	fmt.Println(dom.Close(context.Background()))
	// Output:
	// files true
	// <nil>
}
