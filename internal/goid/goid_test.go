package goid

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGet_TellsGoroutinesApart(t *testing.T) {
	here := Get()
	require.Equal(t, here, Get())
	id, _ := Labeled()
	require.Equal(t, here, id)
	var other uint64
	var wg sync.WaitGroup
	wg.Go(func() { other = Get() })
	wg.Wait()
	require.NotEqual(t, here, other)
}

// The traces as Go 1.26 and 1.27 write them, and what this Go writes.
func TestLabeled(t *testing.T) {
	for trace, want := range map[string]string{
		"goroutine 12 [running]:\nmain.f()":                           "",
		"goroutine 12 [running labels:{\"a\": \"b\"}]:\nmain.f()":     `{"a": "b"}`,
		"goroutine 12 [running labels:{\"a\": \"]: \\n\"}]:\nlabels:": `{"a": "]: \n"}`,
		"goroutine 12 [running]:\nmain.labels:(x)":                    "",
		"goroutine 12 [running labels:{\"a\": \"bcd":                  `{"a": "bcd...`,
	} {
		require.Equal(t, want, labelsOf([]byte(trace)), trace)
		require.EqualValues(t, 12, number([]byte(trace)))
	}

	t.Setenv("GODEBUG", "tracebacklabels=1")
	pprof.Do(context.Background(), pprof.Labels("route", "/get"), func(context.Context) {
		id, labels := Labeled()
		require.Equal(t, Get(), id)
		if labels != "" { // before Go 1.26 no trace has them
			require.Equal(t, `{"route": "/get"}`, labels)
		}
	})
	pprof.Do(context.Background(), pprof.Labels("long", strings.Repeat("x", 5000)), func(context.Context) {
		if _, labels := Labeled(); labels != "" {
			require.True(t, strings.HasSuffix(labels, "x..."), "cut off: %s", labels)
		}
	})
}
