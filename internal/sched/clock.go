//go:build smr_sched

package sched

import (
	"time"

	"golang.org/x/sys/unix"
)

// realNow is the time of day: time.Now is the bubble's.
func realNow() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Unix(ts.Unix())
}
