package goid

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBlocked_States(t *testing.T) {
	for header, want := range map[string]string{
		"goroutine 1 [chan receive]:":                                 "chan receive",
		"goroutine 1 [chan receive (nil chan)]:":                      "chan receive (nil chan)",
		"goroutine 1 [select, 2 minutes]:":                            "select",
		"goroutine 1 [sleep (durable), synctest bubble 3]:":           "sleep",
		"goroutine 1 [sync.Mutex.Lock, 3 minutes, locked to thread]:": "sync.Mutex.Lock",
		"goroutine 1 [IO wait labels:{\"a\": \"[select]\"}]:":         "IO wait",
		"goroutine 1 [running]:":                                      "",
		"goroutine 1 [runnable]:":                                     "",
		"goroutine 1 [semacquire]:":                                   "",
		"goroutine 1 [syscall]:":                                      "",
		"goroutine 1 [GC assist wait]:":                               "",
		"":                                                            "",
	} {
		require.Equal(t, want, Blocked(header+"\nmain.f()"), header)
	}
}

// What this Go writes.
func TestBlocked_OfThisGo(t *testing.T) {
	var mu sync.Mutex
	mu.Lock()
	c := make(chan int)
	id := make(chan uint64, 2)
	done := make(chan struct{}, 2)
	go func() { id <- Get(); <-c; done <- struct{}{} }()
	receiver := <-id
	go func() { id <- Get(); mu.Lock(); defer mu.Unlock(); done <- struct{}{} }()
	locker := <-id
	until := func(id uint64, want string) {
		for deadline := time.Now().Add(2 * time.Minute); ; runtime.Gosched() {
			if Blocked(Stacks()[id]) == want {
				break
			}
			require.True(t, time.Now().Before(deadline), "never %s", want)
		}
		require.Contains(t, Place(Stacks()[id]), "TestBlocked_OfThisGo")
		require.NotContains(t, Place(Stacks()[id]), want+"]")
	}
	until(receiver, "chan receive")
	until(locker, "sync.Mutex.Lock")
	c <- 0
	mu.Unlock()
	<-done
	<-done
	require.Empty(t, Blocked(Stacks()[Get()]))
}
