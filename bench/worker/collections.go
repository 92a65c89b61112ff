package main

import (
	"runtime"
	"slices"
	"time"
)

// collections is the family of what maps are to the collector.
func collections() (all []entry) {
	if portable {
		return nil
	}
	for _, p := range append(mapPeers(), tablePeer{"gosmr-bytes", func(int) table { return newBytes(true) }, 0}) {
		all = append(all, entry{"gc", p.name, func(j job) (values, error) {
			if p.most > 0 && j.param > p.most {
				return nil, errParam
			}
			t, v := filled(j, p)
			var times []int64
			for range 5 {
				began := time.Now()
				runtime.GC()
				times = append(times, time.Since(began).Nanoseconds())
			}
			slices.Sort(times)
			v["gc"] = float64(times[len(times)/2])
			w := mix{loads: 0}.work(j)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			sink.Store(t.do(w))
			runtime.ReadMemStats(&after)
			v["alloc"] = float64(after.TotalAlloc-before.TotalAlloc) / float64(len(w))
			if t.close != nil {
				t.close()
			}
			return v, nil
		}})
	}
	return all
}
