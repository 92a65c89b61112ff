package server

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A bit that is set while BITOP combines a value with itself is not lost.
func TestBitOp_LosesNoBit(t *testing.T) {
	s := start(t, Options{IOThreads: 2})
	bits, last := 4000, strconv.Itoa(1<<19-1) // 64 KiB, which take a while
	if testing.Short() {
		bits = 1000
	}
	setup := s.dial(t)
	require.Equal(t, ":0\r\n", setup.do("SETBIT", "a", last, "1"))
	var writer sync.WaitGroup
	done := make(chan struct{})
	clients := []*client{s.dial(t), s.dial(t)}
	writer.Go(func() {
		defer close(done)
		clients[0].pipeline(bits, ":0\r\n", func(i int) []string { return []string{"SETBIT", "a", strconv.Itoa(i), "1"} })
	})
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
			clients[1].pipeline(10, ":65536\r\n", func(int) []string { return []string{"BITOP", "OR", "a", "a", "none"} })
		}
	}
	writer.Wait()
	require.Equal(t, ":"+strconv.Itoa(bits+1)+"\r\n", setup.do("BITCOUNT", "a"))
}
