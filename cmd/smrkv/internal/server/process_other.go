//go:build !unix

package server

import "time"

func cpuTime() (user, system time.Duration, ok bool) { return 0, 0, false }

func residentBytes() (int64, bool) { return 0, false }
